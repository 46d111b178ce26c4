import { deepEqual, equal } from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DiscoveryError } from '../io/discovery/errors.ts';
import type { Recorded } from '../io/discovery/founding-record.ts';
import { TrialClock } from '../io/discovery/trial-world.ts';
import { OwnRecord } from './own-record.ts';

/** A record that several nodes share, its faults, and the nodes. */
function openWorld(t: TestContext) {
  const clock = new TrialClock();
  const world = {
    stands: null as string | null,
    fault: null as 'silent' | 'forbidden' | null,
    warned: [] as string[],
    clock,
  };
  const answered = (): Recorded => {
    if (world.fault === 'silent') throw new DiscoveryError('NO_ANSWER', 'nobody listens there');
    if (world.fault === 'forbidden') return { kind: 'forbidden', text: 'no right' };
    return { kind: 'stands', deployment: world.stands };
  };
  const record = {
    place: 'configmap althing.orders',
    read: async () => answered(),
    write: async (deployment: string) => {
      if (world.fault === null) world.stands ??= deployment;
      return answered();
    },
  };
  const open = async () => {
    const changes: boolean[] = [];
    const own = new OwnRecord({
      record,
      clock,
      warn: (event) => world.warned.push(event),
      fatal: (error) => {
        throw error;
      },
    });
    t.after(() => own.stop());
    own.start(() => changes.push(own.mayFound));
    await clock.advance(0);
    const codes = () => own.problems('orders').map(({ code }) => code);
    const claim = async (deployment: string) => {
      const claimed = { isDone: false };
      own.claim(deployment, () => {
        claimed.isDone = true;
      });
      await clock.advance(0);
      return claimed;
    };
    return { own, changes, codes, claim };
  };
  return { world, open };
}

test('an empty node founds only when the record was looked at and names nobody', async (t) => {
  const { world, open } = openWorld(t);
  world.fault = 'silent';
  const node = await open();
  deepEqual([node.own.mayFound, node.codes()], [false, ['RECORD_UNKNOWN']]);
  world.fault = null;
  await world.clock.advance(5_000);
  deepEqual([node.changes, node.codes()], [[true], []]);
});

test('nodes without disks, of a deployment that was founded, wait for a person', async (t) => {
  const { world, open } = openWorld(t);
  world.stands = 'former';
  const node = await open();
  deepEqual([node.own.mayFound, node.codes()], [false, ['FOUNDED_BEFORE']]);
  const [problem] = node.own.problems('orders');
  equal(problem?.todo.includes('kubectl delete configmap althing.orders'), true);
  await world.clock.advance(600_000);
  deepEqual(node.changes, []);
  world.stands = null;
  await world.clock.advance(5_000);
  deepEqual([node.changes, node.codes()], [[true], []]);
});

test('of two foundings one gets members, and the other does not go on', async (t) => {
  const { world, open } = openWorld(t);
  const [a, b, late] = [await open(), await open(), await open()];
  equal((await a.claim('one')).isDone, true);
  const other = await b.claim('two');
  await world.clock.advance(60_000);
  deepEqual([other.isDone, b.codes()], [false, ['FOUNDED_BY_OTHERS']]);
  equal((await late.claim('one')).isDone, true, 'the same founding');
  equal(world.stands, 'one');
});

test('a founder waits for the record as long as nobody answers', async (t) => {
  const { world, open } = openWorld(t);
  const node = await open();
  world.fault = 'silent';
  const claimed = await node.claim('one');
  await world.clock.advance(60_000);
  equal(claimed.isDone, false);
  world.fault = null;
  await world.clock.advance(5_000);
  deepEqual([claimed.isDone, world.stands], [true, 'one']);
});

test('without the right to it nodes found all the same, say so once, and write it later', async (t) => {
  const { world, open } = openWorld(t);
  world.fault = 'forbidden';
  const node = await open();
  deepEqual(node.changes, [true]);
  equal((await node.claim('one')).isDone, true);
  await world.clock.advance(600_000);
  deepEqual([world.warned, node.codes()], [['founding.unrecorded'], []]);
  world.fault = null;
  await world.clock.advance(60_000);
  equal(world.stands, 'one');
});

test('who is in writes what is missing, and lets stand what names another', async (t) => {
  for (const before of [null, 'of before a recovery']) {
    const { world, open } = openWorld(t);
    world.stands = before;
    const node = await open();
    node.own.claim('own', null);
    await world.clock.advance(60_000);
    equal(world.stands, before ?? 'own');
  }
});
