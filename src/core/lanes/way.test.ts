import { deepEqual, equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Effect } from './effect.ts';
import type { Segment } from './segment.ts';
import { LARGE_REPLY_BYTES, Way, type WayPorts } from './way.ts';

function segment(text: string, effect: Effect | null = null): Segment {
  return {
    bytes: Buffer.from(text),
    begun: 1,
    ended: 1,
    effect,
    isRead: false,
    point: 0,
  };
}

const BLOCKS: Effect = { kind: 'blocks' };
const NAME: Effect = { kind: 'name', name: Buffer.from('n') };

function wayOf(direction: WayPorts['direction'] = 'lanes') {
  const done: string[] = [];
  const ports = {
    direction,
    isOnlyGreeted: false,
    takes: ({ effect }: Segment) => !ports.isOnlyGreeted || effect !== null,
    isLaneReady: true,
    canReadHere: false,
    isReached: true,
    toLane: (bytes: Buffer) => {
      if (ports.isLaneReady) done.push(`lane ${bytes}`);
      return ports.isLaneReady;
    },
    toFollower: (bytes: Buffer) => {
      if (ports.isReached) done.push(`here ${bytes}`);
      return ports.isReached;
    },
    openOwn: () => void done.push('open'),
    closeOwn: () => void done.push('close'),
    toOwn: (bytes: Buffer, count: number) => void done.push(`own ${count} ${bytes}`),
  };
  return { way: new Way(ports), done, ports };
}

describe('a way', () => {
  test('leaves the lane when nothing is owed and nothing is held, and not before', () => {
    const { way, done } = wayOf();
    way.take(segment('a'));
    way.take(segment('b', BLOCKS));
    way.take(segment('c'));
    deepEqual(done, ['lane a']);
    way.laneReplied(1, 10);
    way.pump();
    deepEqual(done, ['lane a'], 'its reply is held');
    way.released(10);
    way.pump();
    way.ownConnected();
    deepEqual(done, ['lane a', 'open', 'own 1 b', 'own 1 c']);
  });

  test('ends a command where it was begun, and is in the middle of it until then', () => {
    const { way, done, ports } = wayOf();
    way.take({ ...segment('head '), ended: 0 });
    way.ownConnected();
    ports.isOnlyGreeted = true;
    way.ownReplied(Buffer.from('-ERR too long\r\n'));
    equal(way.isIdle, false, 'refused, but not ended');
    way.take({ ...segment('tail'), begun: 0 });
    deepEqual(done, ['open', 'own 1 head ', 'own 0 tail']);
    equal(way.isIdle, true);
  });

  test('tells a new connection what the session is, and sends nothing before it is let in', () => {
    const { way, done } = wayOf();
    way.take(segment('name', NAME));
    way.ownConnected();
    way.ownReplied(Buffer.from('+OK\r\n'));
    equal(way.tryReturn(), true);
    way.take(segment('b', BLOCKS));
    way.ownConnected();
    const replay = '*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1\r\nn\r\n';
    deepEqual(done, ['open', 'own 1 name', 'close', 'open', `own 0 ${replay}`]);
    equal(way.ownReplied(Buffer.from('+O'))?.length, 0);
    equal(way.ownReplied(Buffer.from('K\r\n'))?.length, 0);
    equal(done.at(-1), 'own 1 b');
  });

  test('goes nowhere when the session is not let in again', () => {
    const { way, done } = wayOf();
    way.take(segment('name', NAME));
    way.ownConnected();
    way.ownReplied(Buffer.from('+OK\r\n'));
    way.tryReturn();
    way.take(segment('b', BLOCKS));
    way.ownConnected();
    equal(way.ownReplied(Buffer.from('-WRONGPASS\r\n')), null);
    equal(done.includes('own 1 b'), false);
  });

  test('returns after a while without need, or when it must', () => {
    for (const isForced of [false, true]) {
      const { way } = wayOf();
      way.take(segment('b', BLOCKS));
      way.ownConnected();
      way.ownReplied(Buffer.from('+1\r\n'));
      let plain = 0;
      while (!way.tryReturn(isForced)) {
        plain += 1;
        way.take(segment('p'));
        equal(way.tryReturn(isForced), false, 'a reply is owed');
        way.ownReplied(Buffer.from('+1\r\n'));
      }
      equal(plain, isForced ? 0 : 64);
    }
  });

  test('leaves the lane after large replies', () => {
    const { way, done } = wayOf();
    way.take(segment('a'));
    way.laneReplied(1, LARGE_REPLY_BYTES);
    way.released(LARGE_REPLY_BYTES);
    way.take(segment('b'));
    deepEqual(done, ['lane a', 'open']);
  });

  test('keeps what waits in order, and knows when only a connection is missing', () => {
    const { way, done, ports } = wayOf();
    ports.isLaneReady = false;
    way.take(segment('a'));
    way.take(segment('b'));
    equal(way.isStuck, true);
    ports.isLaneReady = true;
    way.pump();
    deepEqual([done, way.isStuck], [['lane a', 'lane b'], false]);
    way.take(segment('c', BLOCKS));
    equal(way.isStuck, false, 'it waits for its own replies');
  });

  test('to another node is a connection of its own', () => {
    const { way, done } = wayOf('own');
    way.take(segment('a'));
    way.ownConnected();
    way.ownReplied(Buffer.from('+1\r\n'));
    equal(way.tryReturn(true), false);
    deepEqual(done, ['open', 'own 1 a']);
  });
});

describe('a way with reads here, while another node leads', () => {
  const read = (text: string, point = 0): Segment => ({ ...segment(text), isRead: true, point });
  function open() {
    const opened = wayOf('own');
    opened.ports.canReadHere = true;
    return opened;
  }

  test('sends reads to the own server, and keeps the connection to the leader', () => {
    const { way, done } = open();
    way.take(read('r1'));
    way.take(segment('w1'));
    deepEqual(done, ['here r1'], 'a write waits for the replies before it');
    way.laneReplied(1, 5);
    way.released(5);
    way.pump();
    way.ownConnected();
    way.ownReplied(Buffer.from('+OK\r\n'));
    way.take(read('r2'));
    way.laneReplied(1, 5);
    way.released(5);
    way.take(segment('w2'));
    deepEqual(done, ['here r1', 'open', 'own 1 w1', 'here r2', 'own 1 w2']);
  });

  test('sends a read behind a write to the leader while that owes a reply', () => {
    const { way, done } = open();
    way.take(segment('w'));
    way.ownConnected();
    way.take(read('r'));
    deepEqual(done, ['open', 'own 1 w', 'own 1 r']);
  });

  test('sends reads to the leader in a transaction, and while keys are watched', () => {
    for (const effect of [{ kind: 'multi' }, { kind: 'watch' }, { kind: 'binds' }] as Effect[]) {
      const { way, done } = open();
      way.take(segment('e', effect));
      way.ownConnected();
      way.ownReplied(Buffer.from('+OK\r\n'));
      way.take(read('r'));
      equal(done.at(-1), 'own 1 r', effect.kind);
    }
  });

  test('waits with a read until the server is far enough, and with all behind it', () => {
    const { way, done, ports } = open();
    ports.isReached = false;
    way.take(read('r', 7));
    way.take(segment('w'));
    deepEqual([done, way.isStuck], [[], true]);
    ports.isReached = true;
    way.pump();
    deepEqual([done, way.isStuck], [['here r'], false]);
  });

  test('sends nothing behind what says who answers reads before that is answered', () => {
    for (const effect of [{ kind: 'reads', reads: 'leader' }, { kind: 'reset' }] as Effect[]) {
      const { way, done, ports } = open();
      way.take(segment('e', effect));
      way.ownConnected();
      way.take(read('r'));
      way.take(segment('w'));
      deepEqual(done, ['open', 'own 1 e'], effect.kind);
      way.ownReplied(Buffer.from('+OK\r\n'));
      ports.canReadHere = false;
      way.pump();
      deepEqual(done, ['open', 'own 1 e', 'own 1 r', 'own 1 w'], effect.kind);
    }
  });

  test('greets, and keeps back all else, where no more is taken', () => {
    const { way, done, ports } = wayOf('own');
    ports.isOnlyGreeted = true;
    way.take(segment('a'));
    deepEqual([done, way.isStuck], [[], true], 'no connection is opened for it');
    way.waiting.refuseAll();
    way.take(segment('name', NAME));
    way.take(segment('b'));
    way.ownConnected();
    deepEqual([done, way.isStuck], [['open', 'own 1 name'], false], 'a reply is owed');
    way.ownReplied(Buffer.from('+OK\r\n'));
    equal(way.isStuck, true);
    ports.isOnlyGreeted = false;
    way.pump();
    deepEqual([done.at(-1), way.isStuck], ['own 1 b', false]);
  });

  test('knows whether the replies of its connection may show data', () => {
    const { way } = wayOf('own');
    way.take(segment('name', NAME));
    way.ownConnected();
    equal(way.hasAsked, false);
    way.take(segment('w'));
    equal(way.hasAsked, true);
    way.ownLost();
    equal(way.hasAsked, false);
  });

  test('remembers who answers its reads, until it is reset', () => {
    const { way } = open();
    way.take(segment('e', { kind: 'reads', reads: 'local' }));
    way.ownConnected();
    equal(way.reads, null, 'the server has not said yes yet');
    way.ownReplied(Buffer.from('+OK\r\n'));
    equal(way.reads, 'local');
    way.take(segment('e', { kind: 'reset' }));
    way.ownReplied(Buffer.from('+RESET\r\n'));
    equal(way.reads, null);
  });
});
