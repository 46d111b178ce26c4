import { equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ticker } from './ticker.ts';

test('a ticker calls until it is stopped, and says when everything waited', async () => {
  let ticks = 0;
  const stalls: number[] = [];
  const ticker = new Ticker(
    { tickMs: 5, stallMsMax: 400 },
    () => {
      ticks += 1;
    },
    (ms) => stalls.push(ms),
  );
  while (ticks < 3) await sleep(5);
  const end = performance.now() + 450;
  while (performance.now() < end);
  const before = ticks;
  while (ticks === before) await sleep(5);
  ticker.stop();
  const after = ticks;
  await sleep(30);
  equal(ticks, after);
  ok(stalls.some((ms) => ms >= 400));
});
