import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { replOffset } from '../scalars.ts';
import { AsReplica, type ReplicaEvent, type ReplicaOptions } from './as-replica.ts';

const ID = 'a'.repeat(40);
const NEXT = 'b'.repeat(40);
const MARK = 'm'.repeat(20) + 'n'.repeat(20);
const OPTIONS: ReplicaOptions = {
  auth: { user: 'u', password: 'p w' },
  listeningPort: 7,
  version: '8.0.1',
  rdbOnly: false,
  after: { replid: ID, offset: replOffset(41) },
};
/** Answers up to PSYNC, with the bare newlines and the harmless errors that occur. */
const ANSWERS = '-NOAUTH Authentication required.\r\n+OK\r\n+OK\r\n+OK\r\n-ERR no version\r\n\n\n';

/** What happened, as lines; bytes of one kind joined, so that it does not depend on the cuts. */
function story(options: ReplicaOptions, chunks: readonly Buffer[]): string[] {
  const machine = new AsReplica(options);
  const events: ReplicaEvent[] = machine.start();
  for (const chunk of chunks) events.push(...machine.push(chunk));
  const lines: string[] = [];
  let joined = '';
  const flush = () => {
    if (joined !== '') lines.push(joined);
    joined = '';
  };
  for (const event of events) {
    if (event.kind === 'stream' || event.kind === 'rdbBytes') {
      if (!joined.startsWith(event.kind)) {
        flush();
        joined = `${event.kind} `;
      }
      joined += Buffer.from(event.bytes).toString('latin1');
      continue;
    }
    flush();
    if (event.kind === 'send') lines.push(wordsOf(event.bytes));
    else if (event.kind === 'refused') lines.push(`refused ${event.isTransient} ${event.text}`);
    else if (event.kind === 'fullResync') lines.push(`fullResync ${event.replid} ${event.offset}`);
    else if (event.kind === 'continued') lines.push(`continued ${event.replid}`);
    else lines.push(event.kind);
  }
  flush();
  return lines;
}

function wordsOf(bytes: Uint8Array): string {
  const lines = Buffer.from(bytes).toString().split('\r\n');
  return lines.filter((line) => line !== '' && !/^[*$]\d+$/.test(line)).join(' ');
}

function everyCut(text: string): Buffer[][] {
  const stream = Buffer.from(text, 'latin1');
  const cuts = [Array.from(stream, (byte) => Buffer.from([byte]))];
  for (let cut = 0; cut <= stream.length; cut++) {
    cuts.push([stream.subarray(0, cut), stream.subarray(cut)]);
  }
  return cuts;
}

const ASKED = [
  'PING',
  'AUTH u p w',
  'REPLCONF listening-port 7',
  'REPLCONF capa eof capa psync2',
  'REPLCONF version 8.0.1',
  `PSYNC ${ID} 42`,
];

test('AsReplica asks one thing at a time and then continues, wherever the answers are cut', () => {
  const text = `${ANSWERS}+CONTINUE ${NEXT}\r\n*1\r\n$4\r\nPING\r\n`;
  for (const chunks of everyCut(text)) {
    deepEqual(story(OPTIONS, chunks), [
      ...ASKED,
      `continued ${NEXT}`,
      'stream *1\r\n$4\r\nPING\r\n',
    ]);
  }
});

test('AsReplica: a CONTINUE without an id continues the one that it asked for', () => {
  deepEqual(story(OPTIONS, [Buffer.from(`${ANSWERS}+CONTINUE\r\n`)]).at(-1), `continued ${ID}`);
});

test('AsReplica takes an RDB by its length, and the stream after it', () => {
  const text = `${ANSWERS}+FULLRESYNC ${NEXT} 99\r\n\n\n$5\r\nREDIS*1\r\n`;
  for (const chunks of everyCut(text)) {
    deepEqual(story(OPTIONS, chunks), [
      ...ASKED,
      `fullResync ${NEXT} 99`,
      'rdbBytes REDIS',
      'rdbEnd',
      'stream *1\r\n',
    ]);
  }
});

test('AsReplica takes an RDB up to its mark, also when a part of the mark is in the data', () => {
  const data = `RE${MARK.slice(0, 25)}DIS${MARK.slice(0, 39)}`;
  const text = `${ANSWERS}+FULLRESYNC ${NEXT} 99\r\n\n$EOF:${MARK}\r\n${data}${MARK}*1\r\n`;
  for (const chunks of everyCut(text)) {
    deepEqual(story(OPTIONS, chunks), [
      ...ASKED,
      `fullResync ${NEXT} 99`,
      `rdbBytes ${data}`,
      'rdbEnd',
      'stream *1\r\n',
    ]);
  }
});

test('AsReplica asks for everything, and for the RDB only, when told so', () => {
  const options = { ...OPTIONS, auth: null, version: null, rdbOnly: true, after: null };
  deepEqual(story(options, [Buffer.from('+PONG\r\n+OK\r\n+OK\r\n+OK\r\n')]), [
    'PING',
    'REPLCONF listening-port 7',
    'REPLCONF capa eof capa psync2',
    'REPLCONF rdb-only 1',
    'PSYNC ? -1',
  ]);
});

test('AsReplica tells a refusal, and whether it may pass', async (t) => {
  const cases: [name: string, answers: string, want: string][] = [
    ['password', '+PONG\r\n-WRONGPASS no\r\n', 'refused false auth was answered: WRONGPASS no'],
    ['loading', '-LOADING wait\r\n', 'refused true ping was answered: LOADING wait'],
    ['no link', `${ANSWERS}-NOMASTERLINK x\r\n`, 'refused true psync was answered: NOMASTERLINK x'],
    ['busy', `${ANSWERS}-BUSY x\r\n`, 'refused true psync was answered: BUSY x'],
    ['no permission', `${ANSWERS}-NOPERM x\r\n`, 'refused false psync was answered: NOPERM x'],
    ['no RESP', 'HTTP/1.1\r\n', 'refused false unexpected answer to ping'],
    ['bad id', `${ANSWERS}+CONTINUE x\r\n`, 'refused false a CONTINUE that names no history'],
    [
      'bad offset',
      `${ANSWERS}+FULLRESYNC ${ID} x\r\n`,
      'refused false a FULLRESYNC without id or offset',
    ],
    [
      'an error for an RDB',
      `${ANSWERS}+FULLRESYNC ${ID} 1\r\n-ERR x\r\n`,
      'refused false instead of the RDB: -ERR x',
    ],
    ['endless line', `+${'x'.repeat(5_000)}`, 'refused false an answer without end'],
  ];
  for (const [name, answers, want] of cases) {
    await t.test(name, () => {
      equal(story(OPTIONS, [Buffer.from(answers)]).at(-1), want);
      const bytes = Array.from(Buffer.from(answers), (byte) => Buffer.from([byte]));
      equal(story(OPTIONS, bytes).at(-1), want);
      equal(story(OPTIONS, [...bytes, Buffer.from('+OK\r\n')]).at(-1), want, 'a refusal is final');
    });
  }
});

test('AsReplica acknowledges an offset', () => {
  const bytes = new AsReplica(OPTIONS).acknowledge(replOffset(12));
  equal(wordsOf(bytes), 'REPLCONF ACK 12');
});
