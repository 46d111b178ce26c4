import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeCommand } from '../resp/writer.ts';
import { replOffset } from '../scalars.ts';
import { AsPrimary, type PrimaryEvent } from './as-primary.ts';
import { AsReplica } from './as-replica.ts';

const ID = 'a'.repeat(40);
const AUTH = { user: 'u', password: 'secret' };

function command(line: string): Buffer {
  return encodeCommand(line.split(' '));
}

function told(events: readonly PrimaryEvent[]): string[] {
  return events.map(lineOf);
}

function lineOf(event: PrimaryEvent): string {
  switch (event.kind) {
    case 'send':
      return Buffer.from(event.bytes).toString().trimEnd();
    case 'wanted':
      return `wanted ${event.replid} ${event.offset}`;
    case 'acknowledged':
      return `acknowledged ${event.offset} ${event.synced}`;
    case 'failed':
      return `failed ${event.text}`;
  }
}

const HANDSHAKE = [
  'PING',
  'AUTH u secret',
  'REPLCONF listening-port 0',
  'REPLCONF capa eof capa psync2',
  'REPLCONF version 8.0.1',
  'REPLCONF something-new 1',
];

test('AsPrimary answers the handshake and tells what is wanted, wherever it is cut', () => {
  const stream = Buffer.concat([...HANDSHAKE.map(command), command(`PSYNC ${ID} 43`)]);
  const want = [
    '-NOAUTH Authentication required.',
    ...new Array<string>(5).fill('+OK'),
    `wanted ${ID} 42`,
  ];
  for (let cut = 0; cut <= stream.length; cut++) {
    const machine = new AsPrimary({ auth: AUTH });
    const events = [
      ...machine.push(stream.subarray(0, cut)),
      ...machine.push(stream.subarray(cut)),
    ];
    deepEqual(told(events), want, `cut at ${cut}`);
    equal(machine.announcedVersion, '8.0.1');
  }
});

test('AsPrimary: every decision in its own words, and then only acknowledgements', () => {
  const asked = () => {
    const machine = new AsPrimary({ auth: null });
    deepEqual(told(machine.push(command('PSYNC ? -1'))), ['wanted null 0']);
    return machine;
  };
  equal(String(asked().proceed(ID)), `+CONTINUE ${ID}\r\n`);
  equal(String(asked().postpone()), '-NOMASTERLINK not ready to feed\r\n');
  const machine = asked();
  equal(String(machine.replace(ID, replOffset(9), 18)), `+FULLRESYNC ${ID} 9\r\n$18\r\n`);
  const acks = Buffer.concat([
    Buffer.from('\n\n'),
    command('REPLCONF ACK 9'),
    Buffer.from('\n'),
    command('REPLCONF ACK 10 FACK 7'),
  ]);
  deepEqual(told(machine.push(acks)), ['acknowledged 9 null', 'acknowledged 10 7']);
  throws(() => machine.proceed(ID), /only a server that has asked/);
});

test('AsPrimary ends a dialogue that no honest server has', async (t) => {
  const cases: [name: string, bytes: Buffer, want: string][] = [
    ['wrong password', command('AUTH u secreT'), 'failed wrong user or password'],
    ['wrong user', command('AUTH v secret'), 'failed wrong user or password'],
    ['empty password', encodeCommand(['AUTH', 'u', '']), 'failed wrong user or password'],
    ['no argument', command('AUTH'), 'failed wrong user or password'],
    ['PSYNC without AUTH', command('PSYNC ? -1'), '-NOAUTH Authentication required.'],
    ['no RESP', Buffer.from('*x\r\n'), 'failed Protocol error: invalid multibulk length'],
    [
      'absurd length',
      Buffer.from('*1\r\n$99999999\r\n'),
      'failed Protocol error: invalid bulk length',
    ],
    [
      'long command',
      encodeCommand(['AUTH', ...new Array<string>(300).fill('x'.repeat(99))]).subarray(0, 20_000),
      'failed a command too long for a replica',
    ],
  ];
  for (const [name, bytes, want] of cases) {
    await t.test(name, () => {
      const machine = new AsPrimary({ auth: AUTH });
      deepEqual(told(machine.push(bytes)), [want]);
      if (want.startsWith('failed')) deepEqual(told(machine.push(command('PING'))), []);
    });
  }
  const others: [name: string, text: string][] = [
    ['GET', 'GET k'],
    ['bad id', 'PSYNC zzz 1'],
    ['offset 0', `PSYNC ${ID} 0`],
    ['bad offset', `PSYNC ${ID} 1e3`],
  ];
  for (const [name, text] of others) {
    await t.test(name, () => {
      equal(new AsPrimary({ auth: null }).push(command(text))[0]?.kind, 'failed');
    });
  }
});

test('AsPrimary: a fed server that sends anything else is cut off', () => {
  const machine = new AsPrimary({ auth: null });
  machine.push(command('PSYNC ? -1'));
  machine.proceed(ID);
  equal(machine.push(command('REPLCONF ACK -1'))[0]?.kind, 'failed');
});

test('AsPrimary bears any bytes: it answers, or fails once', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (chunks) => {
      const machine = new AsPrimary({ auth: AUTH });
      const events = chunks.flatMap((chunk) => machine.push(chunk));
      equal(events.filter(({ kind }) => kind === 'failed').length <= 1, true);
      equal(
        events.some(({ kind }) => kind === 'wanted'),
        false,
      );
    }),
  );
});

test('AsPrimary and AsReplica understand each other', () => {
  const replica = new AsReplica({
    auth: AUTH,
    listeningPort: 1,
    version: '7.0.15',
    rdbOnly: false,
    after: { replid: ID, offset: replOffset(5) },
  });
  const primary = new AsPrimary({ auth: AUTH });
  const rdb = Buffer.from('REDIS');
  let toPrimary = replica.start();
  const seen: string[] = [];
  while (toPrimary.length > 0) {
    const answers: Uint8Array[] = [];
    for (const event of toPrimary) {
      if (event.kind !== 'send') {
        seen.push(event.kind);
        continue;
      }
      for (const answer of primary.push(event.bytes)) {
        if (answer.kind === 'send') answers.push(answer.bytes);
        if (answer.kind === 'wanted') {
          answers.push(primary.replace(ID, replOffset(7), rdb.length), rdb, command('PING'));
        }
      }
    }
    toPrimary = answers.flatMap((bytes) => replica.push(bytes));
  }
  deepEqual(seen, ['fullResync', 'rdbBytes', 'rdbEnd', 'stream']);
});
