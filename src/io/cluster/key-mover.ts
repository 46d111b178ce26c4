/**
 * Keys of open slots, from one node to another, by MIGRATE in batches.
 *
 * MIGRATE holds up both servers while it runs, so a round of it has as many keys as take
 * `ROUND_MS` there: the count follows what rounds took. A key that is on both sides already, since
 * an earlier MIGRATE ended without an answer, has one value: then the source's replaces it. When
 * the values differ nobody can know which is wanted: both stay, and the key is named (KEY_TWICE),
 * unless `replace` says that the source's counts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeenNode } from '../../core/cluster/observation.ts';
import type { Slot } from '../../core/cluster/slots.ts';
import { ErrorReply, type Reply } from '../../core/resp/reply-reader.ts';
import { bytesOf, type Connection, textOf, type Word } from './connection.ts';
import { ClusterError, refusal } from './errors.ts';

export interface MoveLimits {
  /** Most keys of a round. */
  readonly keysMax: number;
  /** Per second, on the average; null for as fast as it goes. */
  readonly keysPerSecond: number | null;
  /** A larger key stays where it is, and its slot too. As MEMORY USAGE has it. */
  readonly keyBytesMax: number;
  /** Of one MIGRATE. */
  readonly migrateMsMax: number;
  /** The source's value counts when both sides have the key. */
  readonly replace: boolean;
}

export interface Side {
  readonly node: SeenNode;
  readonly connection: Connection;
}

/** Clients of both servers wait so long at most, more or less. */
const ROUND_MS = 10;
const KEYS_FIRST = 32;
/** Beside the bound that MIGRATE has itself. */
const ANSWER_MS = 5_000;
/** Of MIGRATEs that end without an answer, one after the other, on one batch. */
const TRIES_MAX = 5;
const RETRY_MS = 200;

export class KeyMover {
  readonly #limits: MoveLimits;
  readonly #credentials: readonly Word[];
  #keysNow: number;

  constructor(limits: MoveLimits, user: string, password: string) {
    this.#limits = limits;
    this.#keysNow = Math.min(KEYS_FIRST, limits.keysMax);
    this.#credentials =
      password === '' ? [] : user === '' ? ['AUTH', password] : ['AUTH2', user, password];
  }

  /** Slots with a key that is too large, and that key. Looks at slots that nobody moves yet. */
  async largeKeys(
    { connection }: Side,
    slots: readonly Slot[],
  ): Promise<Map<Slot, { key: string; bytes: number }>> {
    const found = new Map<Slot, { key: string; bytes: number }>();
    await Promise.all(
      slots.map(async (slot) => {
        const count = Number(await connection.must(['CLUSTER', 'COUNTKEYSINSLOT', String(slot)]));
        const keys = await keysIn(connection, slot, count);
        const sizes = await Promise.all(
          keys.map((key) => connection.call(['MEMORY', 'USAGE', bytesOf(key)])),
        );
        const at = sizes.findIndex((size) => Number(size) > this.#limits.keyBytesMax);
        if (at >= 0) found.set(slot, { key: textOf(keys[at] ?? ''), bytes: Number(sizes[at]) });
      }),
    );
    return found;
  }

  /** Until the source has none left in these slots, which are open. `onKeys` counts as it goes. */
  async move(
    source: Side,
    target: Side,
    slots: readonly Slot[],
    onKeys: (count: number) => void,
  ): Promise<void> {
    let open = [...slots];
    while (open.length > 0) {
      const begin = performance.now();
      const { batches, empty } = await this.#nextRound(source.connection, open);
      open = open.filter((slot) => !empty.includes(slot));
      const sent = performance.now();
      await Promise.all(batches.map((keys) => this.#migrate(source, target, keys)));
      const count = batches.reduce((sum, keys) => sum + keys.length, 0);
      if (count === 0) continue;
      this.#adapt(count, performance.now() - sent);
      onKeys(count);
      await this.#hold(count, performance.now() - begin);
    }
  }

  /** A few keys of each of the first slots, and which of the slots have no keys any more. */
  async #nextRound(
    connection: Connection,
    slots: readonly Slot[],
  ): Promise<{ batches: string[][]; empty: Slot[] }> {
    const pages = await Promise.all(slots.map((slot) => keysIn(connection, slot, this.#keysNow)));
    let room = this.#keysNow;
    const batches = pages.flatMap((keys) => {
      const batch = keys.slice(0, room);
      room -= batch.length;
      return batch.length > 0 ? [batch] : [];
    });
    return { batches, empty: slots.filter((_, at) => pages[at]?.length === 0) };
  }

  async #migrate(source: Side, target: Side, keys: readonly string[]): Promise<void> {
    let replaces = this.#limits.replace;
    for (let tries = 1; ; tries++) {
      const reply = await this.#sendMigrate(source, target, keys, replaces);
      if (!(reply instanceof ErrorReply)) return;
      const text = textOf(reply.text);
      if (text.includes('BUSYKEY') && !replaces) {
        await refuseUnlikeKeys(source, target, keys);
        replaces = true;
      } else if (reply.code !== 'IOERR' || tries >= TRIES_MAX) {
        const where = `${source.node.host}:${source.node.port}`;
        throw refusal(`${where}: MIGRATE: ${text}`);
      } else {
        // These may have arrived; what the source has is newer, since it alone served them.
        replaces = true;
        await sleep(RETRY_MS * tries);
      }
    }
  }

  #sendMigrate(
    { node, connection }: Side,
    target: Side,
    keys: readonly string[],
    replaces: boolean,
  ): Promise<Reply> {
    // Where the source knows it, which need not be where it is from here.
    const line = node.view.find(({ id }) => id === target.node.id) ?? target.node;
    const ms = this.#limits.migrateMsMax;
    return connection.call(
      [
        ...['MIGRATE', line.host, String(line.port), '', '0', String(ms)],
        ...(replaces ? ['REPLACE'] : []),
        ...this.#credentials,
        ...['KEYS', ...keys.map(bytesOf)],
      ],
      ms + ANSWER_MS,
    );
  }

  #adapt(count: number, ms: number): void {
    if (ms > 2 * ROUND_MS) this.#keysNow = Math.max(1, Math.floor(this.#keysNow / 2));
    else if (ms < ROUND_MS && count >= this.#keysNow)
      this.#keysNow = Math.min(this.#limits.keysMax, this.#keysNow * 2);
  }

  async #hold(count: number, tookMs: number): Promise<void> {
    const rate = this.#limits.keysPerSecond;
    if (rate !== null) await sleep(Math.max(0, (count * 1_000) / rate - tookMs));
  }
}

async function keysIn(connection: Connection, slot: Slot, count: number): Promise<string[]> {
  if (count === 0) return [];
  const words = ['CLUSTER', 'GETKEYSINSLOT', String(slot), String(count)];
  return ((await connection.must(words)) as readonly Reply[]).map(String);
}

/** Rejects with KEY_TWICE, naming those keys that have two values. */
async function refuseUnlikeKeys(
  source: Side,
  target: Side,
  keys: readonly string[],
): Promise<void> {
  const [here, there] = await Promise.all([dumps(source, keys), dumps(target, keys)]);
  const unlike = keys.filter((_, at) => there[at] !== null && here[at] !== there[at]);
  if (unlike.length === 0) return;
  throw new ClusterError(
    'KEY_TWICE',
    `${source.node.host}:${source.node.port} and ${target.node.host}:${target.node.port} have ` +
      `different values of ${unlike.map((key) => JSON.stringify(textOf(key))).join(', ')}; ` +
      'both were kept. With --replace the first one counts',
  );
}

async function dumps({ connection }: Side, keys: readonly string[]): Promise<(string | null)[]> {
  const replies = await Promise.all(
    keys.map(async (key) => {
      // Whoever only takes the slot answers to those who ask so.
      const [, dump] = await Promise.all([
        connection.call(['ASKING']),
        connection.must(['DUMP', bytesOf(key)]),
      ]);
      return dump;
    }),
  );
  return replies.map((dump) => (typeof dump === 'string' ? dump : null));
}
