import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorReply, type Reply, ReplyReader } from '../resp/reply-reader.ts';
import { fedPrimaryOffset, parseRole } from './role.ts';

test('parseRole tells what the server is, and never guesses', async (t) => {
  const cases: [name: string, reply: Reply, want: unknown][] = [
    [
      'a primary',
      ['master', 553, [['', '1', '500']]],
      { kind: 'primary', offset: 553, replicas: [{ address: '', port: 1, offset: 500 }] },
    ],
    [
      'a replica',
      ['slave', '127.0.0.1', 99, 'connected', 12],
      {
        kind: 'replica',
        primaryAddress: '127.0.0.1',
        primaryPort: 99,
        link: 'connected',
        offset: 12,
      },
    ],
    [
      'a replica that never synced',
      ['slave', 'h', 1, 'connect', -1],
      { kind: 'replica', primaryAddress: 'h', primaryPort: 1, link: 'connect', offset: null },
    ],
    ['a busy one', new ErrorReply('BUSY a script'), { kind: 'busy' }],
    ['a loading one', new ErrorReply('LOADING x'), { kind: 'loading' }],
    ['another error', new ErrorReply('NOPERM x'), { kind: 'unreadable', text: 'NOPERM x' }],
    ['in MULTI', 'QUEUED', { kind: 'unreadable', text: 'no list' }],
    ['a sentinel', ['sentinel', []], { kind: 'unreadable', text: 'no role' }],
    ['no offset', ['master', null, []], { kind: 'unreadable', text: 'no role' }],
    ['a bad replica', ['master', 1, [['x']]], { kind: 'unreadable', text: 'no role' }],
  ];
  for (const [name, reply, want] of cases) {
    await t.test(name, () => deepEqual(parseRole(reply), want));
  }
});

const SEEN = '*3\r\n$0\r\n\r\n$1\r\n1\r\n$3\r\n500\r\n';

/** The answer read as a whole, where that says a primary with replicas. */
function slowly(answer: string): number | null {
  let offset: number | null = null;
  new ReplyReader(1024).push(Buffer.from(answer), (reply) => {
    const role = parseRole(reply);
    if (role.kind === 'primary' && role.replicas.length > 0) offset = role.offset;
  });
  return offset;
}

test('fedPrimaryOffset knows the offset of a primary with replicas, and nothing else', () => {
  const head = '*3\r\n$6\r\nmaster\r\n:';
  for (const [answer, want] of [
    [`${head}553\r\n*1\r\n${SEEN}`, 553],
    [`${head}0\r\n*1\r\n${SEEN}`, 0],
    [`${head}999999999999999\r\n*2\r\n${SEEN}${SEEN}`, 999_999_999_999_999],
    [`${head}12\r\n*10\r\n${SEEN.repeat(10)}`, 12],
    [`${head}553\r\n*0\r\n`, null],
    ['-BUSY a script\r\n', null],
    ['*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:1\r\n$9\r\nconnected\r\n:12\r\n', null],
  ] as const) {
    equal(fedPrimaryOffset(Buffer.from(answer)), want, answer);
    equal(slowly(answer), want, answer);
  }
  for (const answer of [`${head}-1\r\n*1\r\n${SEEN}`, `${head}\r\n*1\r\n`, `${head}5`, `${head}`])
    equal(fedPrimaryOffset(Buffer.from(answer)), null, answer);
  // Beyond what is surely a safe integer the other reader decides.
  equal(fedPrimaryOffset(Buffer.from(`${head}9007199254740993\r\n*1\r\n${SEEN}`)), null);
});
