/** The bounds of stages, and how long the present one has taken, or since something moved in it. */
export interface StageLimits {
  /** A server that lacks no more than this counts as level when it comes to campaigning. */
  readonly levelSlackBytes: number;
  /** Nothing moves on the way to level. */
  readonly openTicksMax: number;
  /** One step of promotion or demotion. */
  readonly stepTicksMax: number;
}

export class StageClock {
  #ticks = 0;
  #progress = 0;

  get ticks(): number {
    return this.#ticks;
  }

  restart(): void {
    this.#ticks = 0;
  }

  tick(): void {
    this.#ticks += 1;
  }

  /**
   * Loading a large snapshot may take long; doing nothing may not. `progress` is any number that
   * changes while something moves.
   */
  isStill(progress: number, ticksMax: number): boolean {
    if (progress !== this.#progress) this.#ticks = 0;
    this.#progress = progress;
    return this.#ticks > ticksMax;
  }
}
