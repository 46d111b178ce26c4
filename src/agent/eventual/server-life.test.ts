import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { EventualServer, ServerSeen } from './ports.ts';
import { ServerLife } from './server-life.ts';
import { TRIAL_SEEN } from './trial-seen.ts';

const SEEN = TRIAL_SEEN;

const OPEN: ServerSeen = { ...SEEN, role: 'primary', isShut: false };

const TICK_MS = 25;

class Bed {
  nowMs = 0;
  readonly calls: string[] = [];
  stepDone: (ok: boolean) => void = () => undefined;
  readonly life: ServerLife;

  constructor() {
    const server: EventualServer = {
      start: (life) => this.calls.push(`start ${life}`),
      kill: (life) => this.calls.push(`kill ${life}`),
      look: () => this.calls.push('look'),
      take: (_life, { kind }, done) => {
        this.calls.push(kind);
        this.stepDone = done;
      },
      extend: () => undefined,
      disarm: () => undefined,
    };
    this.life = new ServerLife({ nowMs: () => this.nowMs, server, note: () => undefined });
    this.life.tick();
    this.life.up(1);
  }

  after(ms: number): string[] {
    this.calls.length = 0;
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + TICK_MS);
      this.life.tick();
    }
    return [...this.calls];
  }

  /** This process does not run for so long. */
  stalled(ms: number): string[] {
    this.calls.length = 0;
    this.nowMs += ms;
    this.life.tick();
    return [...this.calls];
  }
}

/** Asked anew each time. */
function seenBy(life: ServerLife): ServerSeen | null {
  return life.seen;
}

test('what was seen before a step was done says nothing about it', () => {
  const bed = new Bed();
  ok(bed.life.seenNow(1, SEEN));
  ok(bed.life.isUp);
  bed.after(100);
  bed.life.take({ kind: 'promote' }, () => undefined);
  equal(bed.life.seen, null);
  bed.stepDone(true);
  ok(!bed.life.seenNow(1, SEEN), 'asked before the step');
  equal(bed.life.seen, null);
  ok(bed.life.seenNow(1, { ...SEEN, role: 'primary' }));
  deepEqual(seenBy(bed.life), { ...SEEN, role: 'primary' });
});

test('an open server that answers nothing is killed, with a script not before its bound', () => {
  const bed = new Bed();
  bed.life.seenNow(1, OPEN);
  bed.after(1_000);
  deepEqual(bed.after(1), ['kill 1']);
  const busy = new Bed();
  busy.life.seenNow(1, OPEN);
  for (let i = 0; i < 12; i++) {
    deepEqual(busy.after(900), ['look'], `after ${i}`);
    busy.life.busy(1);
  }
  deepEqual(busy.after(1_001), ['look', 'kill 1']);
});

test('a server is not killed for an answer that this process could not hear', () => {
  const bed = new Bed();
  bed.life.seenNow(1, OPEN);
  bed.after(500);
  deepEqual(bed.stalled(8_000), []);
  deepEqual(bed.after(500), [], 'as long as is left of its bound');
  deepEqual(bed.after(1), ['kill 1']);
});

test('nothing is said to be gone before the port was had once', () => {
  const bed = new Bed();
  bed.life.down(1, 'killed');
  ok(bed.life.isGone);
  deepEqual(bed.after(199), []);
  deepEqual(bed.after(1), ['start 2']);
  ok(!bed.life.isGone);
  const fresh = new ServerLife({
    nowMs: () => 0,
    server: { start: () => undefined } as unknown as EventualServer,
    note: () => undefined,
  });
  fresh.tick();
  fresh.down(1, 'the port is taken');
  ok(!fresh.isGone, 'an earlier life of this node may still have a server');
});

test('what an earlier life says is not heard', () => {
  const bed = new Bed();
  bed.life.down(1, 'killed');
  bed.after(200);
  bed.life.up(2);
  ok(!bed.life.seenNow(1, SEEN));
  ok(!bed.life.down(1, 'late'));
  ok(bed.life.seenNow(2, SEEN));
});

test('a shut server that answers nothing is not up, and has a minute', () => {
  for (const seen of [SEEN, { ...OPEN, isShut: true }]) {
    const bed = new Bed();
    bed.life.seenNow(1, seen);
    bed.after(1_025);
    ok(!bed.life.isUp);
    deepEqual(bed.after(58_975), []);
    deepEqual(bed.after(TICK_MS), ['kill 1']);
  }
});

test('a server that was told to open has no minute', () => {
  const bed = new Bed();
  bed.life.seenNow(1, { ...OPEN, isShut: true });
  bed.life.take({ kind: 'open', untilMs: 1_200, minReplicas: 0 }, () => undefined);
  bed.after(1_000);
  deepEqual(bed.after(TICK_MS), ['kill 1']);
});
