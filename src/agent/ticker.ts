/** Calls every `tickMs`, and says so when one came late: everything on its thread has waited. */
export class Ticker {
  readonly #timer: NodeJS.Timeout;

  /** `stalled` hears the milliseconds between two ticks that were more than `stallMsMax` apart. */
  constructor(
    { tickMs, stallMsMax }: { readonly tickMs: number; readonly stallMsMax: number },
    tick: () => void,
    stalled: (ms: number) => void,
  ) {
    let lastMs = performance.now();
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      if (nowMs - lastMs > stallMsMax) stalled(Math.round(nowMs - lastMs));
      lastMs = nowMs;
      tick();
    }, tickMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
