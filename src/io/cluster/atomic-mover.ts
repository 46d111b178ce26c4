/**
 * Whole slots, moved by the servers themselves where both have it (`core/cluster/migrations.ts`).
 *
 * Before every try both ends are asked what they own, and what is under way already: a mover that
 * was killed has left a migration that ends by itself, and it is waited for. A server that crashes
 * drops what it had taken or goes on owning what it gave, so the same is done again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DIALECTS,
  type Dialect,
  isAbout,
  isOf,
  type Migration,
  parseMigrations,
} from '../../core/cluster/migrations.ts';
import { slotsOfNode } from '../../core/cluster/observation.ts';
import { rangesOf, type Slot, slotsText } from '../../core/cluster/slots.ts';
import { ErrorReply, type Reply } from '../../core/resp/reply-reader.ts';
import { type Connection, textOf } from './connection.ts';
import type { Connections } from './connections.ts';
import { ClusterError, refusal } from './errors.ts';
import type { Side } from './key-mover.ts';
import { countKeys, look } from './observe.ts';

/** What has been moved since the last report; `state` is what the servers are at. */
export interface WholeReport {
  readonly slots: readonly Slot[];
  readonly keys: number;
  readonly state: string;
}

/** Slots that are left, and why the servers do not move them. */
export interface Remainder {
  readonly slots: readonly Slot[];
  readonly why: string;
  /** Both could move whole slots. */
  readonly canBoth: boolean;
}

/**
 * Slots of one migration. A source keeps in memory what changes until the snapshot has gone, and a
 * crash or a Ctrl-C begins a piece again: pieces grow while they are quick, shrink when they are
 * slow. Each costs a fork and some 300 ms of turns among the servers.
 */
const PIECE = { first: 512, max: 4_096, quickMs: 2_000, slowMs: 20_000 } as const;
const POLL_MS = 50;
/** Of migrations that fail, one after the other, on one piece. */
const TRIES_MAX = 3;
const RETRY_MS = 500;
/** A snapshot waits for others of the same server, and takes a while itself. */
const STANDSTILL_MS_MAX = 600_000;
/** Until the source has heard who owns what, as in `slot-mover.ts`. */
const HEARD_MS_MAX = 30_000;

export class AtomicMover {
  readonly #connections: Connections;
  readonly #onReport: (report: WholeReport) => void;
  #piece: number = PIECE.first;

  constructor(connections: Connections, onReport: (report: WholeReport) => void) {
    this.#connections = connections;
    this.#onReport = onReport;
  }

  /** Null when all are moved, or when `signal` ended it: then no migration of ours is under way. */
  async move(
    source: Side,
    target: Side,
    slots: readonly Slot[],
    signal: AbortSignal,
  ): Promise<Remainder | null> {
    const dialect = await dialectOf(source.connection, target.connection);
    if (dialect === null)
      return { slots, why: 'not both servers can move whole slots', canBoth: false };
    for (let at = 0; at < slots.length && !signal.aborted; ) {
      const piece = slots.slice(at, at + this.#piece);
      const begin = performance.now();
      const why = await this.#movePiece({ dialect, source, target }, piece, signal);
      if (why !== null) return { slots: slots.slice(at), why, canBoth: true };
      at += piece.length;
      this.#adapt(performance.now() - begin);
    }
    return null;
  }

  #adapt(tookMs: number): void {
    if (tookMs < PIECE.quickMs) this.#piece = Math.min(PIECE.max, this.#piece * 2);
    else if (tookMs > PIECE.slowMs) this.#piece = Math.max(1, Math.floor(this.#piece / 2));
  }

  /** Null when done or aborted, else why not. */
  async #movePiece(way: Way, piece: readonly Slot[], signal: AbortSignal): Promise<string | null> {
    for (let tries = 0, why = ''; ; tries++) {
      const left = await this.#ownedBySource(way, piece, signal);
      if (signal.aborted) return null;
      if (left.length === 0) {
        this.#onReport({ slots: piece, keys: 0, state: '' });
        return null;
      }
      if (tries === TRIES_MAX) return why;
      if (why !== '') await sleep(RETRY_MS * tries);
      const begun = (await this.#underWay(way, left)) ?? (await begin(way, left));
      if (typeof begun === 'string') return begun;
      const counts = await countKeys(way.source.connection, left);
      const end = await this.#follow(way, begun, signal);
      const keys = [...counts.values()].reduce((sum, count) => sum + count, 0);
      if (end.outcome === 'done') this.#onReport({ slots: [], keys, state: end.state });
      why = `${end.state}: ${end.error || 'the server does not say why'}`;
    }
  }

  /** Those that have not gone to the target yet. Waits while both say that they own some. */
  async #ownedBySource(
    { source, target }: Way,
    piece: readonly Slot[],
    signal: AbortSignal,
  ): Promise<Slot[]> {
    for (const end = performance.now() + HEARD_MS_MAX; ; await sleep(POLL_MS)) {
      const [giver, taker] = await Promise.all(
        [source, target].map(({ node: { host, port } }) => look(this.#connections, { host, port })),
      );
      const [given, taken] = [giver, taker].map((node) =>
        node === undefined ? new Set<Slot>() : new Set(slotsOfNode(node)),
      ) as [Set<Slot>, Set<Slot>];
      const lost = piece.filter((slot) => !given.has(slot) && !taken.has(slot));
      if (lost.length > 0)
        throw new ClusterError(
          'NODE_REFUSED',
          `slots ${slotsText(lost)} are neither of ${source.node.id} nor of ${target.node.id}`,
        );
      const both = piece.filter((slot) => given.has(slot) && taken.has(slot));
      if (both.length === 0 || signal.aborted) return piece.filter((slot) => !taken.has(slot));
      if (performance.now() > end)
        throw new ClusterError('NO_AGREEMENT', `slots ${slotsText(both)} have two owners`);
    }
  }

  /** What a mover before us began. */
  async #underWay(way: Way, slots: readonly Slot[]): Promise<Migration | null> {
    const some = new Set(slots);
    const all = await migrationsOf(way);
    const found = all.find((one) => one.outcome === 'running' && isAbout(one, some));
    if (found === undefined) return null;
    if (found.target === way.target.node.id) return found;
    throw new ClusterError(
      'NODE_REFUSED',
      `slots ${slotsText(slots)} are on their way to ${found.target} already (${found.state})`,
    );
  }

  /** To its end, which is soon when `signal` is aborted. */
  async #follow(way: Way, begun: Migration, signal: AbortSignal): Promise<Migration> {
    let [last, changedMs, isCancelled] = [begun, performance.now(), false];
    for (;;) {
      const all = await migrationsOf(way);
      const now = all.find(({ id }) => id === begun.id);
      if (now === undefined) return { ...last, outcome: 'failed', error: 'nobody tells of it' };
      if (now.outcome !== 'running') return now;
      if (now.state !== last.state || now.retries !== last.retries) changedMs = performance.now();
      last = now;
      this.#onReport({ slots: [], keys: 0, state: now.state });
      const isLate = performance.now() - changedMs > STANDSTILL_MS_MAX;
      const isHopeless = now.retries >= TRIES_MAX;
      if ((signal.aborted || isLate || isHopeless) && !isCancelled && mayCancel(way, now, all)) {
        await asked(way).call(way.dialect.cancel(now.id));
        isCancelled = true;
      }
      await sleep(POLL_MS);
    }
  }
}

interface Way {
  readonly dialect: Dialect;
  readonly source: Side;
  readonly target: Side;
}

function asked({ dialect, source, target }: Way): Connection {
  return (dialect.asked === 'source' ? source : target).connection;
}

async function migrationsOf(way: Way): Promise<Migration[]> {
  return parseMigrations(texts(await asked(way).must(way.dialect.list)));
}

/** Error texts among them are for people. */
function texts(reply: Reply): unknown {
  if (Array.isArray(reply)) return reply.map(texts);
  return typeof reply === 'string' ? textOf(reply) : reply;
}

/** The migration, or in the server's words why it does not begin. */
async function begin(way: Way, slots: readonly Slot[]): Promise<Migration | string> {
  const ranges = rangesOf(slots);
  const reply = await asked(way).call(way.dialect.begin(way.target.node.id, ranges));
  if (reply instanceof ErrorReply) {
    const error = refusal(textOf(reply.text));
    if (error.mayPass) throw error;
    return textOf(reply.text);
  }
  const found = (await migrationsOf(way)).find((one) =>
    typeof reply === 'string' && reply !== 'OK' ? one.id === reply : isOf(one, ranges),
  );
  return found ?? 'the server tells of no migration that it began';
}

/** Others' migrations are not ended with ours: then ours is waited for. */
function mayCancel({ dialect }: Way, ours: Migration, all: readonly Migration[]): boolean {
  const isTheirs = (one: Migration): boolean =>
    one.id !== ours.id && one.outcome === 'running' && one.source === ours.source;
  return !dialect.cancelsAll || !all.some(isTheirs);
}

/** What both speak. Whoever may not ask what a server has finds nothing. */
async function dialectOf(source: Connection, target: Connection): Promise<Dialect | null> {
  const names = DIALECTS.map(({ command }) => command);
  const [here, there] = await Promise.all(
    [source, target].map((connection) => connection.call(['COMMAND', 'INFO', ...names])),
  );
  const has = (reply: Reply | undefined, at: number): boolean =>
    Array.isArray(reply) && Array.isArray(reply[at]);
  return DIALECTS.find((_, at) => has(here, at) && has(there, at)) ?? null;
}
