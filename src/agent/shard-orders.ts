/**
 * Hand-overs of a shard: the control leader, wherever it is, appoints a level replica, and the
 * order is answered when that one is open, or the former primary is again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeOf } from '../core/cluster/observation.ts';
import { type ControlState, nameOf, type ShardLead } from '../core/control/state.ts';
import { isNodeId, type NodeId } from '../core/scalars.ts';
import type { OrderResult } from '../doors/orders.ts';
import { Asks, refused } from './asks.ts';
import type { Assembly } from './assembly.ts';
import { monotonicMs } from './monotonic.ts';
import { handOverOf, type LeadsInput } from './sharded/next-leads.ts';
import type { ShardedPart } from './sharded-part.ts';

/** A hand-over, and taking it back, one after the other. */
const DONE_MS_MAX = 6_000;
/** And for an answer that is lost. */
const ANSWER_MS_MAX = 8_000;
const LOOK_AGAIN_MS = 10;

export interface ShardOrdersOptions {
  readonly assembly: () => Assembly;
  readonly part: ShardedPart;
  readonly note: (to: NodeId, topic: string, body: unknown) => void;
}

/** from: whose shard another takes, null for the one that `to` follows. to: null for anybody. */
interface Wish {
  readonly from: NodeId | null;
  readonly to: string | null;
}

export class ShardOrders {
  readonly #o: ShardOrdersOptions;
  readonly #asks: Asks;

  constructor(options: ShardOrdersOptions) {
    this.#o = options;
    this.#asks = new Asks(options.note);
  }

  /** Of the shard of this node when nobody is named, else of the one that `to` follows. */
  async switchover(to: string | null): Promise<OrderResult> {
    const assembly = this.#o.assembly();
    const { leader, id } = assembly;
    if (leader === null)
      return refused('NO_LEADER', 'no majority of the nodes can be reached: nothing is decided');
    const wish = { from: to === null ? id : null, to };
    if (leader === id) return this.#handOver(wish);
    const late = `${nameOf(leader)} leads the control group and did not answer`;
    const ask = { to: leader, topic: 'shard', body: { ...wish }, msMax: ANSWER_MS_MAX, late };
    return this.#asks.ask(ask);
  }

  noted(sender: NodeId, topic: string, fields: Readonly<Record<string, unknown>>): void {
    if (topic === 'shard.done') this.#asks.answered(fields);
    if (topic !== 'shard') return;
    const { request, from, to } = fields;
    if (to !== null && typeof to !== 'string') return;
    if (from !== null && (typeof from !== 'string' || !isNodeId(from))) return;
    this.#handOver({ from, to }).then((result) =>
      this.#o.note(sender, 'shard.done', { request, ...result }),
    );
  }

  async #handOver(wish: Wish): Promise<OrderResult> {
    const { group } = this.#o.assembly();
    const input = this.#o.part.driver?.input ?? null;
    if (group?.isCurrent !== true || input === null)
      return refused('NOT_NOW', 'this node does not lead the control group, or not yet');
    const heir = wish.to === null ? null : nodeNamed(input.state, wish.to);
    if (wish.to !== null && heir === null)
      return refused('NO_SUCH_NODE', `${wish.to} is no node of this deployment`);
    const from = wish.from ?? primaryFor(input, heir);
    if (from === null)
      return refused('NOT_HANDED_OVER', `${wish.to} follows no primary that could hand over`);
    if (from === heir) return { ok: true, text: `${wish.to} is the primary already` };
    const command = handOverOf(input, from, heir, 'somebody asked for it');
    if (command?.kind !== 'lead')
      return refused(
        'NOT_HANDED_OVER',
        `${nameOf(from)} is not relieved: no other node is there, level with it, and to be chosen`,
      );
    const answer = await new Promise<OrderResult>((resolve) => group.propose(command, resolve));
    return answer.ok ? this.#outcome(from, command.node, command.server) : answer;
  }

  async #outcome(from: NodeId, heir: NodeId, server: string): Promise<OrderResult> {
    const deadlineMs = monotonicMs() + DONE_MS_MAX;
    while (monotonicMs() < deadlineMs) {
      const leads = this.#o.assembly().state.shards?.leads ?? [];
      if (hasOpened(leads, server))
        return { ok: true, text: `${nameOf(from)} handed over to ${nameOf(heir)}` };
      if (!leads.some((lead) => lead.server === server))
        return refused('NOT_HANDED_OVER', `${nameOf(heir)} did not take over in time`);
      await sleep(LOOK_AGAIN_MS);
    }
    return refused('TIMEOUT', `${nameOf(heir)} was appointed, and has not opened yet`);
  }
}

function hasOpened(leads: readonly ShardLead[], server: string): boolean {
  return leads.some((lead) => lead.server === server && lead.history !== null);
}

function nodeNamed({ members }: ControlState, name: string): NodeId | null {
  return members.find(({ node }) => nameOf(node) === name)?.node ?? null;
}

/** Whoever leads the shard that this node has a copy of. */
function primaryFor({ state, situation }: LeadsInput, heir: NodeId | null): NodeId | null {
  const server = state.members.find(({ node }) => node === heir)?.facts.clusterServer ?? '';
  const own = nodeOf(situation.cluster, server)?.self;
  const leading = own?.isPrimary === true ? server : own?.primary;
  return state.shards?.leads.find((lead) => lead.server === leading)?.node ?? null;
}
