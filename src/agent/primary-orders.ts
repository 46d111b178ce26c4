/**
 * A switchover in an eventual deployment: the control leader, wherever it is, appoints the heir,
 * and the order is answered when that one is open, or the former primary is again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ControlState, nameOf, type Primary } from '../core/control/state.ts';
import type { Observation } from '../core/plan/observation.ts';
import { heirOf } from '../core/plan/primary-replica.ts';
import type { NodeId } from '../core/scalars.ts';
import type { OrderResult } from '../doors/orders.ts';
import { Asks, refused } from './asks.ts';
import type { Assembly } from './assembly.ts';
import { timeForPeopleMs } from './journal.ts';
import { monotonicMs } from './monotonic.ts';
import { type ControlLeaderAsk, toControlLeader } from './to-control-leader.ts';

/** A hand-over, taking it back, and a lease that has to be waited out, one after the other. */
const DONE_MS_MAX = 6_000;
/** And for an answer that is lost. */
const ANSWER_MS_MAX = 8_000;
const LOOK_AGAIN_MS = 10;

export interface PrimaryOrdersOptions {
  readonly assembly: () => Assembly;
  readonly note: (to: NodeId, topic: string, body: unknown) => void;
}

export class PrimaryOrders {
  readonly #o: PrimaryOrdersOptions;
  readonly #asks: Asks;

  constructor(options: PrimaryOrdersOptions) {
    this.#o = options;
    this.#asks = new Asks(options.note);
  }

  /** Given again for a while where nobody could take it. */
  switchover(to: string | null): Promise<OrderResult> {
    return toControlLeader(this.#askFor(to));
  }

  /** For a planned stop, which tries again by itself and has its own bound. */
  switchoverOnce(): Promise<OrderResult> {
    return toControlLeader({ ...this.#askFor(null), msMax: 0 });
  }

  #askFor(to: string | null): ControlLeaderAsk {
    const assembly = this.#o.assembly();
    return {
      leader: () => assembly.leaderInReach,
      ask: (leader) =>
        leader === assembly.id
          ? this.#switchoverHere(to)
          : this.#asks.ask({
              to: leader,
              topic: 'primary',
              body: { to },
              msMax: ANSWER_MS_MAX,
              late: `${nameOf(leader)} leads the control group and did not answer`,
            }),
    };
  }

  noted(from: NodeId, topic: string, { request, ...fields }: Record<string, unknown>): void {
    if (topic === 'primary.done') this.#asks.answered({ request, ...fields });
    const { to } = fields;
    if (topic !== 'primary' || (to !== null && typeof to !== 'string')) return;
    this.#switchoverHere(to).then((result) =>
      this.#o.note(from, 'primary.done', { request, ...result }),
    );
  }

  async #switchoverHere(to: string | null): Promise<OrderResult> {
    const assembly = this.#o.assembly();
    const { group, state } = assembly;
    const { primary } = state;
    if (group?.isCurrent !== true)
      return refused('NOT_NOW', 'this node does not lead the control group, or not yet');
    if (primary === undefined || primary.history === null)
      return refused('NO_LEADER', 'no primary is open now: there is nothing to hand over');
    const heir = heirNamed(state, assembly.observe(), primary, to);
    if (typeof heir !== 'string') return heir;
    const command = {
      kind: 'appoint',
      atMs: timeForPeopleMs(),
      basis: primary.decision,
      node: heir,
      isPlanned: true,
      why: 'somebody asked for it',
    } as const;
    const answer = await new Promise<OrderResult>((resolve) => group.propose(command, resolve));
    return answer.ok ? this.#outcome(primary.node, heir) : answer;
  }

  async #outcome(from: NodeId, heir: NodeId): Promise<OrderResult> {
    const deadlineMs = monotonicMs() + DONE_MS_MAX;
    while (monotonicMs() < deadlineMs) {
      const { primary } = this.#o.assembly().state;
      if (primary !== undefined && primary.history !== null)
        return primary.node === heir
          ? { ok: true, text: `${nameOf(from)} handed over to ${nameOf(heir)}` }
          : refused('NOT_HANDED_OVER', `${nameOf(primary.node)} is the primary now`);
      await sleep(LOOK_AGAIN_MS);
    }
    return refused('TIMEOUT', `${nameOf(heir)} was appointed, and has not opened yet`);
  }
}

/** Whoever is nearest when nobody is named; or why there is none. */
function heirNamed(
  state: ControlState,
  seen: Observation,
  { node, history }: Primary,
  to: string | null,
): NodeId | OrderResult {
  const { voters } = state.data;
  const named = to === null ? null : (voters.find((voter) => nameOf(voter) === to) ?? undefined);
  if (named === undefined) {
    const all = voters.map(nameOf).join(', ');
    return refused('NO_SUCH_NODE', `${to} does not hold the data; those that do are ${all}`);
  }
  if (named === node) return { ok: true, text: `${to} is the primary already` };
  const heir = heirOf(state, named === null ? seen : without(seen, node, named), node, history);
  if (heir !== null) return heir;
  const able = 'there, to be chosen, and all but level with it';
  const why = named === null ? `no other node is ${able}` : `${to} is not ${able}`;
  return refused('NOT_HANDED_OVER', `${nameOf(node)} is still the primary: ${why}`);
}

/** As if there were these two alone. */
function without(seen: Observation, node: NodeId, named: NodeId): Observation {
  const { eventual } = seen;
  if (eventual === null) return seen;
  const both = [...eventual.standings].filter(([each]) => each === node || each === named);
  return { ...seen, eventual: { ...eventual, standings: new Map(both) } };
}
