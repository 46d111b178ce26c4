/** A broken invariant is our bug, never the outside world's fault. It is not caught: it crashes. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** On hot paths give a literal message: a template is built even when the condition holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Closes an exhaustive switch: adding a variant to the union makes the call fail to compile. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value).slice(0, 200)}`);
}
