import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { type NodeId, nodeId } from '../core/scalars.ts';
import type { OrderResult } from '../doors/orders.ts';
import { refused } from './asks.ts';
import { monotonicMs } from './monotonic.ts';
import { toControlLeader } from './to-control-leader.ts';

const [A, B] = ['a@00000001', 'b@00000001'].map(nodeId) as [NodeId, NodeId];
const DONE: OrderResult = { ok: true, text: 'replicas 2 -> 1' };
const NOT_NOW = refused('NOT_NOW', 'leadership is being handed over');

/** Who leads at each look, what they answer one after the other, and who was asked. */
function orderOf(leaders: (NodeId | null)[], answers: OrderResult[], msMax?: number) {
  const asked: NodeId[] = [];
  const result = toControlLeader({
    leader: () => (leaders.length > 1 ? leaders.shift() : leaders[0]) ?? null,
    ask: (leader) => {
      asked.push(leader);
      return Promise.resolve(answers.shift() ?? NOT_NOW);
    },
    ...(msMax === undefined ? {} : { msMax }),
  });
  return { asked, result };
}

test('an order waits for a control leader, and follows it to the next one', async () => {
  const { asked, result } = orderOf([null, A, null, B], [NOT_NOW, NOT_NOW, DONE]);
  deepEqual(await result, DONE);
  deepEqual(asked, [A, B, B]);
});

test('what may have been taken is not given twice, nor what was refused', async () => {
  for (const code of ['UNKNOWN', 'TIMEOUT', 'NO_LEADER', 'OTHER_VERSION', 'NOT_HANDED_OVER']) {
    const { asked, result } = orderOf([A], [refused(code, 'no'), DONE]);
    deepEqual(await result, refused(code, 'no'));
    deepEqual(asked, [A], code);
  }
});

test('it is given up after its bound, with the last answer', async () => {
  const beganMs = monotonicMs();
  const nobody = await orderOf([null], [], 120).result;
  equal(!nobody.ok && nobody.code, 'NO_LEADER');
  const { asked, result } = orderOf([A], [], 120);
  equal(await result, NOT_NOW);
  ok(asked.length > 1);
  ok(monotonicMs() - beganMs < 2_000);
  const once = orderOf([A], [], 0);
  equal(await once.result, NOT_NOW);
  deepEqual(once.asked, [A]);
});
