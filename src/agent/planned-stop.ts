/** What a node that is stopped on purpose leads is led by others first, within a bound. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isSharded } from '../core/control/spec.ts';
import type { OrderResult } from '../doors/orders.ts';
import type { Agent } from './agent.ts';
import type { Assembly } from './assembly.ts';
import { LIMITS } from './limits.ts';
import { monotonicMs } from './monotonic.ts';

/**
 * One hand-over, or taking it back, is done by then. An answer that does not come is one of a
 * control leader that died over it: the next one is asked.
 */
const TRY_MS_MAX = 2_500;
/** A replica gets level meanwhile, or a link comes back. */
const TRY_AGAIN_MS = 100;

const LATE: OrderResult = { ok: false, code: 'TIMEOUT', text: 'no answer came in time' };

/** `assembly`: null when the node was stopped before it had one. */
export async function handOverFirst(agent: Agent, assembly: Assembly | null): Promise<void> {
  const { config, group, journal, eventual, orders } = agent;
  if (config.ephemeral) await assembly?.leave();
  if (eventual !== null && assembly !== null) {
    const result = await handOverPrimary({
      isToGo: () => isToGo(agent, assembly),
      switchover: () => orders.handOverPrimary(),
      msMax: LIMITS.stopMsMax,
    });
    if (result !== null) journal.info('agent.handedOver', { ok: result.ok, why: result.text });
    await assembly.handOver();
    return;
  }
  if (group === null || !group.strong.isOpen || group.raft.isSoleVoter) {
    await assembly?.handOver();
    return;
  }
  const over = new Promise<void>((resolve) => {
    setTimeout(resolve, LIMITS.stopMsMax).unref();
    group.handOver(null, (ok, why) => {
      journal.info('agent.handedOver', { ok, why });
      resolve();
    });
  });
  await Promise.all([over, assembly?.handOver()]);
}

export interface PrimaryHandOver {
  /** This node's writes are still to be taken over by somebody, and somebody is there. */
  readonly isToGo: () => boolean;
  readonly switchover: () => Promise<OrderResult>;
  readonly msMax: number;
}

/** Tries until another is the primary, within the bound. How the last try ended; null: none. */
export async function handOverPrimary(options: PrimaryHandOver): Promise<OrderResult | null> {
  const { isToGo, switchover, msMax } = options;
  const deadlineMs = monotonicMs() + msMax;
  let last: OrderResult | null = null;
  for (;;) {
    const leftMs = deadlineMs - monotonicMs();
    if (leftMs <= 0 || !isToGo()) return last;
    const over = new AbortController();
    const late = sleep(Math.min(leftMs, TRY_MS_MAX), LATE, { signal: over.signal });
    last = await Promise.race([switchover(), late.catch(() => LATE)]);
    over.abort();
    if (last.ok) return last;
    await sleep(TRY_AGAIN_MS);
  }
}

/** Appointed, or not relieved yet by whoever was. */
function isToGo({ eventual, membership }: Agent, { id, state }: Assembly): boolean {
  const others = state.members.some(({ node }) => membership.up.has(node));
  if (isSharded(state.spec))
    return others && state.shards?.leads.some(({ node }) => node === id) === true;
  const primary = eventual?.primary ?? null;
  if (primary === null) return false;
  const { node, history, former } = primary;
  const isRelieved = node !== id && (history !== null || former !== id);
  return !isRelieved && state.data.voters.some((voter) => membership.up.has(voter));
}
