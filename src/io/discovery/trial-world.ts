/** The ports of discovery over time that a test moves, and answers that it writes. */
import { DiscoveryError } from './errors.ts';
import type { Clock, DiscoveryPorts, WebAnswer, WebRequest } from './ports.ts';

/** Turns of the event loop in which everything that waits for nothing has happened. */
const SETTLE_TURNS = 10;

export async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++)
    await new Promise<void>((resolve) => setImmediate(resolve));
}

export class TrialClock implements Clock {
  #nowMs = 0;
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sleeper = {
        atMs: this.#nowMs + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', sleeper.wake, { once: true });
      if (signal.aborted) sleeper.wake();
    });
  }

  /** In steps, so that what is woken on the way finds the time that it slept for. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const [next] = [...this.#sleepers].toSorted((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
      await settle();
    }
    this.#nowMs = endMs;
  }
}

type Said<T> = T | DiscoveryError;

function orThrow<T>(said: Said<T>): T {
  if (said instanceof DiscoveryError) throw said;
  return said;
}

export class TrialWorld {
  readonly clock = new TrialClock();
  /** By name; what is not there does not exist. */
  readonly hosts = new Map<string, Said<readonly string[]>>();
  readonly services = new Map<string, Said<readonly { host: string; port: number }[]>>();
  readonly files = new Map<string, string>();
  /** Every request, and what answers it. */
  readonly requests: WebRequest[] = [];
  respond: (request: WebRequest, body?: string) => WebAnswer | Promise<WebAnswer> = () => {
    throw new DiscoveryError('NO_ANSWER', 'nobody listens there');
  };
  /** Looked up, in order. */
  readonly asked: string[] = [];

  readonly ports: DiscoveryPorts = {
    clock: this.clock,
    names: {
      addresses: async (name) => {
        this.asked.push(name);
        return orThrow(this.hosts.get(name) ?? []);
      },
      services: async (name) => {
        this.asked.push(`SRV ${name}`);
        return orThrow(this.services.get(name) ?? []);
      },
    },
    web: {
      get: async (request) => {
        this.requests.push(request);
        return await this.respond(request);
      },
      change: async (change) => {
        this.requests.push(change);
        return await this.respond(change, change.body);
      },
    },
    files: {
      read: async (path) => {
        const text = this.files.get(path);
        if (text === undefined) throw new DiscoveryError('NOT_HERE', `${path}: no such file`);
        return text;
      },
    },
    // The whole pause, so that times in tests are round.
    chance: () => 1,
  };
}

export function answerOf(status: number, ...pieces: readonly string[]): WebAnswer {
  async function* body() {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  return { status, body: body() };
}

export function jsonAnswer(status: number, value: unknown): WebAnswer {
  return answerOf(status, JSON.stringify(value));
}
