/**
 * Wakes its parent thread at each tick, with more precision than timers of whole milliseconds and
 * without spinning: a thread that sleeps in `Atomics.wait`. It says when it is
 * there, since a thread takes a while to start, and then waits for its order.
 */
import { parentPort } from 'node:worker_threads';
import { monotonicMs } from './job.ts';

export interface PacerOrder {
  readonly beginMs: number;
  readonly ms: number;
  readonly tickMs: number;
}

function pace({ beginMs, ms, tickMs }: PacerOrder): void {
  const bed = new Int32Array(new SharedArrayBuffer(4));
  let atMs = beginMs;
  while (atMs <= beginMs + ms) {
    const nowMs = monotonicMs();
    if (nowMs < atMs) Atomics.wait(bed, 0, 0, atMs - nowMs);
    parentPort?.postMessage(null);
    // Ticks that went by while nobody ran this thread are one message: the schedule knows them all.
    const missed = Math.max(0, Math.floor((monotonicMs() - atMs) / tickMs));
    atMs += tickMs * (1 + missed);
  }
}

parentPort?.once('message', (order: PacerOrder) => pace(order));
parentPort?.postMessage(null);
