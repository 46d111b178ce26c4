import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId, type ReplOffset, replOffset } from '../../core/scalars.ts';
import { FollowerReads } from './follower-reads.ts';
import { ReadIndex } from './read-index.ts';

const FIRST = 1_000;

/** A server that follows; the test says how far it is, and what the leader answers. */
function open() {
  const said: string[] = [];
  const seen = { committed: 0, fed: 0, isFed: true };
  const reads = new FollowerReads(
    {
      server: {
        askRole: () => void said.push('role?'),
        serveReads: (_life, isServed) => void said.push(isServed ? 'port open' : 'port closed'),
      },
      relay: { setSpell: (spell) => void said.push(spell === null ? 'spell over' : 'spell') },
      askLeader: (number) => void said.push(`ask ${number - FIRST}`),
      isFed: () => seen.isFed,
      fed: () => replOffset(seen.fed),
      committed: () => replOffset(seen.committed),
    },
    FIRST,
  );
  const applied = (offset: number): void => {
    reads.roleSeen({ kind: 'replica', isConnected: true, offset: replOffset(offset) });
  };
  const told = (number: number, offset: number): void =>
    reads.told(FIRST + number, replOffset(offset));
  const taken = (): string[] => said.splice(0);
  return { reads, seen, applied, told, taken };
}

/** In its first spell, at offset 10. */
function reading() {
  const opened = open();
  const { reads, seen, applied, told, taken } = opened;
  reads.following(1, true);
  reads.tick();
  told(1, 10);
  seen.fed = 10;
  seen.committed = 10;
  reads.tick();
  applied(10);
  taken();
  return opened;
}

test('the first spell of a process waits for what the leader says is committed', () => {
  const { reads, seen, applied, told, taken } = open();
  seen.committed = 4;
  seen.fed = 4;
  reads.following(1, true);
  reads.tick();
  deepEqual(taken(), ['ask 1'], 'what this node knows to be committed may be long ago');
  told(1, 10);
  seen.fed = 10;
  reads.tick();
  applied(9);
  deepEqual([reads.isOpen, taken()], [false, ['role?']]);
  reads.tick();
  applied(10);
  deepEqual([reads.isOpen, taken()], [true, ['role?', 'spell', 'port open']]);
});

test('a spell is over when the server does not follow, and before anything else is done with it', () => {
  for (const end of ['promoted', 'unfed'] as const) {
    const { reads, seen, taken } = reading();
    let reached = 0;
    reads.point(() => {
      reached += 1;
    });
    taken();
    if (end === 'promoted') reads.following(1, false);
    else {
      seen.isFed = false;
      reads.tick();
    }
    deepEqual([reads.isOpen, taken()], [false, ['spell over', 'port closed']], end);
    equal(reached, 0);
  }
});

test('a later spell begins at what this node may have shown, be it as a leader', () => {
  const { reads, seen, applied, taken } = reading();
  reads.following(1, false);
  seen.committed = 30;
  reads.following(2, true);
  reads.tick();
  applied(29);
  equal(reads.isOpen, false);
  reads.tick();
  applied(30);
  equal(reads.isOpen, true);
  equal(taken().includes('ask 2'), false, 'nobody has to lead for that');
});

test('a point is reached when the server has applied what the leader said, and not before', () => {
  const { reads, seen, applied, told, taken } = reading();
  const reached: string[] = [];
  reads.point(() => reached.push('a'));
  reads.point(() => reached.push('b'));
  deepEqual(taken(), ['ask 2'], 'one question is under way at a time');
  told(2, 20);
  deepEqual(taken(), [], 'it was not fed so much yet');
  seen.fed = 20;
  reads.moved();
  deepEqual(taken(), ['role?']);
  applied(19);
  deepEqual([reached, taken()], [[], ['role?']]);
  applied(20);
  deepEqual([reached, taken()], [['a'], ['ask 3']], 'b came when question 2 was under way');
  told(3, 20);
  deepEqual(reached, ['a', 'b'], 'it is known to be so far');
});

test('a question is asked again of whoever leads, and late answers to others count for nothing', () => {
  const { reads, told, taken } = reading();
  let reached = 0;
  reads.point(() => {
    reached += 1;
  });
  taken();
  for (let tick = 0; tick < 8; tick++) reads.tick();
  deepEqual(taken(), ['ask 2']);
  reads.leaderChanged();
  deepEqual(taken(), ['ask 2']);
  told(1, 5);
  equal(reached, 0, 'an answer to an earlier question');
  told(2, 10);
  equal(reached, 1);
  told(2, 10);
  equal(reached, 1);
});

test('the leader says what was committed when it was asked, once a later round shows that it leads', () => {
  const [B, C] = ['b', 'c'].map((name) => nodeId(`${name}@00000001`));
  const said: string[] = [];
  const seen = { isOpen: false, committed: 7, round: 3 };
  const index = new ReadIndex({
    isOpen: () => seen.isOpen,
    committed: () => seen.committed as ReplOffset,
    nextRound: () => seen.round,
    wantRound: (round) => void said.push(`round ${round}?`),
    sayCommit: (to) => void said.push(`commit to ${to[0]}`),
    tell: (to, number, offset) => void said.push(`${to[0]} ${number}: ${offset}`),
  });
  const taken = (): string[] => said.splice(0);
  if (B === undefined || C === undefined) throw new Error('two nodes');
  index.asked(B, 1);
  deepEqual(taken(), [], 'who is not open does not know what is committed');
  seen.isOpen = true;
  index.asked(B, 1);
  deepEqual(taken(), ['commit to b', 'round 3?']);
  seen.committed = 9;
  seen.round = 4;
  index.asked(C, 5);
  index.confirmed(2);
  deepEqual(taken(), ['commit to c', 'round 4?'], 'a round that began before says nothing');
  index.confirmed(3);
  deepEqual(taken(), ['b 1: 7']);
  index.end();
  index.confirmed(4);
  deepEqual(taken(), [], 'rounds of another term');
});
