/**
 * What a test has started ends with it, also when it failed: otherwise its file would run on.
 *
 * `node:test` runs its hooks oldest first and leaves out the rest after one that fails. Here the
 * newest thing ends first, each of them does, and then what went wrong is told.
 */
import { after } from 'node:test';

type End = () => Promise<unknown>;

/** A test's own context, or that of a whole file. */
export interface Scope {
  after(fn: () => Promise<void>): void;
}

/** A test is given nothing of ours to keep them in. */
const ENDS = new WeakMap<Scope, End[]>();

export function atEnd(scope: Scope, end: End): void {
  const ends = ENDS.get(scope);
  if (ends !== undefined) {
    ends.push(end);
    return;
  }
  const first = [end];
  ENDS.set(scope, first);
  scope.after(() => endAll(first));
}

/** Of the file that calls it while it is read. */
export function fileScope(): Scope {
  const ends: End[] = [];
  after(() => endAll(ends));
  return { after: (fn) => void ends.push(fn) };
}

async function endAll(ends: End[]): Promise<void> {
  const errors: unknown[] = [];
  for (let end = ends.pop(); end !== undefined; end = ends.pop())
    await end().catch((error: unknown) => errors.push(error));
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, errors.map(String).join('\n'));
}

/** Something that goes on beside a test, until `stop` or the end of its scope. */
export class Beside<T> {
  #isOn = true;
  readonly #outcome: Promise<T>;

  constructor(scope: Scope, work: (isOn: () => boolean) => Promise<T>) {
    this.#outcome = work(() => this.#isOn);
    // A failure is told by `stop`; a test that failed before has its own to tell.
    const ended = this.#outcome.catch(() => undefined);
    atEnd(scope, () => {
      this.#isOn = false;
      return ended;
    });
  }

  async stop(): Promise<T> {
    this.#isOn = false;
    return await this.#outcome;
  }
}
