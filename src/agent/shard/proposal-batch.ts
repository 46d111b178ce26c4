/** What is captured in one turn goes to Raft as one event: one step, one append, one sync. */
import type { Driver } from '../../core/raft/driver.ts';

export class ProposalBatch {
  readonly #driver: Pick<Driver, 'handle'>;
  readonly #soon: (fn: () => void) => void;
  /** Bounded by the pause of writes: uncommitted bytes are counted where they are captured. */
  #payloads: Uint8Array[] = [];

  /** `soon` runs after what is under way in this turn. */
  constructor(driver: Pick<Driver, 'handle'>, soon: (fn: () => void) => void) {
    this.#driver = driver;
    this.#soon = soon;
  }

  add(payload: Uint8Array): void {
    this.#payloads.push(payload);
    if (this.#payloads.length > 1) return;
    this.#soon(() => {
      const payloads = this.#payloads;
      this.#payloads = [];
      if (payloads.length > 0) this.#driver.handle({ kind: 'proposed', payloads });
    });
  }

  /** The reign is over: whoever leads now is told nothing of it. */
  clear(): void {
    this.#payloads = [];
  }
}
