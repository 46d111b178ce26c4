/** Why clients are not read for now: each reason counts until it is taken back. */
export type PauseReason = 'uncommitted' | 'handOver' | 'logFull' | 'diskBehind';

export class ReadPauses {
  readonly #reasons = new Set<PauseReason>();
  readonly #changed: (isPaused: boolean) => void;

  constructor(changed: (isPaused: boolean) => void) {
    this.#changed = changed;
  }

  set(reason: PauseReason, isPaused: boolean): void {
    const before = this.#reasons.size > 0;
    if (isPaused) this.#reasons.add(reason);
    else this.#reasons.delete(reason);
    const after = this.#reasons.size > 0;
    if (before !== after) this.#changed(after);
  }
}
