/**
 * Calls on one connection that wait for their answers, which come in the order of the calls. Each
 * has a time bound; after a call without an answer nothing else can be matched, so that the
 * connection is over then, and whoever owns it says so by `end`.
 */
interface Waiting<R, E> {
  readonly timer: NodeJS.Timeout;
  readonly resolve: (reply: R) => void;
  readonly reject: (error: E) => void;
}

export interface Call<E> {
  readonly msMax: number;
  /** Writes it: called once, at once, or not at all. */
  readonly send: () => void;
  /** No answer came in time: `end` has to follow. */
  readonly onLate: () => void;
  /** What is said where too many wait already. */
  readonly crowded: () => E;
}

export class PendingCalls<R, E extends Error> {
  readonly #callsMax: number;
  readonly #waiting: Waiting<R, E>[] = [];
  #over: E | null = null;

  constructor(callsMax: number) {
    this.#callsMax = callsMax;
  }

  get isOver(): boolean {
    return this.#over !== null;
  }

  call({ msMax, send, onLate, crowded }: Call<E>): Promise<R> {
    return new Promise((resolve, reject) => {
      if (this.#over !== null) {
        reject(this.#over);
        return;
      }
      if (this.#waiting.length >= this.#callsMax) {
        reject(crowded());
        return;
      }
      this.#waiting.push({ timer: setTimeout(onLate, msMax), resolve, reject });
      send();
    });
  }

  /** The next answer. What nobody has asked for goes to nobody. */
  answered(reply: R): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    waiting.resolve(reply);
  }

  /** The connection is over: all that wait, and all later calls, are told. */
  end(error: E): void {
    this.#over = error;
    for (const waiting of this.#waiting.splice(0)) {
      clearTimeout(waiting.timer);
      waiting.reject(error);
    }
  }
}
