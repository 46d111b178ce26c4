/** Pieces of work side by side, a few at a time; the first that fails ends all. */
export class Flights {
  readonly #countMax: number;
  readonly #flying = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** Begins when there is room. Rejects when a piece has failed. */
  async begin(work: () => Promise<void>): Promise<void> {
    while (this.#flying.size >= this.#countMax) await Promise.race(this.#flying);
    this.#assertWell();
    const flight: Promise<void> = work()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .then(() => void this.#flying.delete(flight));
    this.#flying.add(flight);
  }

  /** Until all have ended. */
  async end(): Promise<void> {
    await Promise.all(this.#flying);
    this.#assertWell();
  }

  #assertWell(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}
