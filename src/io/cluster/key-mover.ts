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
import type { MoveWay } from '../../core/cluster/migrations.ts';
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
  /**
   * `either` when it is not given. Servers that move whole slots know none of the bounds above, and
   * need none but the rate: they hold nothing up for a large key.
   */
  readonly way?: MoveWay;
}

/** What was found before slots are opened. */
export interface Survey {
  readonly keys: ReadonlyMap<Slot, readonly string[]>;
  readonly large: ReadonlyMap<Slot, { readonly key: string; readonly bytes: number }>;
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

  /** What these slots hold, and those with a key that is too large. Nobody moves them yet. */
  async survey({ connection }: Side, slots: readonly Slot[]): Promise<Survey> {
    const keys = new Map<Slot, readonly string[]>();
    const large = new Map<Slot, { key: string; bytes: number }>();
    await Promise.all(
      slots.map(async (slot) => {
        const count = Number(await connection.must(['CLUSTER', 'COUNTKEYSINSLOT', String(slot)]));
        const names = await keysIn(connection, slot, count);
        const sizes = await Promise.all(
          names.map((key) => connection.call(['MEMORY', 'USAGE', bytesOf(key)])),
        );
        keys.set(slot, names);
        const at = sizes.findIndex((size) => Number(size) > this.#limits.keyBytesMax);
        if (at >= 0) large.set(slot, { key: textOf(names[at] ?? ''), bytes: Number(sizes[at]) });
      }),
    );
    return { keys, large };
  }

  /**
   * Until the source has none left in these slots, which are open: first those that are known, then
   * what came before they were open. `onKeys` counts as it goes.
   */
  async move(
    source: Side,
    target: Side,
    slots: readonly Slot[],
    known: ReadonlyMap<Slot, readonly string[]>,
    onKeys: (count: number) => void,
  ): Promise<void> {
    let pages = slots.map((slot) => known.get(slot) ?? []);
    for (let open = slots; ; ) {
      await this.#movePages(source, target, pages, onKeys);
      const found = await Promise.all(
        open.map((slot) => keysIn(source.connection, slot, this.#limits.keysMax)),
      );
      open = open.filter((_, at) => (found[at]?.length ?? 0) > 0);
      pages = found.filter((keys) => keys.length > 0);
      if (open.length === 0) return;
    }
  }

  /** Each page is of one slot, as MIGRATE wants it. */
  async #movePages(
    source: Side,
    target: Side,
    pages: readonly (readonly string[])[],
    onKeys: (count: number) => void,
  ): Promise<void> {
    let left = pages.filter((keys) => keys.length > 0);
    while (left.length > 0) {
      let room = this.#keysNow;
      const batches: (readonly string[])[] = [];
      const rest: (readonly string[])[] = [];
      for (const keys of left) {
        const batch = keys.slice(0, room);
        room -= batch.length;
        if (batch.length > 0) batches.push(batch);
        if (batch.length < keys.length) rest.push(keys.slice(batch.length));
      }
      const begin = performance.now();
      await Promise.all(batches.map((keys) => this.#migrate(source, target, keys)));
      const tookMs = performance.now() - begin;
      const count = this.#keysNow - room;
      this.#adapt(count, tookMs);
      onKeys(count);
      await this.#hold(count, tookMs);
      left = rest;
    }
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
