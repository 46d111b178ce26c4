/**
 * What a warden knows of the server that it owns: until when it may take writes (holes H12).
 *
 * Pure; the process around it (`agent/warden-entry.ts`) has the pipe, the clock and the kill.
 */
export class Warden {
  #untilMs: number | null = null;
  #isAgentGone = false;

  /** Until then, on the clock that agent and warden share. Never earlier than what it was told. */
  extend(untilMs: number): void {
    this.#untilMs = Math.max(untilMs, this.#untilMs ?? untilMs);
  }

  /** It has been seen to take none. */
  disarm(): void {
    this.#untilMs = null;
  }

  /** Nobody is there any more who could shut it. */
  agentGone(): void {
    this.#isAgentGone = true;
  }

  mustKill(nowMs: number): boolean {
    return this.#isAgentGone || (this.#untilMs !== null && nowMs >= this.#untilMs);
  }

  /** When to look again; null: when something is told. */
  get dueMs(): number | null {
    return this.#untilMs;
  }
}
