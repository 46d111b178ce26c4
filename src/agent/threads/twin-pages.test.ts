import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { TwinPages } from './twin-pages.ts';

const COUNT = 6;
const HAMMER_MS = 400;
/** On a busy machine the other thread may hardly run. */
const PATIENCE_MS = 20_000;
const LOOKS_MIN = 1_000;
const NEWS_MIN = 10;

function pagesOf(memory: SharedArrayBuffer): { pages: TwinPages; read: () => number[] } {
  const pages = new TwinPages(memory, COUNT);
  const numbers: number[] = [];
  const read = (): number[] => {
    pages.read(numbers);
    return [...numbers];
  };
  return { pages, read };
}

test('what was published last is read, whatever numbers they are', () => {
  const numbers = fc.array(fc.maxSafeNat(), { minLength: COUNT, maxLength: COUNT });
  fc.assert(
    fc.property(fc.array(numbers, { minLength: 1, maxLength: 5 }), (publications) => {
      const { pages, read } = pagesOf(TwinPages.memory(COUNT));
      deepEqual(read(), [0, 0, 0, 0, 0, 0]);
      for (const published of publications) {
        pages.publish(published);
        deepEqual(read(), published);
      }
    }),
  );
});

/**
 * A thread that publishes as fast as it can: `n`, and numbers that follow from it, with both halves
 * in motion. Word 0 of `control` ends it, word 1 says that it runs.
 */
const WRITER = `
const { workerData } = require('node:worker_threads');
import(workerData.module).then(({ TwinPages }) => {
  const pages = new TwinPages(workerData.memory, ${COUNT});
  const control = new Int32Array(workerData.control);
  for (let n = 1; Atomics.load(control, 0) === 0; n++) {
    pages.publish(Array.from({ length: ${COUNT} }, (_, i) => n * (2 ** 32 - 1) + i * n));
    Atomics.store(control, 1, 1);
  }
});`;

test('a look never mixes two publications, however fast another thread writes', async () => {
  const memory = TwinPages.memory(COUNT);
  const control = new Int32Array(new SharedArrayBuffer(8));
  const module = new URL('./twin-pages.ts', import.meta.url).href;
  const writer = new Worker(WRITER, {
    eval: true,
    workerData: { memory, module, control: control.buffer },
  });
  const isOver = new Promise((resolve) => writer.once('exit', resolve));
  const { read } = pagesOf(memory);
  while (Atomics.load(control, 1) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  let looks = 0;
  let news = 0;
  let last = 0;
  const beganMs = performance.now();
  const isEnough = () => looks > LOOKS_MIN && news > NEWS_MIN;
  const msMax = () => (isEnough() ? HAMMER_MS : PATIENCE_MS);
  try {
    while (performance.now() < beganMs + msMax()) {
      const [first = 0, ...others] = read();
      const n = first / (2 ** 32 - 1);
      for (const [i, other] of others.entries()) equal(other, first + (i + 1) * n);
      ok(n >= last, 'time does not go back');
      if (n > last) news += 1;
      last = n;
      looks += 1;
    }
  } finally {
    Atomics.store(control, 0, 1);
    await isOver;
  }
  ok(isEnough(), `${looks} looks, ${news} of them at something new`);
});
