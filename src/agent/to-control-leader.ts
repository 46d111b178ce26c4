/**
 * Gives an order to whoever leads the control group, also while that moves to another node.
 *
 * Given again is only what has done nothing: nobody was there to take it, or who was asked says
 * NOT_NOW, which is said before anything is proposed. So no order is carried out twice. What may
 * have been taken (UNKNOWN, TIMEOUT) is told to whoever gave it, who alone knows what to do then.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeId } from '../core/scalars.ts';
import type { OrderResult } from '../doors/orders.ts';
import { refused } from './asks.ts';
import { monotonicMs } from './monotonic.ts';

/** A new leader is elected within this, or nobody can decide anything. */
const LEADER_MS_MAX = 4_000;
const LOOK_AGAIN_MS = 50;

export interface ControlLeaderAsk {
  /** Who leads the control group and can be asked from here; null: nobody now. */
  readonly leader: () => NodeId | null;
  readonly ask: (leader: NodeId) => Promise<OrderResult>;
  /** For how long it is given again, ms; 0: never. */
  readonly msMax?: number;
}

export async function toControlLeader(options: ControlLeaderAsk): Promise<OrderResult> {
  const { leader, ask, msMax = LEADER_MS_MAX } = options;
  const deadlineMs = monotonicMs() + msMax;
  for (;;) {
    const to = leader();
    const result = to === null ? NOBODY : await ask(to);
    const hasDoneNothing = !result.ok && (result === NOBODY || result.code === 'NOT_NOW');
    if (!hasDoneNothing || monotonicMs() >= deadlineMs) return result;
    await sleep(LOOK_AGAIN_MS);
  }
}

const NOBODY = refused(
  'NO_LEADER',
  'nobody who leads the control group can be reached: nothing is decided',
);
