/**
 * Slots with their keys from one primary to another, while clients go on: by the servers
 * themselves where both can (`atomic-mover.ts`), else as here, key by key (cluster specification,
 * "Cluster live reconfiguration").
 *
 * The target takes before the source gives, so that whoever is sent on is let in. The target owns
 * the slot first, then the source hears of it, then the others: in between two owners are known,
 * and the one with the later epoch, who has the keys, wins; the other way round there would be
 * none. Every step may find itself done, by an earlier run or by gossip: nothing is remembered but
 * what the servers say, and so any crash is gone on from by doing the same again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MoveWay } from '../../core/cluster/migrations.ts';
import type { ClusterNodeId } from '../../core/cluster/nodes-text.ts';
import {
  knowsEpoch,
  nodeOf,
  type Observation,
  primariesOf,
} from '../../core/cluster/observation.ts';
import type { Slot } from '../../core/cluster/slots.ts';
import { ErrorReply } from '../../core/resp/reply-reader.ts';
import { AtomicMover } from './atomic-mover.ts';
import { type Address, textOf } from './connection.ts';
import type { Connections } from './connections.ts';
import { ClusterError, refusal } from './errors.ts';
import { KeyMover, type MoveLimits, type Side, type Survey } from './key-mover.ts';
import { look } from './observe.ts';

export interface MoveReport {
  readonly slots: number;
  readonly keys: number;
  /** Where servers move whole slots: what they are at, in their words. */
  readonly state?: string;
}

/**
 * Slots that are open at one time: each round trip, and each write of a server's own file, serves
 * all of them. A client that asks for several keys of an open slot may have to ask again, so none
 * is to be open for long: windows grow while they are quick and shrink when they are slow.
 */
const WINDOW = { first: 16, max: 128, quickMs: 100, slowMs: 400 } as const;

/** Four times what the servers need with their default of 15 s. */
const HEARD_MS_MAX = 30_000;
const LOOK_MS = 100;

const ALREADY_OWNER = /already the owner of hash slot/;
const NOT_OWNER = /not the owner of hash slot/;
/** It became a replica, since it has no slots any more; it will hear from the others. */
const NO_PRIMARY = /SETSLOT only with (masters|primaries)/;

export class SlotMover {
  readonly #connections: Connections;
  readonly #keys: KeyMover;
  readonly #atomic: AtomicMover;
  readonly #way: MoveWay;
  readonly #onReport: (report: MoveReport) => void;
  readonly #onNote: (text: string) => void;
  readonly #left = new Map<Slot, string>();
  readonly #moved = new Set<Slot>();
  #window: number = WINDOW.first;

  constructor(
    connections: Connections,
    limits: MoveLimits,
    onReport: (report: MoveReport) => void,
    /** Is told why slots go key by key where the servers could move them. */
    onNote: (text: string) => void = () => undefined,
  ) {
    const { user, password } = connections.access;
    this.#connections = connections;
    this.#keys = new KeyMover(limits, user, password);
    this.#atomic = new AtomicMover(connections, ({ slots, keys, state }) =>
      this.#done(slots, keys, state),
    );
    this.#way = limits.way ?? 'either';
    this.#onReport = onReport;
    this.#onNote = onNote;
  }

  /** Of each slot that stayed where it is, the reason. */
  get left(): string[] {
    return [...this.#left.values()];
  }

  /** Ends between two windows when `signal` is aborted: no slot stays open. */
  async move(
    seen: Observation,
    from: ClusterNodeId,
    to: ClusterNodeId,
    slots: readonly Slot[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#heard(seen, from, to, signal);
    const left =
      this.#way === 'keys' ? slots : await this.#moveWhole(seen, from, to, slots, signal);
    await this.#moveByKeys(seen, from, to, left, signal);
  }

  /** What the servers do not move themselves, when that may be. */
  async #moveWhole(
    seen: Observation,
    from: ClusterNodeId,
    to: ClusterNodeId,
    slots: readonly Slot[],
    signal: AbortSignal,
  ): Promise<readonly Slot[]> {
    const [source, target] = await Promise.all([this.#side(seen, from), this.#side(seen, to)]);
    const left = await this.#atomic.move(source, target, slots, signal);
    if (left === null) return [];
    if (this.#way === 'whole') throw new ClusterError('NODE_REFUSED', left.why);
    if (left.canBoth) this.#onNote(`${left.slots.length} slots go key by key: ${left.why}`);
    return left.slots;
  }

  async #moveByKeys(
    seen: Observation,
    from: ClusterNodeId,
    to: ClusterNodeId,
    slots: readonly Slot[],
    signal: AbortSignal,
  ): Promise<void> {
    for (let at = 0; at < slots.length && !signal.aborted; ) {
      const window = slots.slice(at, at + this.#window);
      const begin = performance.now();
      await this.#moveWindow(seen, from, to, window);
      at += window.length;
      this.#adapt(performance.now() - begin);
    }
  }

  /** Gossip tells an epoch to everybody within half of the servers' node timeout. */
  async #heard(
    seen: Observation,
    from: ClusterNodeId,
    to: ClusterNodeId,
    signal: AbortSignal,
  ): Promise<void> {
    const end = performance.now() + HEARD_MS_MAX;
    const [source, target] = await Promise.all([this.#side(seen, from), this.#side(seen, to)]);
    for (;;) {
      const [giver, taker] = await Promise.all([
        look(this.#connections, addressOnly(source)),
        look(this.#connections, addressOnly(target)),
      ]);
      if (knowsEpoch(taker, giver) || signal.aborted) return;
      if (performance.now() > end)
        throw new ClusterError('NO_AGREEMENT', `${to} has not heard of the epoch of ${from}`);
      await sleep(LOOK_MS);
    }
  }

  #adapt(tookMs: number): void {
    if (tookMs < WINDOW.quickMs) this.#window = Math.min(WINDOW.max, this.#window * 2);
    else if (tookMs > WINDOW.slowMs) this.#window = Math.max(1, Math.floor(this.#window / 2));
  }

  async #moveWindow(
    seen: Observation,
    from: ClusterNodeId,
    to: ClusterNodeId,
    window: readonly Slot[],
  ): Promise<void> {
    const [source, target] = await Promise.all([this.#side(seen, from), this.#side(seen, to)]);
    const { keys, large } = await this.#keys.survey(source, window);
    for (const [slot, { key, bytes }] of large)
      this.#left.set(
        slot,
        `slot ${slot} stays: its key ${JSON.stringify(key)} has ${bytes} bytes, more than ` +
          'may be moved at once (--big-keys)',
      );
    const slots = window.filter((slot) => !large.has(slot));
    await setSlots(target, slots, ['IMPORTING', from], ALREADY_OWNER);
    await setSlots(source, slots, ['MIGRATING', to], NOT_OWNER);
    await this.#moveKeys(source, target, slots, keys);
    await this.#giveOver(seen, source, target, slots);
    this.#done(slots, 0);
  }

  /** What is done twice, since a node was away, counts once. */
  #done(slots: readonly Slot[], keys: number, state = ''): void {
    const before = this.#moved.size;
    for (const slot of slots) this.#moved.add(slot);
    this.#onReport({ slots: this.#moved.size - before, keys, state });
  }

  /** Keys of slots that `to` owns, which nobody finds where they are. */
  async gather(
    seen: Observation,
    from: ClusterNodeId,
    to: ClusterNodeId,
    slots: readonly Slot[],
  ): Promise<void> {
    const [source, target] = await Promise.all([this.#side(seen, from), this.#side(seen, to)]);
    // MIGRATE is let through where the slot is open.
    await setSlots(source, slots, ['IMPORTING', to], null);
    await this.#moveKeys(source, target, slots, new Map());
    await setSlots(source, slots, ['STABLE'], null);
    this.#done(slots, 0);
  }

  /** Tells all primaries whose the slots are, the owner first. */
  async announce(seen: Observation, owner: ClusterNodeId, slots: readonly Slot[]): Promise<void> {
    await setSlots(await this.#side(seen, owner), slots, ['NODE', owner], null);
    await this.#tellOthers(seen, owner, slots, [owner]);
  }

  /** It neither gives nor takes them any longer. */
  async close(seen: Observation, id: ClusterNodeId, slots: readonly Slot[]): Promise<void> {
    await setSlots(await this.#side(seen, id), slots, ['STABLE'], NO_PRIMARY);
  }

  async #giveOver(
    seen: Observation,
    source: Side,
    target: Side,
    slots: readonly Slot[],
  ): Promise<void> {
    const owner = target.node.id;
    await setSlots(target, slots, ['NODE', owner], null);
    await setSlots(source, slots, ['NODE', owner], NO_PRIMARY);
    await this.#tellOthers(seen, owner, slots, [owner, source.node.id]);
  }

  /** They would hear it from the bus as well: whoever cannot be told now is not waited for. */
  async #tellOthers(
    seen: Observation,
    owner: ClusterNodeId,
    slots: readonly Slot[],
    told: readonly ClusterNodeId[],
  ): Promise<void> {
    const others = primariesOf(seen).filter(({ id }) => !told.includes(id));
    await Promise.all(
      others.map(async ({ id }) => {
        try {
          await setSlots(await this.#side(seen, id), slots, ['NODE', owner], NO_PRIMARY);
        } catch (error) {
          if (!(error instanceof ClusterError && error.mayPass)) throw error;
        }
      }),
    );
  }

  #moveKeys(
    source: Side,
    target: Side,
    slots: readonly Slot[],
    known: Survey['keys'],
  ): Promise<void> {
    const onKeys = (keys: number): void => this.#onReport({ slots: 0, keys });
    return this.#keys.move(source, target, slots, known, onKeys);
  }

  async #side(seen: Observation, id: ClusterNodeId): Promise<Side> {
    const node = nodeOf(seen, id);
    if (node === null) throw new ClusterError('NODE_UNREACHABLE', `${id} was not reached`);
    return { node, connection: await this.#connections.to(node) };
  }
}

function addressOnly({ node: { host, port } }: Side): Address {
  return { host, port };
}

/** One SETSLOT for each of the slots, in one write; an error that `isDone` knows is as good. */
async function setSlots(
  { node, connection }: Side,
  slots: readonly Slot[],
  words: readonly string[],
  isDone: RegExp | null,
): Promise<void> {
  const replies = await Promise.all(
    slots.map((slot) => connection.call(['CLUSTER', 'SETSLOT', String(slot), ...words])),
  );
  for (const [at, reply] of replies.entries()) {
    if (!(reply instanceof ErrorReply) || isDone?.test(reply.text)) continue;
    const what = `SETSLOT ${slots[at]} ${words.join(' ')}: ${textOf(reply.text)}`;
    throw refusal(`${node.host}:${node.port}: ${what}`);
  }
}
