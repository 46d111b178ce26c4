/**
 * Whoever serves clients, whatever its shape: one server, a primary with replicas, a deployment
 * that passes clients on, or a Redis Cluster. Commands go to who has the key's slot, follow
 * redirections, and are asked again for as long as what stands in the way may pass.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type NodeLine, parseNodes } from '../../core/cluster/nodes-text.ts';
import { keySlot, SLOTS_ALL, type SlotRange } from '../../core/cluster/slots.ts';
import { errorText, isError, type RawValue, readValue } from '../../core/dataset/raw-replies.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import { DatasetError } from './errors.ts';
import { type Access, Pipe } from './pipe.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A primary with slots, and who has a copy of what it has. */
export interface Shard {
  readonly primary: Address;
  readonly replicas: readonly Address[];
  /** Null where there is no cluster. */
  readonly slots: readonly SlotRange[] | null;
}

/** One command about one key. */
export interface Request {
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
}

/** A failover, a restart that loads its data: whoever is not back by then is given up. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 200;
/** What servers say of a state that passes. */
const PASSING =
  /^(TRYAGAIN|CLUSTERDOWN|LOADING|MASTERDOWN|READONLY|NOREPLICAS|BUSY|NOMASTERLINK|UNBLOCKED)\b/;

/** One slot alone is found among so many keys, as good as always. */
const PROBES_MAX = 200_000;

const ASKING = encodeCommand(['ASKING']);

export class Target {
  readonly #access: Access;
  readonly #pipes = new Map<string, Promise<Pipe>>();
  /** All that were heard of: any of them can tell where the others are. */
  readonly #known = new Map<string, Address>();
  /** By slot; one that is not a cluster has all of them at one place. */
  #owners: (Address | null)[] = new Array<Address | null>(SLOTS_ALL).fill(null);
  #shards: readonly Shard[] = [];
  #isCluster = false;
  #product = '';

  private constructor(entry: Address, access: Access) {
    this.#access = access;
    this.#known.set(nameOf(entry), entry);
  }

  /** Rejects with `DatasetError`: TARGET_UNREACHABLE, TARGET_REFUSED. */
  static async open(entry: Address, access: Access): Promise<Target> {
    const target = new Target(entry, access);
    try {
      await target.#lookAt(entry);
    } catch (error) {
      target.close();
      throw error;
    }
    return target;
  }

  get isCluster(): boolean {
    return this.#isCluster;
  }

  /** Product and version, of the one that was asked first. */
  get product(): string {
    return this.#product;
  }

  /** As they were when it was looked at. */
  get shards(): readonly Shard[] {
    return this.#shards;
  }

  /** Who has slots, each once. */
  get primaries(): Address[] {
    const found = new Map<string, Address>();
    for (const owner of this.#owners) if (owner !== null) found.set(nameOf(owner), owner);
    return [...found.values()];
  }

  ownerOfKey(key: Uint8Array): Address | null {
    return this.#owners[this.#isCluster ? keySlot(key) : 0] ?? null;
  }

  /** A key that belongs there: for what is to be said to one of them, wherever it goes. */
  keyAt(address: Address): Buffer | null {
    for (let i = 0; i < PROBES_MAX; i++) {
      const key = Buffer.from(`althing:probe:${i}`);
      const owner = this.ownerOfKey(key);
      if (owner !== null && nameOf(owner) === nameOf(address)) return key;
    }
    return null;
  }

  get slotsWithoutOwner(): number {
    return this.#owners.filter((owner) => owner === null).length;
  }

  /** Replies in the order of the requests. Rejects when something is in the way for too long. */
  async run(database: number, requests: readonly Request[]): Promise<Buffer[]> {
    const replies = new Array<Buffer>(requests.length);
    let left = requests.map((request, at): Going => ({ request, at, asks: null }));
    let gainedMs = performance.now();
    while (left.length > 0) {
      const rounds = await Promise.all(
        [...this.#grouped(left)].map(([, group]) => this.#round(database, group, replies)),
      );
      const again = rounds.flatMap(({ again }) => again);
      const why = rounds.map((round) => round.why).find((text) => text !== '') ?? '';
      const now = performance.now();
      if (again.length < left.length || why === '') gainedMs = now;
      else if (now - gainedMs > PATIENCE_MS) throw new DatasetError('TARGET_SILENT', why);
      left = again;
      if (why === '') continue;
      await sleep(RETRY_MS);
      await this.#refresh();
    }
    return replies;
  }

  /** One command at one server. */
  async callAt(address: Address, words: readonly (string | Uint8Array)[]): Promise<RawValue> {
    const pipe = await this.#pipe(address, 0);
    const [raw] = await pipe.exchange([encodeCommand(words)]);
    return raw === undefined ? null : readValue(raw);
  }

  /** Whether a database is there. Rejects with what it says otherwise. */
  async select(database: number): Promise<void> {
    for (const address of this.primaries) await this.#pipe(address, database);
  }

  close(): void {
    for (const pipe of this.#pipes.values())
      void pipe.then(
        (open) => open.close(),
        () => undefined,
      );
    this.#pipes.clear();
  }

  #grouped(all: readonly Going[]): Map<string, { to: Address | null; going: Going[] }> {
    const groups = new Map<string, { to: Address | null; going: Going[] }>();
    for (const going of all) {
      const to = going.asks ?? this.ownerOfKey(going.request.key);
      const name = to === null ? '' : nameOf(to);
      const group = groups.get(name);
      if (group === undefined) groups.set(name, { to, going: [going] });
      else group.going.push(going);
    }
    return groups;
  }

  /** `again`: those without a reply yet. `why`: what has to pass first; empty for a redirection. */
  async #round(
    database: number,
    { to, going }: { to: Address | null; going: readonly Going[] },
    replies: Buffer[],
  ): Promise<{ again: Going[]; why: string }> {
    const back = going.map(({ request, at }): Going => ({ request, at, asks: null }));
    if (to === null) return { again: back, why: 'a slot of the target has no owner' };
    let raws: Buffer[];
    try {
      const pipe = await this.#pipe(to, database);
      raws = await pipe.exchange(
        going.flatMap(({ asks, request }) =>
          asks === null ? [request.bytes] : [ASKING, request.bytes],
        ),
      );
    } catch (error) {
      if (!(error instanceof DatasetError) || error.code !== 'TARGET_UNREACHABLE') throw error;
      return { again: back, why: error.message };
    }
    const again: Going[] = [];
    let why = '';
    let next = 0;
    for (const { asks, request, at } of going) {
      if (asks !== null) next += 1;
      const raw = raws[next++] as Buffer;
      const text = isError(raw) ? errorText(raw) : '';
      const [, kind, slot = '', where = ''] = /^(MOVED|ASK) (\d+) (\S+)/.exec(text) ?? [];
      if (kind !== undefined) {
        const other = this.#redirected(where, to);
        if (kind === 'MOVED') this.#owners[Number(slot)] = other;
        again.push({ request, at, asks: kind === 'ASK' ? other : null });
      } else if (PASSING.test(text)) {
        why = `${nameOf(to)}: ${text}`;
        again.push({ request, at, asks: null });
      } else replies[at] = raw;
    }
    return { again, why };
  }

  /** A server that does not know its own address leaves the host out: it is its own. */
  #redirected(where: string, from: Address): Address {
    const at = where.lastIndexOf(':');
    const host = where.slice(0, at).replace(/^\[|\]$/g, '');
    const address = { host: host === '' ? from.host : host, port: Number(where.slice(at + 1)) };
    this.#known.set(nameOf(address), address);
    return address;
  }

  /** Where everything is now, by the first that can say. */
  async #refresh(): Promise<void> {
    for (const address of [...this.#known.values()]) {
      try {
        await this.#lookAt(address);
        return;
      } catch (error) {
        if (!(error instanceof DatasetError)) throw error;
      }
    }
  }

  async #lookAt(address: Address): Promise<void> {
    const info = await this.#text(address, ['INFO']);
    this.#isCluster = /^cluster_enabled:1/m.test(info);
    const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1];
    const redis = /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'of an unknown version';
    this.#product = valkey === undefined ? `redis ${redis}` : `valkey ${valkey}`;
    if (this.#isCluster) this.#takeNodes(await this.#text(address, ['CLUSTER', 'NODES']), address);
    else await this.#followRole(address);
  }

  #takeNodes(text: string, asked: Address): void {
    const owners = new Array<Address | null>(SLOTS_ALL).fill(null);
    const lines = (parseNodes(text) ?? []).filter(
      ({ flags }) => !flags.includes('noaddr') && !flags.includes('handshake'),
    );
    const addressOf = ({ flags, host, port }: NodeLine): Address =>
      flags.includes('myself') ? asked : { host, port };
    for (const line of lines) {
      const address = addressOf(line);
      this.#known.set(nameOf(address), address);
      for (const { from, to } of line.slots) owners.fill(address, from, to + 1);
    }
    this.#owners = owners;
    this.#shards = lines
      .filter(({ slots }) => slots.length > 0)
      .map((line) => ({
        primary: addressOf(line),
        replicas: lines.filter(({ primary }) => primary === line.id).map(addressOf),
        slots: line.slots,
      }));
  }

  /** A replica says who its primary is, and a primary who its replicas are. */
  async #followRole(address: Address): Promise<void> {
    const role = await this.callAt(address, ['ROLE']);
    const [kind, second, third] = Array.isArray(role) ? (role as readonly RawValue[]) : [];
    if (String(kind) === 'slave' && Number(third) > 0) {
      const primary = { host: String(second), port: Number(third) };
      this.#known.set(nameOf(primary), primary);
      this.#owners.fill(primary);
      this.#shards = [{ primary, replicas: [address], slots: null }];
      return;
    }
    const replicas = (Array.isArray(third) ? (third as readonly RawValue[]) : [])
      .map((replica) => {
        const [host, port] = replica as readonly RawValue[];
        return { host: String(host), port: Number(port) };
      })
      .filter(({ port }) => port > 0);
    for (const replica of replicas) this.#known.set(nameOf(replica), replica);
    this.#owners.fill(address);
    this.#shards = [{ primary: address, replicas, slots: null }];
  }

  async #text(address: Address, words: readonly string[]): Promise<string> {
    const value = await this.callAt(address, words);
    if (Buffer.isBuffer(value)) return value.toString('utf8');
    const text = typeof value === 'object' && value !== null && 'text' in value ? value.text : '';
    throw new DatasetError('TARGET_REFUSED', `${nameOf(address)}: ${words[0]}: ${text}`);
  }

  async #pipe(place: Address, database: number): Promise<Pipe> {
    const key = `${nameOf(place)}/${database}`;
    const known = await this.#pipes.get(key)?.catch(() => null);
    if (known && !known.isOver) return known;
    const made = Pipe.open({
      place,
      access: this.#access,
      database,
      goneCode: 'TARGET_UNREACHABLE',
    });
    made.catch(() => undefined);
    this.#pipes.set(key, made);
    return made;
  }
}

interface Going {
  readonly request: Request;
  readonly at: number;
  /** Where it was sent on to, this once. */
  readonly asks: Address | null;
}

export function nameOf({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
