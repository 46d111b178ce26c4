/** The first broken rule ends a run: from there on nothing else is worth looking at. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export function must(condition: boolean, rule: string, detail: () => string): asserts condition {
  if (!condition) throw new Violation(`${rule}: ${detail()}`);
}
