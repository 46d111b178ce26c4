import { deepEqual, equal, match } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FENCE, Lane } from './lane.ts';

const ROLE = '*3\r\n$6\r\nmaster\r\n:7\r\n*0\r\n';
const GET = Buffer.from('*1\r\n$3\r\nGET\r\n');

interface Given {
  readonly to: string;
  readonly text: string;
  readonly replies: number;
  readonly ticket: number;
  readonly fence: string | null;
}

function laneOf(): { lane: Lane<{ name: string }>; given: Given[] } {
  const given: Given[] = [];
  const lane = new Lane<{ name: string }>({
    replied: (slices, ticket, fence) => {
      for (const { session, bytes, replies } of slices)
        given.push({
          to: session.name,
          text: bytes.toString(),
          replies,
          ticket,
          fence: fence?.toString() ?? null,
        });
    },
  });
  return { lane, given };
}

const a = { name: 'a' };
const b = { name: 'b' };

describe('a lane', () => {
  test('writes a turn’s commands in one batch with a fence at its end', () => {
    const { lane } = laneOf();
    lane.request(a, GET, 1);
    lane.request(b, GET, 1);
    equal(Buffer.concat(lane.takeBatch(1)).toString(), `${GET}${GET}${FENCE}`);
    deepEqual(lane.takeBatch(2), [], 'nothing more, and so no fence');
  });

  test('gives replies with the ticket and the fence of their own batch', () => {
    const { lane, given } = laneOf();
    for (const ticket of [5, 6]) {
      lane.request(a, GET, 2);
      lane.request(b, GET, 1);
      lane.takeBatch(ticket);
    }
    const all = Buffer.from(`+1\r\n+2\r\n+3\r\n${ROLE}`);
    equal(lane.push(all), null);
    equal(lane.push(all), null);
    const [first, second, third] = given as [Given, Given, Given];
    deepEqual(first, { to: 'a', text: '+1\r\n+2\r\n', replies: 2, ticket: 5, fence: ROLE });
    deepEqual(second, { to: 'b', text: '+3\r\n', replies: 1, ticket: 5, fence: ROLE });
    deepEqual([third.to, third.ticket, given.length, lane.owed], ['a', 6, 4, 0]);
  });

  test('gives all that one chunk brings with the last fence in it, and keeps the rest', () => {
    const { lane, given } = laneOf();
    for (const ticket of [5, 6, 7]) {
      lane.request(a, GET, 1);
      lane.takeBatch(ticket);
    }
    const later = ROLE.replace(':7', ':9');
    lane.push(Buffer.from(`+1\r\n${ROLE}+2\r\n${later}+3\r\n*3\r\n$6`));
    deepEqual(
      given.map(({ text, ticket, fence }) => [text, ticket, fence]),
      [
        ['+1\r\n', 6, later],
        ['+2\r\n', 6, later],
      ],
    );
    equal(lane.isUnfenced, true);
    lane.giveUnfenced();
    deepEqual([given[2]?.text, given[2]?.fence], ['+3\r\n', null]);
  });

  test('keeps replies until their fence, however it is cut', () => {
    for (let cut = 1; cut < ROLE.length; cut++) {
      const { lane, given } = laneOf();
      lane.request(a, GET, 1);
      lane.takeBatch(1);
      lane.push(Buffer.from(`+1\r\n${ROLE.slice(0, cut)}`));
      deepEqual([given.length, lane.isUnfenced], [0, true]);
      lane.push(Buffer.from(ROLE.slice(cut)));
      deepEqual([given.length, given[0]?.fence], [1, ROLE]);
    }
  });

  test('gives away without a fence what grows beyond its bound', () => {
    const { lane, given } = laneOf();
    lane.request(a, GET, 1);
    lane.takeBatch(1);
    const size = 1_000_000;
    lane.push(Buffer.from(`$${size}\r\n${'x'.repeat(size / 2)}`));
    deepEqual([given.length, given[0]?.replies, given[0]?.fence], [1, 0, null]);
    lane.push(Buffer.from(`${'x'.repeat(size / 2)}\r\n${ROLE}`));
    equal(
      given.reduce((sum, { text }) => sum + text.length, 0),
      size + 12,
    );
    equal(given.at(-1)?.fence, ROLE);
  });

  test('asks no more for a fence that its user may not have, and takes no other error for one', () => {
    for (const [error, isAsked] of [
      ['-NOPERM no\r\n', false],
      ['-NOAUTH Authentication required.\r\n', false],
      ['-BUSY a script runs\r\n', true],
    ] as const) {
      const { lane, given } = laneOf();
      lane.request(a, GET, 1);
      lane.takeBatch(1);
      lane.push(Buffer.from(`+1\r\n${error}`));
      equal(given[0]?.fence, null);
      lane.request(a, GET, 1);
      equal(lane.takeBatch(1).includes(FENCE), isAsked, error);
      lane.push(Buffer.from('+2\r\n'));
      equal(given.length, isAsked ? 1 : 2);
    }
  });

  test('is at an end with a reply that nobody is owed, even if somebody is about to ask', () => {
    for (const isAsking of [false, true]) {
      const { lane, given } = laneOf();
      lane.request(a, GET, 1);
      lane.takeBatch(1);
      lane.push(Buffer.from(`+1\r\n${ROLE}`));
      if (isAsking) lane.request(b, GET, 1);
      match(lane.push(Buffer.from('+2\r\n')) ?? '', /nobody is owed/);
      match(lane.push(Buffer.from('$9\r\nx')) ?? '', /nobody is owed/);
      equal(given.length, 1);
    }
  });

  test('gives nothing away of a push, or of what is no reply, however it is cut', () => {
    for (const stray of ['>2\r\n+message\r\n+x\r\n', '!', '*1', '$-'])
      for (let cut = 1; cut <= stray.length; cut++) {
        const { lane, given } = laneOf();
        lane.request(a, GET, 2);
        lane.takeBatch(1);
        const first = lane.push(Buffer.from(`+1\r\n${stray.slice(0, cut)}`));
        lane.giveUnfenced();
        const last = first ?? lane.push(Buffer.from(`${stray.slice(cut)}+2\r\n${ROLE}`));
        match(last ?? '', /a push|no reply/);
        lane.giveUnfenced();
        equal(given.map(({ text }) => text).join(''), first === null ? '+1\r\n' : '', stray);
      }
  });

  test('gives a reply away whole, however it is cut and whenever that is', () => {
    const reply = '*2\r\n$3\r\nabc\r\n:12\r\n';
    for (let cut = 1; cut < reply.length; cut++) {
      const { lane, given } = laneOf();
      lane.request(a, GET, 1);
      lane.request(b, GET, 1);
      lane.takeBatch(1);
      for (const piece of [reply.slice(0, cut), reply.slice(cut), '+2\r\n']) {
        equal(lane.push(Buffer.from(piece)), null);
        lane.giveUnfenced();
      }
      const toldTo = (name: string): string =>
        given.flatMap(({ to, text }) => (to === name ? [text] : [])).join('');
      deepEqual([toldTo('a'), toldTo('b')], [reply, '+2\r\n'], `cut at ${cut}`);
      equal(
        given.reduce((sum, { replies }) => sum + replies, 0),
        2,
      );
    }
  });

  test('knows everybody who is owed something, read or not, sent or not', () => {
    const { lane } = laneOf();
    const c = { name: 'c' };
    lane.request(a, GET, 1);
    lane.request(b, GET, 1);
    lane.takeBatch(1);
    lane.push(Buffer.from('+1\r\n'));
    lane.request(c, GET, 1);
    deepEqual([...lane.creditors()], [a, b, c]);
  });
});
