/** What doors and peers may ask of this node: switchover, another spec, removals, snapshots. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SpecChange } from '../core/control/spec.ts';
import { nameOf } from '../core/control/state.ts';
import { configurationFrom } from '../core/raft/configuration.ts';
import type { SnapshotMeta } from '../core/raft/protocol.ts';
import { isCount, logIndex, type NodeId, term } from '../core/scalars.ts';
import type { OrderResult, Orders } from '../doors/orders.ts';
import type { Agent } from './agent.ts';
import { Asks, refused } from './asks.ts';
import type { EventualPart } from './eventual-part.ts';
import { timeForPeopleMs } from './journal.ts';
import { PrimaryOrders } from './primary-orders.ts';
import { readMessageFrom } from './shard/group-reads.ts';
import { ShardOrders } from './shard-orders.ts';
import { ShardedPart } from './sharded-part.ts';

/** The leader answers within its own bound for a hand-over; this one is for a lost answer. */
export const SWITCHOVER_MS_MAX = 8_000;
/** Who follows is known moments after a hand-over; a leader that was cut off never learns it. */
const SUCCESSOR_MS_MAX = 4_000;
const SUCCESSOR_LOOK_MS = 10;

export class AgentOrders implements Orders {
  readonly #agent: Agent;
  /** Asked of the leader on behalf of a door here. */
  readonly #asks: Asks;
  /** Of an eventual deployment of one shard. */
  readonly #primary: PrimaryOrders;
  /** Of one of many; made when it is asked for first. */
  #shards: ShardOrders | null = null;

  constructor(agent: Agent) {
    this.#agent = agent;
    const note = (to: NodeId, topic: string, body: unknown) => agent.mesh.note(to, topic, body);
    this.#asks = new Asks(note);
    this.#primary = new PrimaryOrders({ assembly: () => agent.assembly, note });
  }

  async switchover(to: string | null): Promise<OrderResult> {
    const { shard, membership, eventual } = this.#agent;
    if (eventual !== null) return this.#ofEventual(eventual).switchover(to);
    const { id } = membership;
    if (shard === null) return refused('STARTING', 'this node is still starting');
    const leader = shard.raft.leader;
    if (leader === null)
      return refused('NO_LEADER', 'nobody leads now: there is nothing to hand over');
    if (leader === id) return this.#switchoverHere(to);
    const late = `${nameOf(leader)} leads and did not answer`;
    return this.#asks.ask({
      to: leader,
      topic: 'switchover',
      body: { to },
      msMax: SWITCHOVER_MS_MAX,
      late,
    });
  }

  /** Of an eventual deployment, to whoever is nearest; tried once. */
  handOverPrimary(): Promise<OrderResult> {
    return this.#primary.switchoverOnce();
  }

  async changeSpec(change: SpecChange, ifVersion: number | null): Promise<OrderResult> {
    const { settings } = this.#agent;
    const wanted = change.server ?? {};
    if (settings === null && Object.keys(wanted).length > 0)
      return refused('NO_SERVER', 'a witness has no server to try settings on: ask another node');
    const why = (await settings?.refusal(wanted)) ?? null;
    if (why !== null) return refused('SETTING_REFUSED', why);
    return this.#agent.assembly.order({ kind: 'spec', atMs: timeForPeopleMs(), change, ifVersion });
  }

  removeNode(name: string): Promise<OrderResult> {
    return this.#agent.assembly.order({ kind: 'remove', name });
  }

  announceSnapshot(snapshot: SnapshotMeta): void {
    for (const peer of this.#agent.membership.up.keys())
      this.#agent.mesh.note(peer, 'snapshot', { ...snapshot });
  }

  noted(from: NodeId, topic: string, body: unknown): void {
    const fields =
      typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
    const { eventual } = this.#agent;
    if (eventual !== null) {
      eventual.noted(from, topic, body);
      this.#ofEventual(eventual).noted(from, topic, fields);
    }
    if (topic === 'read') this.#readNoted(from, fields);
    else if (topic === 'snapshot') this.#snapshotOffered(from, fields);
    else if (topic === 'switchover') this.#switchoverAsked(from, fields);
    else if (topic === 'switchover.done') this.#asks.answered(fields);
    else this.#agent.assembly.noted(from, topic, fields);
  }

  #ofEventual(part: EventualPart): PrimaryOrders | ShardOrders {
    if (!(part instanceof ShardedPart)) return this.#primary;
    const { mesh } = this.#agent;
    const note = mesh.note.bind(mesh);
    this.#shards ??= new ShardOrders({ assembly: () => this.#agent.assembly, part, note });
    return this.#shards;
  }

  #readNoted(from: NodeId, fields: Readonly<Record<string, unknown>>): void {
    const message = readMessageFrom(fields);
    if (message !== null) this.#agent.group?.reads.received(from, message);
  }

  async #switchoverHere(to: string | null): Promise<OrderResult> {
    const { shard, membership, voters } = this.#agent;
    const { id, up } = membership;
    const target = to === null ? null : (voters.find((voter) => nameOf(voter) === to) ?? undefined);
    if (target === undefined)
      return refused(
        'NO_SUCH_NODE',
        `${to} is no voter; voters are ${voters.map(nameOf).join(', ')}`,
      );
    if (target === id) return { ok: true, text: `${to} leads already` };
    if (target !== null && up.get(target)?.witness === true)
      return refused('WITNESS', `${to} is a witness: it has no server, and serves nobody`);
    if (target !== null && !up.has(target))
      return refused('UNREACHABLE', `${to} cannot be reached from the leader now`);
    return new Promise((resolve) => {
      shard?.handOver(target, (ok, why) => {
        if (ok) resolve(this.#successor(target));
        else resolve(refused('NOT_HANDED_OVER', `${nameOf(id)} still leads: ${why}`));
      });
    });
  }

  /** That this node leads no longer says nothing of who does: it may have lost its majority. */
  async #successor(wanted: NodeId | null): Promise<OrderResult> {
    const { shard, membership } = this.#agent;
    const looks = SUCCESSOR_MS_MAX / SUCCESSOR_LOOK_MS;
    for (let look = 0; look < looks && shard?.raft.leader == null; look++)
      await sleep(SUCCESSOR_LOOK_MS);
    const leader = shard?.raft.leader ?? null;
    const own = nameOf(membership.id);
    if (leader === null)
      return refused('TIMEOUT', `${own} leads no longer, and does not know who does`);
    if (leader === membership.id || (wanted !== null && leader !== wanted))
      return refused('NOT_HANDED_OVER', `${nameOf(leader)} leads now`);
    return { ok: true, text: `${own} handed over to ${nameOf(leader)}` };
  }

  #switchoverAsked(from: NodeId, { request, to }: Record<string, unknown>): void {
    if (typeof request !== 'string' || (to !== null && typeof to !== 'string')) return;
    this.#switchoverHere(to).then((result) => {
      this.#agent.mesh.note(from, 'switchover.done', { request, ...result });
    });
  }

  /** Everything from the network is checked; what does not fit is no offer. */
  #snapshotOffered(
    from: NodeId,
    { id, last, configuration, bytes }: Record<string, unknown>,
  ): void {
    const { index, term: lastTerm } = (last ?? {}) as Record<string, unknown>;
    const members = configurationFrom(configuration);
    if (typeof id !== 'string' || !isCount(index) || !isCount(lastTerm) || !isCount(bytes)) return;
    if (members === null) return;
    this.#agent.shard?.snapshotOffered(from, {
      id,
      last: { index: logIndex(index), term: term(lastTerm) },
      configuration: members,
      bytes,
    });
  }
}
