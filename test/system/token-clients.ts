/**
 * Clients that can tell their own replies from anybody else's: each command carries a token of its
 * own, and its reply must be that token, in its turn, wherever the connection went meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { IS_FULL } from './figures.ts';
import { atEnd, type Scope } from './scope.ts';
import { Failure, type Value, Wire } from './wire.ts';

const CALL_MS = 8_000;
const RETRY_MS = IS_FULL ? 15 : 30;
const PAUSE_MS = IS_FULL ? 2 : 8;
/** Commands sent together. */
const BATCH = 8;

export interface Counter {
  readonly key: string;
  acknowledged: number;
  /** The connection ended before the reply came. */
  unknown: number;
}

interface Expected {
  readonly isCount: boolean;
  readonly words: readonly (string | number)[];
  readonly reply: Value;
}

export class TokenClients {
  /** What was answered, and what should have been. */
  readonly crossed: string[] = [];
  readonly counters: readonly Counter[];
  answered = 0;
  closings = 0;
  readonly #ports: readonly number[];
  #isOn = false;
  #lanes: Promise<unknown> = Promise.resolve();

  constructor(scope: Scope, ports: readonly number[], lanesPerPort: number) {
    this.#ports = ports;
    atEnd(scope, () => this.stop());
    this.counters = ports.flatMap((port) =>
      Array.from({ length: lanesPerPort }, (_, n) => ({
        key: `count:${port}:${n}`,
        acknowledged: 0,
        unknown: 0,
      })),
    );
  }

  start(): void {
    this.#isOn = true;
    const perPort = this.counters.length / this.#ports.length;
    this.#lanes = Promise.all(
      this.counters.map((counter, n) =>
        this.#lane(this.#ports[Math.floor(n / perPort)] as number, counter),
      ),
    );
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#lanes;
  }

  async #lane(port: number, counter: Counter): Promise<void> {
    let wire = new Wire(port);
    for (let turn = 0; this.#isOn; turn++) {
      const batch = batchOf(counter, turn);
      for (const { words } of batch) wire.command(...words);
      const isWhole = await this.#takeReplies(wire, batch, counter);
      await sleep(isWhole ? PAUSE_MS : RETRY_MS);
      if (isWhole) continue;
      this.closings++;
      wire.close();
      wire = new Wire(port);
    }
    wire.close();
  }

  async #takeReplies(wire: Wire, batch: readonly Expected[], counter: Counter): Promise<boolean> {
    for (const [n, { words, reply, isCount }] of batch.entries()) {
      const got = await wire.reply(CALL_MS).catch(() => undefined);
      if (got === undefined) {
        counter.unknown += batch.slice(n).filter((each) => each.isCount).length;
        return false;
      }
      this.answered++;
      if (got instanceof Failure) {
        if (!got.text.startsWith('CLUSTERDOWN')) this.crossed.push(`${words} got ${got.text}`);
      } else if (isCount) {
        // Counted by nobody else: more than was ever asked for is another counter.
        const isOurs = Number(got) > counter.acknowledged;
        if (!isOurs) this.crossed.push(`${words} got ${String(got)}`);
        counter.acknowledged++;
      } else if (JSON.stringify(got) !== JSON.stringify(reply)) {
        this.crossed.push(`${words} got ${JSON.stringify(got)}`);
      }
    }
    return true;
  }
}

/** Commands of every kind: plain, counting, scripts, and now and then a transaction. */
function batchOf({ key }: Counter, turn: number): Expected[] {
  const token = `${key}:${turn}`;
  const plain: Expected[] = [];
  for (let n = 0; n < BATCH; n++) {
    const own = `${token}:${n}`;
    if (n % 3 === 0) plain.push({ words: ['ECHO', own], reply: own, isCount: false });
    else if (n % 3 === 1) plain.push({ words: ['INCR', key], reply: null, isCount: true });
    else plain.push({ words: ['EVAL', 'return ARGV[1]', 0, own], reply: own, isCount: false });
  }
  if (turn % 16 !== 15) return plain;
  return [
    ...plain,
    { words: ['MULTI'], reply: 'OK', isCount: false },
    { words: ['ECHO', token], reply: 'QUEUED', isCount: false },
    { words: ['EXEC'], reply: [token], isCount: false },
    { words: ['ECHO', `${token}:last`], reply: `${token}:last`, isCount: false },
  ];
}
