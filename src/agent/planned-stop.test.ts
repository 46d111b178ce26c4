import { equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { OrderResult } from '../doors/orders.ts';
import { monotonicMs } from './monotonic.ts';
import { handOverPrimary } from './planned-stop.ts';

const DONE: OrderResult = { ok: true, text: 'handed over' };
const REFUSED: OrderResult = { ok: false, code: 'NOT_HANDED_OVER', text: 'nobody is level' };
const NEVER = new Promise<OrderResult>(() => undefined);

test('a planned stop tries to hand over until somebody takes it, within its bound', async () => {
  const answers = [REFUSED, REFUSED, DONE, REFUSED];
  const switchover = (): Promise<OrderResult> => Promise.resolve(answers.shift() ?? REFUSED);
  equal(await handOverPrimary({ isToGo: () => true, switchover, msMax: 5_000 }), DONE);
  equal(answers.length, 1, 'and not again');
  const beganMs = monotonicMs();
  equal(await handOverPrimary({ isToGo: () => true, switchover, msMax: 250 }), REFUSED);
  ok(monotonicMs() - beganMs < 2_000);
});

test('it asks nobody who has relieved it already, and waits for no answer beyond its bound', async () => {
  let asked = 0;
  const switchover = (): Promise<OrderResult> => {
    asked += 1;
    return NEVER;
  };
  equal(await handOverPrimary({ isToGo: () => false, switchover, msMax: 5_000 }), null);
  equal(asked, 0);
  const late = await handOverPrimary({ isToGo: () => true, switchover, msMax: 100 });
  equal(late?.ok, false);
  let isToGo = true;
  const relieved = (): Promise<OrderResult> => {
    isToGo = false;
    return Promise.resolve(REFUSED);
  };
  const last = await handOverPrimary({ isToGo: () => isToGo, switchover: relieved, msMax: 5_000 });
  equal(last, REFUSED, 'asked once');
});
