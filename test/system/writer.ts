/**
 * Writes that can be told apart, through every port, and what was said about each of them.
 *
 * A lane stays on its port as a plain client would, and has one write outstanding. After some
 * acknowledgements it reads the value back through another port: what was acknowledged before the
 * read was sent must be seen by it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { IS_FULL } from './figures.ts';
import { until } from './processes.ts';
import { atEnd, type Scope } from './scope.ts';
import { Failure, type Value, Wire } from './wire.ts';

/** A client that waits longer than any failover that is promised. */
const CALL_MS = 8_000;
/** For as many as a test asks for, on a loaded machine. */
const REACHED_MS = 30_000;
/** In a short run several tests share the machine: what is written is load enough. */
const RETRY_MS = IS_FULL ? 15 : 30;
const PAUSE_MS = IS_FULL ? 2 : 8;
/** Every so many acknowledgements one is read back elsewhere. */
const READ_EVERY = 4;
const BATCH = 500;

export class Writer {
  /** Keys; the value of each is `valueFor(key)`. */
  readonly acknowledged: string[] = [];
  /** Refused with an error reply: these were not executed. */
  readonly refused: string[] = [];
  /** The connection ended first, or nothing came in time. */
  readonly unknown: string[] = [];
  /** Acknowledged, and then not seen by a later read. */
  readonly stale: string[] = [];
  readonly #ports: readonly number[];
  readonly #prefix: string;
  readonly #acks: { sentAt: number; at: number }[] = [];
  #isOn = false;
  #lanes: Promise<unknown> = Promise.resolve();
  readonly #wires = new Set<Wire>();

  constructor(scope: Scope, ports: readonly number[], prefix: string) {
    this.#ports = ports;
    this.#prefix = prefix;
    atEnd(scope, () => this.stop());
  }

  start(lanesPerPort = 2): void {
    this.#isOn = true;
    const lanes = this.#ports.flatMap((_, i) =>
      Array.from({ length: lanesPerPort }, (_, n) => this.#lane(i, `${this.#prefix}:${i}.${n}`)),
    );
    this.#lanes = Promise.all(lanes);
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    // What is still on its way has a moment to be answered; after that nobody waits for it.
    const late = setTimeout(() => {
      for (const wire of this.#wires) wire.close();
    }, 500);
    await this.#lanes;
    clearTimeout(late);
  }

  /** So many writes were acknowledged; fewer than that would say little. */
  async reaches(count: number): Promise<void> {
    const reached = (): boolean => this.acknowledged.length >= count;
    await until(`${count} acknowledged`, REACHED_MS, reached);
  }

  /** From `sinceMs` to the first acknowledgement of a write that was sent after it. */
  async gapAfter(sinceMs: number, patienceMs: number): Promise<number> {
    const deadline = performance.now() + patienceMs;
    while (performance.now() < deadline) {
      const ack = this.#acks.findLast(({ sentAt }) => sentAt >= sinceMs);
      if (ack) return Math.round((this.#acks.find((a) => a.sentAt >= sinceMs) ?? ack).at - sinceMs);
      await sleep(5);
    }
    throw new Error(`no write was acknowledged within ${patienceMs} ms`);
  }

  get longestGapMs(): number {
    let longest = 0;
    for (let i = 1; i < this.#acks.length; i++)
      longest = Math.max(longest, (this.#acks[i]?.at ?? 0) - (this.#acks[i - 1]?.at ?? 0));
    return Math.round(longest);
  }

  async #lane(index: number, prefix: string): Promise<void> {
    const own = this.#ports[index] as number;
    const other = this.#ports[(index + 1) % this.#ports.length] as number;
    const writes = new Line(own, this.#wires);
    const reads = new Line(other, this.#wires);
    for (let n = 0; this.#isOn; n++) {
      const key = `${prefix}:${n}`;
      const sentAt = performance.now();
      const reply = await writes.call(['SET', key, valueFor(key)]);
      if (reply === 'OK') {
        this.acknowledged.push(key);
        this.#acks.push({ sentAt, at: performance.now() });
        if (n % READ_EVERY === 0) await this.#readBack(reads, key);
        await sleep(PAUSE_MS);
        continue;
      }
      if (reply instanceof Failure) this.refused.push(key);
      else if (reply !== 'not sent') this.unknown.push(key);
      await sleep(RETRY_MS);
    }
    writes.close();
    reads.close();
  }

  async #readBack(reads: Line, key: string): Promise<void> {
    const seen = await reads.call(['GET', key]);
    if (seen === 'not sent' || seen === 'no answer' || seen instanceof Failure) return;
    if (seen !== valueFor(key)) this.stale.push(`${key} read as ${String(seen)}`);
  }
}

/** A connection that is opened again when it broke. */
class Line {
  readonly #port: number;
  readonly #wires: Set<Wire>;
  #wire: Wire | null = null;

  constructor(port: number, wires: Set<Wire>) {
    this.#port = port;
    this.#wires = wires;
  }

  /** `not sent`: there was nobody to send it to. `no answer`: what became of it is not known. */
  async call(words: readonly string[]): Promise<Value | 'not sent' | 'no answer'> {
    if (this.#wire === null) {
      this.#wire = new Wire(this.#port);
      this.#wires.add(this.#wire);
      const pong = await this.#ask(this.#wire, ['PING']);
      if (pong !== 'PONG') {
        this.close();
        return pong instanceof Failure ? pong : 'not sent';
      }
    }
    const reply = await this.#ask(this.#wire, words);
    if (reply === 'no answer') this.close();
    return reply;
  }

  async #ask(wire: Wire, words: readonly string[]): Promise<Value | 'no answer'> {
    wire.command(...words);
    return wire.reply(CALL_MS).catch((): 'no answer' => 'no answer');
  }

  close(): void {
    if (this.#wire !== null) this.#wires.delete(this.#wire);
    this.#wire?.close();
    this.#wire = null;
  }
}

export function valueFor(key: string): string {
  return `value of ${key}`;
}

/** The keys that do not hold their value, at `where`: a port, or a server's own socket. */
export async function missingAt(
  where: number | string,
  keys: readonly string[],
): Promise<string[]> {
  const wire = new Wire(where);
  const missing: string[] = [];
  try {
    for (let at = 0; at < keys.length; at += BATCH) {
      const batch = keys.slice(at, at + BATCH);
      const values = (await wire.must('MGET', ...batch)) as Value[];
      missing.push(...batch.filter((key, i) => values[i] !== valueFor(key)));
    }
    return missing;
  } finally {
    wire.close();
  }
}
