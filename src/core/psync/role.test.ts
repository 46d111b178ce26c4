import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorReply, type Reply } from '../resp/reply-reader.ts';
import { parseRole } from './role.ts';

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
