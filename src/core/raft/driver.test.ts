import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { Driver, type Notice } from './driver.ts';
import type { Done, LogStore } from './ports.ts';
import { bareRaft } from './small-world.test.ts';

class FakeLog implements LogStore {
  readonly waiting: Done[] = [];

  saveHardState(_: unknown, done: Done): void {
    this.waiting.push(done);
  }

  persist(_: unknown, __: unknown, done: Done): void {
    this.waiting.push(done);
  }

  read(): void {}

  termAt(): null {
    return null;
  }

  installSnapshot(_: unknown, __: unknown, done: Done): void {
    this.waiting.push(done);
  }
}

function soleVoter(onNotice: (notice: Notice, driver: Driver) => void) {
  const log = new FakeLog();
  const failures: Error[] = [];
  const driver: Driver = new Driver({
    raft: bareRaft({ voters: 'a' }),
    log,
    outbox: { send: () => {} },
    fetcher: { fetch: () => {} },
    onNotice: (notice) => onNotice(notice, driver),
    fatal: (error) => failures.push(error),
  });
  return { log, failures, driver };
}

test('an event handled from inside a notice waits its turn', () => {
  const heard: string[] = [];
  const { log, driver } = soleVoter((notice, self) => {
    heard.push(`${notice.kind} begins`);
    if (notice.kind === 'becameLeader')
      self.handle({ kind: 'proposed', payloads: [Buffer.from('x')] });
    heard.push(`${notice.kind} ends`);
  });
  driver.handle({ kind: 'tick' });
  log.waiting.shift()?.();
  const kindsHeard = heard.filter((each) => each.endsWith('ends')).map((each) => each.slice(0, -5));
  deepEqual(kindsHeard, [
    'becameLeader',
    'leaderChanged',
    'roundConfirmed',
    'accepted',
    'roundConfirmed',
  ]);
  for (const [i, each] of heard.entries())
    equal(each.endsWith(i % 2 === 0 ? 'begins' : 'ends'), true, 'notices never nest');
});

test('a failed write ends the node: it is told once, and nothing is done afterwards', () => {
  const { log, failures, driver } = soleVoter(() => {});
  driver.handle({ kind: 'tick' });
  log.waiting.shift()?.(new Error('EIO'));
  equal(failures.length, 1);
  driver.handle({ kind: 'tick' });
  equal(driver.raft.role, 'candidate');
  equal(log.waiting.length, 0);
});

test('a broken invariant passes through, and nothing is done afterwards', () => {
  const { driver } = soleVoter(() => {});
  throws(() => driver.handle({ kind: 'proposed', payloads: [] }), /at least one payload/);
  driver.handle({ kind: 'tick' });
  equal(driver.raft.role, 'follower');
});
