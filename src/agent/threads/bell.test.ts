import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Bell } from './bell.ts';

test('who does not listen is not woken, and who listens is woken once', () => {
  const memory = Bell.memory();
  const [here, there] = [new Bell(memory), new Bell(memory)];
  const rung = [here.ring()];
  there.listen();
  rung.push(here.ring(), here.ring());
  deepEqual(rung, [false, true, false]);
});

/** A thread that counts up, as fast as it can now and then, and rings for each step. */
const COUNTING = `
const { workerData, parentPort } = require('node:worker_threads');
import(workerData.module).then(({ Bell }) => {
  const bell = new Bell(workerData.memory);
  const count = new Int32Array(workerData.count);
  for (let n = 1; n <= workerData.last; n++) {
    Atomics.store(count, 0, n);
    if (bell.ring()) parentPort.postMessage(null);
    for (let pause = (n * 7919) % 3000; pause > 0; pause--) Atomics.load(count, 0);
  }
});`;

test('no news is slept through, and wake-ups are fewer than news', async () => {
  const last = 50_000;
  const memory = Bell.memory();
  const count = new Int32Array(new SharedArrayBuffer(4));
  const bell = new Bell(memory);
  const module = new URL('./bell.ts', import.meta.url).href;
  bell.listen();
  const worker = new Worker(COUNTING, {
    eval: true,
    workerData: { memory, count: count.buffer, last, module },
  });
  let seen = 0;
  let wakeUps = 0;
  await new Promise<void>((resolve, reject) => {
    const tooLong = setTimeout(() => reject(new Error(`slept at ${seen} of ${last}`)), 20_000);
    worker.on('message', () => {
      wakeUps += 1;
      bell.listen();
      seen = Atomics.load(count, 0);
      if (seen < last) return;
      clearTimeout(tooLong);
      resolve();
    });
  });
  equal(seen, last);
  equal(wakeUps <= last, true);
  await worker.terminate();
});
