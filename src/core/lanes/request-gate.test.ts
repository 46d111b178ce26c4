import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { RELAY_BOUNDS } from '../../io/relay/options.ts';
import { BULK_BYTES_MAX, resp, TRIAL_RULES } from '../../io/relay/trial-server.ts';
import { CommandJudge } from './command-rules.ts';
import { bindsForLife, type Effect } from './effect.ts';
import { RequestGate } from './request-gate.ts';
import { type Segment, WaitingRequests } from './segment.ts';

function gateOf(
  found: Segment[],
  gatherBytesMax = 0,
  judge = new CommandJudge(TRIAL_RULES),
): RequestGate {
  const bounds = { ...RELAY_BOUNDS, bulkBytesMax: BULK_BYTES_MAX, gatherBytesMax };
  return new RequestGate(judge, bounds, (s) => found.push(s));
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
    effects: segments.flatMap(({ effect }) => (effect === null ? [] : [effect.kind])),
  };
}

test('a chunk of whole commands is forwarded as it is, in one piece and uncopied', () => {
  const chunk = Buffer.from(resp('SET', 'a', 'b').repeat(64));
  const found: Segment[] = [];
  gateOf(found).feed(chunk);
  equal(found.length, 1);
  equal(found[0]?.bytes.buffer, chunk.buffer);
  equal(found[0]?.bytes.byteOffset, chunk.byteOffset);
  deepEqual([found[0]?.begun, found[0]?.ended], [64, 64]);
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
    const { bytes, begun, ended, effects } = sums(found) as Record<string, unknown>;
    deepEqual([bytes, begun, ended, effects], [get + ours, 2, 2, ['binds']], garbage);
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
      effects: ['binds'],
    });
  }
});

test('only commands that leave state in the connection have an effect on it', () => {
  const effects = (line: string): unknown =>
    (sums(segmentsOf(`${line}\r\n`)) as Record<string, unknown>)['effects'];
  for (const line of [
    ...['GET a', 'CONFIG GET *', 'WAIT 1 0', 'READONLY x', 'client unblock 7', 'ACL WHOAMI'],
    ...['XREAD STREAMS a 0', 'XREADGROUP COUNT 1 GROUP block c NOACK STREAMS block >'],
    ...['SCRIPT EXISTS x', 'SCRIPT LOAD x', 'client pause 1'],
  ])
    deepEqual(effects(line), [], line);
  for (const [line, kind] of [
    ...[['readonly', 'reads'] as const, ['READWRITE', 'reads'] as const],
    ...[['multi', 'multi'] as const, ['EXEC', 'exec'] as const, ['Discard', 'exec'] as const],
    ...[['BLPOP a 0', 'blocks'] as const, ['XREAD COUNT 1 BLOCK 0 STREAMS a $', 'blocks'] as const],
    ...[['XREADGROUP GROUP streams c BLOCK 0 STREAMS a >', 'blocks'] as const],
    ...[['XREAD NEW STREAMS a 0', 'blocks'] as const, ['script kill', 'own'] as const],
    ...[
      ['EVAL x 0', 'own'] as const,
      ['evalsha x 0', 'own'] as const,
      ['FCALL f 0', 'own'] as const,
    ],
    ...[['client setname x', 'name'] as const, ['client setinfo lib-name y', 'info'] as const],
    ...[['HELLO 3', 'hello'] as const, ['hello', 'own'] as const, ['HELLO 4', 'binds'] as const],
    ...[['HELLO 3 AUTH a', 'binds'] as const, ['hello 2 setname n auth u p', 'hello'] as const],
    ...[
      ['AUTH p', 'auth'] as const,
      ['select 0', 'select'] as const,
      ['select x', 'binds'] as const,
    ],
    ...[['client reply off', 'binds'] as const, ['CLIENT', 'binds'] as const],
    ...[['client ID', 'binds'] as const, ['client list', 'own'] as const],
    ...[['Subscribe x', 'binds'] as const, ['MONITOR', 'monitors'] as const],
    ...[['ACL SETUSER x', 'governs'] as const, ['RESET', 'reset'] as const],
  ])
    deepEqual(effects(line), [kind], line);
});

test('a name or subcommand is judged up to its NUL byte, however long it is', () => {
  for (const [command, kind] of [
    [resp('MULTI\0x'), 'multi'],
    [resp(`SUBSCRIBE\0${'x'.repeat(20_000)}`, 'c'), 'binds'],
    [resp('SCRIPT', 'KILL\0x'), 'own'],
    [resp('CLIENT', `SETNAME\0${'x'.repeat(99)}`, 'n'), 'name'],
  ] as const) {
    const { effects } = sums(segmentsOf(command)) as Record<string, unknown>;
    deepEqual(effects, [kind], command.slice(0, 40));
    const cut = sums(segmentsOf(command.slice(0, 19), command.slice(19))) as Record<
      string,
      unknown
    >;
    deepEqual(cut['effects'], [kind], command.slice(0, 40));
  }
  for (const command of [resp('CONFIG\0', 'SET', 'maxmemory', 1), resp('CLIENT', 'PAUSE\0', 1)])
    match(String((sums(segmentsOf(command)) as Record<string, unknown>)['bytes']), /NOPERM/);
});

test('a command with an effect is a segment by itself', () => {
  const found = segmentsOf('GET a\r\nGET b\r\nMULTI\r\nSET a b\r\nEXEC\r\nGET a\r\n');
  deepEqual(
    found.map(({ begun, effect }) => [begun, effect?.kind]),
    [
      [2, undefined],
      [1, 'multi'],
      [1, undefined],
      [1, 'exec'],
      [1, undefined],
    ],
  );
});

test('what the server lists and the tables do not know rides no lane when it may wait', () => {
  const judge = new CommandJudge(TRIAL_RULES);
  judge.learn([
    { name: 'get', flags: new Set(['readonly', 'fast']) },
    { name: 'publish', flags: new Set(['noscript']) },
    { name: 'bnew', flags: new Set(['blocking', 'noscript']) },
    { name: 'odd', flags: new Set(['noscript']) },
  ]);
  equal(judge.traitOf('GET'), 'read');
  equal(judge.traitOf('PUBLISH'), null);
  deepEqual(judge.traitOf('BNEW'), { kind: 'blocks' });
  ok(bindsForLife(judge.traitOf('ODD') as Effect));
});

test('a segment is a read when all its commands are, by what the server says of them', () => {
  const judge = new CommandJudge(TRIAL_RULES);
  const flags = (...words: string[]) => new Set(['readonly', ...words]);
  judge.learn([
    ...['get', 'keys', 'scan'].map((name) => ({ name, flags: flags() })),
    { name: 'pfcount', flags: flags('may_replicate') },
    { name: 'xread', flags: flags('blocking') },
    { name: 'eval_ro', flags: flags('noscript') },
    { name: 'set', flags: new Set(['write']) },
  ]);
  const areReads = (...lines: string[]): boolean[] => {
    const found: Segment[] = [];
    const gate = gateOf(found, 0, judge);
    gate.feed(Buffer.from(lines.map((line) => `${line}\r\n`).join('')));
    return found.map(({ isRead }) => isRead);
  };
  deepEqual(areReads('GET a', 'KEYS *'), [true]);
  deepEqual(areReads('GET a', 'SET a b', 'GET a'), [false]);
  deepEqual(areReads('GET a', 'SELECT 1', 'GET a'), [true, false, true]);
  // Part of a command may have gone elsewhere already; a cursor is of one server.
  for (const line of ['SCAN 0', 'PFCOUNT a', 'XREAD STREAMS a 0', 'EVAL_RO x 0', 'PING'])
    deepEqual(areReads(line), [false], line);
});

test('a command that comes in part is gathered up to its bound', () => {
  const command = resp('SET', 'k', 'v'.repeat(300));
  for (let cut = 1; cut < command.length; cut++) {
    const found: Segment[] = [];
    const gate = gateOf(found, command.length);
    gate.feed(Buffer.from(command.slice(0, cut)));
    equal(found.length, 0, `cut at ${cut}`);
    gate.feed(Buffer.from(command.slice(cut)));
    deepEqual(
      found.map(({ ended }) => ended),
      [1],
      `cut at ${cut}`,
    );
  }
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
        equal(segment.begun === 0, isSkipping, 'what continues is alone');
        if (!isSkipping) rest.push(segment);
        else isSkipping = segment.ended === 0;
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
