import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { CommandJudge } from './command-rules.ts';
import { RELAY_BOUNDS } from './options.ts';
import { RequestGate, type Segment } from './request-gate.ts';
import { BULK_BYTES_MAX, resp, TRIAL_RULES } from './trial-server.ts';
import { afterTail, WaitingRequests } from './waiting-requests.ts';

function gateOf(found: Segment[]): RequestGate {
  const bounds = { ...RELAY_BOUNDS, bulkBytesMax: BULK_BYTES_MAX };
  return new RequestGate(new CommandJudge(TRIAL_RULES), bounds, (s) => found.push(s));
}

function segmentsOf(...chunks: readonly (string | Buffer)[]): Segment[] {
  const found: Segment[] = [];
  const gate = gateOf(found);
  for (const chunk of chunks) gate.feed(Buffer.from(chunk));
  return found;
}

function sums(segments: readonly Segment[]): unknown {
  return {
    bytes: Buffer.concat(segments.map(({ bytes }) => bytes)).toString('latin1'),
    begun: segments.reduce((sum, { begun }) => sum + begun, 0),
    ended: segments.reduce((sum, { ended }) => sum + ended, 0),
    binds: segments.some(({ binds }) => binds),
    blocks: segments.some(({ blocks }) => blocks),
    monitors: segments.some(({ monitors }) => monitors),
  };
}

test('a chunk of whole commands is forwarded as it is, in one piece and uncopied', () => {
  const chunk = Buffer.from(resp('SET', 'a', 'b').repeat(100));
  const found: Segment[] = [];
  gateOf(found).feed(chunk);
  equal(found.length, 1);
  equal(found[0]?.bytes.buffer, chunk.buffer);
  equal(found[0]?.bytes.byteOffset, chunk.byteOffset);
  deepEqual([found[0]?.begun, found[0]?.ended], [100, 100]);
});

test('the same bytes and commands are forwarded wherever the stream is cut', () => {
  const stream =
    `${resp('SET', 'k', 'v'.repeat(300))}\r\nPING\r\n*0\r\n${resp('replicaof', 'no', 'one')}` +
    `${resp('CLIENT', 'SETNAME', 'x')}${resp('EVAL', 'return 1', 0)}${resp('BLPOP', 'l', 0)}` +
    `${resp('CLIENT', 'TRACKING', 'ON')}MONITOR\r\n${resp('GET', 'k')}`;
  const whole = sums(segmentsOf(stream));
  for (let cut = 0; cut <= stream.length; cut++) {
    deepEqual(sums(segmentsOf(stream.slice(0, cut), stream.slice(cut))), whole, `cut at ${cut}`);
  }
});

test('blank lines and empty arrays are not forwarded, whatever stands around them', () => {
  const [get, set] = [resp('GET', 'k'), resp('SET', 'k', 'v'.repeat(300))];
  const stream = `  \r\n${get}\t \n\r\n${set}*0\r\n*-1\r\n ${'\r\n'}PING\r\n \r\n`;
  for (let cut = 0; cut <= stream.length; cut++) {
    const found = segmentsOf(stream.slice(0, cut), stream.slice(cut));
    const { bytes, begun, ended } = sums(found) as Record<string, unknown>;
    deepEqual([bytes, begun, ended], [`${get}${set}PING\r\n`, 3, 3], `cut at ${cut}`);
  }
});

test('nothing malformed is forwarded, but a malformed request of ours in its place', () => {
  const get = resp('GET', 'k');
  for (const [garbage, ours] of [
    ['*1\r\nGET\r\n', '*1\r\nG\r\n'],
    ['*9999999999\r\nSET a b\r\n', '*x\r\n'],
    ['*1\r\n$-5\r\nSET a b\r\n', '*1\r\n$x\r\n'],
    ['"abc\r\nSET a b\r\n', '"\r\n'],
    ['y'.repeat(70_000), 'x'.repeat(65_537)],
    [`SET a b\0\r\nSET a b\r\n`, 'x'.repeat(65_537)],
  ] as const) {
    const found: Segment[] = [];
    const gate = gateOf(found);
    gate.feed(Buffer.from(get + garbage));
    gate.feed(Buffer.from('SET a b\r\n'));
    const { bytes, begun, ended, binds } = sums(found) as Record<string, unknown>;
    deepEqual([bytes, begun, ended, binds], [get + ours, 2, 2, true], garbage);
    equal(gate.isOver, true);
  }
});

test('a command that turns out malformed after it was forwarded in part ends there', () => {
  for (const [garbage, ours] of [
    ['EVAL\r\n', 'E\r\n'],
    ['$-7\r\n', '$x\r\n'],
    ['$99999999999\r\n', '$x\r\n'],
  ] as const) {
    const begun = `*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$300\r\n${'v'.repeat(300)}\r\n`;
    const found = segmentsOf(begun.slice(0, 200), begun.slice(200), garbage, 'GET k\r\n');
    deepEqual(sums(found), {
      ...{ bytes: begun + ours, begun: 1, ended: 1 },
      ...{ binds: true, blocks: false, monitors: false },
    });
  }
});

test('only commands that leave state in the connection bind', () => {
  const plain = ['GET a', 'client setname x', 'CLIENT ID', 'EXEC', 'BLPOP a 0', 'CONFIG GET *'];
  const binding = ['multi', 'HELLO 3', 'client reply off', 'CLIENT', 'Subscribe x', 'select 0'];
  for (const line of plain) equal(segmentsOf(`${line}\r\n`)[0]?.binds, false, line);
  for (const line of binding) equal(segmentsOf(`${line}\r\n`)[0]?.binds, true, line);
});

test('what comes after the end of a waiting command is found wherever the stream is cut', () => {
  const [long, next] = [resp('SET', 'k', 'v'.repeat(300)), resp('GET', 'k')];
  const stream = long + next;
  for (let cut = 150; cut <= stream.length; cut++) {
    for (let again = cut; again <= stream.length; again++) {
      const found: Segment[] = [];
      const gate = gateOf(found);
      gate.feed(Buffer.from(stream.slice(0, cut)));
      const waiting = new WaitingRequests();
      for (const segment of found.splice(0)) waiting.add(segment);
      const { whole, isInside } = waiting.refuseAll();
      equal(whole, (cut >= long.length ? 1 : 0) + (cut === stream.length ? 1 : 0));
      gate.feed(Buffer.from(stream.slice(cut, again)));
      gate.feed(Buffer.from(stream.slice(again)));
      let isSkipping = isInside;
      const rest: Segment[] = [];
      for (const segment of found) {
        const left = isSkipping ? afterTail(segment) : segment;
        if (left === null) continue;
        isSkipping = false;
        rest.push(left);
      }
      equal(isSkipping, false);
      equal(
        Buffer.concat(rest.map(({ bytes }) => bytes)).toString(),
        cut === stream.length ? '' : next,
      );
      equal(
        rest.reduce((sum, { begun }) => sum + begun, 0),
        cut === stream.length ? 0 : 1,
      );
      equal(
        rest.reduce((sum, { ended }) => sum + ended, 0),
        cut === stream.length ? 0 : 1,
      );
    }
  }
});
