/**
 * Finds out that a follower's server has failed a command of the stream: it has diverged, though
 * its offset goes on and its link stays up (`facts/holes.md` H3). Most such servers panic by
 * themselves (`propagation-error-behavior`) and their last words say so; this asks those that do
 * not.
 */
export interface DivergencePorts {
  /** The life of a server that follows, null while there is none. */
  following(): number | null;
  /** `unexpected_error_replies` of INFO; null when it could not be had. */
  ask(done: (errors: number | null) => void): void;
  /** Called in the life that was asked. */
  found(why: string): void;
}

/** A divergence is seen within about 5 s. */
export const ASK_TICKS = 200;

/** What a server prints when it answers its primary with an error. */
const CONFESSION = /is sending an error to its (master|primary)/;

export class DivergenceWatch {
  readonly #ports: DivergencePorts;
  #ticks = 0;
  #isAsking = false;

  constructor(ports: DivergencePorts) {
    this.#ports = ports;
  }

  tick(): void {
    this.#ticks += 1;
    const life = this.#ports.following();
    if (this.#ticks < ASK_TICKS || this.#isAsking || life === null) return;
    this.#ticks = 0;
    this.#isAsking = true;
    this.#ports.ask((errors) => {
      this.#isAsking = false;
      // A later life is another server, and one that leads by now has other reasons for errors.
      if (errors === null || errors === 0 || this.#ports.following() !== life) return;
      this.#ports.found(`${errors} commands of the agreed stream failed on this node's server`);
    });
  }
}

/** Whether a line that the server printed tells of a command of the stream that failed there. */
export function isConfession(line: string): boolean {
  return CONFESSION.test(line);
}
