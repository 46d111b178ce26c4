import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { ASK_TICKS, DivergenceWatch, isConfession } from './divergence-watch.ts';

function world() {
  const found: string[] = [];
  const it = {
    life: 1 as number | null,
    errors: 0 as number | null,
    asked: 0,
    found,
    /** Of the latest question. */
    answer: () => {},
    run: (ticks: number) => {
      for (let i = 0; i < ticks; i++) watch.tick();
    },
  };
  const watch = new DivergenceWatch({
    following: () => it.life,
    ask: (done) => {
      it.asked += 1;
      it.answer = () => done(it.errors);
    },
    found: (why) => found.push(why),
  });
  return it;
}

test('H3: a follower whose server failed a command of the stream is found out within the bound', () => {
  const it = world();
  it.run(ASK_TICKS);
  it.answer();
  deepEqual(it.found, []);
  it.errors = 1;
  it.run(ASK_TICKS);
  it.answer();
  equal(it.found.length, 1);
});

test('a server that no longer follows when its answer comes is not judged by it', () => {
  const it = world();
  it.errors = 3;
  it.run(ASK_TICKS);
  it.life = null;
  it.answer();
  it.life = 1;
  it.run(ASK_TICKS);
  it.life = 2;
  it.answer();
  deepEqual(it.found, []);
});

test('a server that leads, or is not there, is not asked', () => {
  const it = world();
  it.life = null;
  it.run(3 * ASK_TICKS);
  equal(it.asked, 0);
});

test('what a server prints before it panics over its stream is recognized', () => {
  const words =
    "# == CRITICAL == This replica is sending an error to its master: '-WRONGTYPE Operation " +
    "against a key holding the wrong kind of value' after processing the command 'lpush'";
  equal(isConfession(words), true);
  equal(isConfession('# MASTER <-> REPLICA sync: Finished with success'), false);
});
