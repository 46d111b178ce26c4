/** One phase of load over open wires: who sends what when, until it is over and all is answered. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Job, monotonicMs, type Phase } from './job.ts';
import type { PacerOrder } from './pacer.ts';
import type { ReplyKind } from './reply-counter.ts';
import { Schedule, tickMsOf } from './schedule.ts';
import type { Tally } from './tally.ts';
import type { Batch, Wire } from './wire.ts';

/** After the last request was due, for the answers: beyond it they count as never answered. */
const DRAIN_MS_MAX = 10_000;
/** Due and not yet sent: a target this far behind is not going to catch up. */
const QUEUE_MAX = 1_000_000;

/** A connection with its batch. */
interface Lane {
  readonly wire: Wire;
  readonly batch: Batch;
  readonly dueMs: Float64Array;
  readonly isOpen: Uint8Array;
  left: number;
}

export class LoadPhase {
  readonly #job: Job;
  readonly #phase: Phase;
  readonly #tally: Tally;
  readonly #lanes: readonly Lane[];
  readonly #idle: Lane[] = [];
  /** Open loop: when the requests were due that no connection was free for. */
  #queue: number[] = [];
  #queueAt = 0;
  #random: number;
  #filled = 0;
  #endMs = 0;
  #isEnding = false;
  #finish: () => void = () => {};

  constructor(job: Job, phase: Phase, wires: readonly Wire[], tally: Tally) {
    this.#job = job;
    this.#phase = phase;
    this.#tally = tally;
    // Zero is the one state that xorshift does not leave.
    this.#random = job.seed || 1;
    this.#lanes = wires.map((wire) => ({
      wire,
      batch: {
        keys: new Uint32Array(job.pipeline),
        isRead: new Uint8Array(job.pipeline),
        count: 0,
      },
      dueMs: new Float64Array(job.pipeline),
      isOpen: new Uint8Array(job.pipeline),
      left: 0,
    }));
  }

  /** Returns the seconds from the first request to the last answer. */
  async run(): Promise<number> {
    const pacer = this.#phase.kind === 'open' ? await newPacer() : null;
    const beginMs = monotonicMs();
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    if (pacer !== null && this.#phase.kind === 'open') {
      const { ms, perSecond } = this.#phase;
      this.#endMs = beginMs + ms;
      this.#idle.push(...this.#lanes);
      this.#pace(pacer, { beginMs, ms, perSecond });
    } else {
      this.#endMs = this.#phase.kind === 'closed' ? beginMs + this.#phase.ms : Infinity;
      for (const lane of this.#lanes) this.#next(lane, beginMs);
    }
    const latest = this.#phase.kind === 'fill' ? null : this.#giveUpLate();
    await finished;
    if (latest !== null) clearTimeout(latest);
    await pacer?.terminate();
    return (monotonicMs() - beginMs) / 1_000;
  }

  answered(connection: number, place: number, kind: ReplyKind): void {
    const lane = this.#lanes[connection];
    if (lane === undefined || lane.isOpen[place] !== 1) return;
    const nowMs = monotonicMs();
    lane.isOpen[place] = 0;
    lane.left -= 1;
    this.#tally.answered(lane.dueMs[place] ?? nowMs, nowMs, kind);
    if (lane.left === 0) this.#next(lane, nowMs);
  }

  #pace(pacer: Worker, facts: { beginMs: number; ms: number; perSecond: number }): void {
    const schedule = new Schedule(facts);
    const order: PacerOrder = { ...facts, tickMs: tickMsOf(facts.perSecond) };
    const take = (): void => {
      const nowMs = monotonicMs();
      schedule.takeDue(nowMs, (dueMs) => {
        this.#tally.cameDue(dueMs, nowMs);
        this.#queue.push(dueMs);
      });
      while (this.#queueAt < this.#queue.length) {
        const lane = this.#idle.pop();
        if (lane === undefined) break;
        this.#next(lane, nowMs);
      }
      if (schedule.isOver(nowMs) || this.#queue.length - this.#queueAt > QUEUE_MAX) {
        this.#isEnding = true;
        this.#endIfIdle();
      }
    };
    pacer.on('message', take);
    // The last tick may come just before the end.
    pacer.on('exit', () => setTimeout(take, 1));
    pacer.postMessage(order);
  }

  /** The lane has all its answers: its next batch, or it rests. */
  #next(lane: Lane, nowMs: number): void {
    const count = this.#takeDue(lane, nowMs);
    if (count === 0) {
      this.#idle.push(lane);
      this.#endIfIdle();
      return;
    }
    for (let i = 0; i < count; i++) {
      lane.batch.keys[i] = this.#nextKey();
      lane.batch.isRead[i] = this.#nextIsRead() ? 1 : 0;
      lane.isOpen[i] = 1;
    }
    lane.batch.count = count;
    lane.left = count;
    lane.wire.send(lane.batch);
  }

  /** Fills the batch's due times and returns how many there are. */
  #takeDue(lane: Lane, nowMs: number): number {
    const { pipeline } = this.#job;
    if (this.#phase.kind === 'open') {
      let count = 0;
      for (; count < pipeline && this.#queueAt < this.#queue.length; count++) {
        const dueMs = this.#queue[this.#queueAt++] ?? nowMs;
        lane.dueMs[count] = dueMs;
      }
      if (this.#queueAt === this.#queue.length) {
        this.#queue = [];
        this.#queueAt = 0;
      }
      return count;
    }
    if (nowMs >= this.#endMs) this.#isEnding = true;
    const left = this.#phase.kind === 'fill' ? this.#job.keys - this.#filled : pipeline;
    if (left <= 0) this.#isEnding = true;
    if (this.#isEnding) return 0;
    const count = Math.min(pipeline, left);
    lane.dueMs.fill(nowMs, 0, count);
    return count;
  }

  #nextKey(): number {
    if (this.#phase.kind === 'fill') return this.#filled++;
    return this.#nextRandom() % this.#job.keys;
  }

  #nextIsRead(): boolean {
    if (this.#phase.kind === 'fill' || this.#job.readPercent === 0) return false;
    return this.#nextRandom() % 100 < this.#job.readPercent;
  }

  /** xorshift32 (Marsaglia 2003): cheap, and the same keys for every target. */
  #nextRandom(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return x >>> 0;
  }

  #endIfIdle(): void {
    const isDrained = this.#idle.length === this.#lanes.length;
    if (this.#isEnding && isDrained && this.#queueAt === this.#queue.length) this.#finish();
  }

  #giveUpLate(): NodeJS.Timeout {
    return setTimeout(
      () => {
        const nowMs = monotonicMs();
        for (const lane of this.#lanes)
          for (const [place, isOpen] of lane.isOpen.entries())
            if (isOpen === 1) this.#tally.neverAnswered(lane.dueMs[place] ?? nowMs, nowMs);
        for (const dueMs of this.#queue.slice(this.#queueAt))
          this.#tally.neverAnswered(dueMs, nowMs);
        this.#finish();
      },
      this.#endMs - monotonicMs() + DRAIN_MS_MAX,
    );
  }
}

async function newPacer(): Promise<Worker> {
  const pacer = new Worker(new URL('./pacer.ts', import.meta.url));
  await once(pacer, 'message');
  return pacer;
}
