/** How a server gives its data away, and that another gets all of it. */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { encodeCommand } from '../../src/core/resp/writer.ts';
import {
  agentOf,
  commandsOf,
  follow,
  HISTORY,
  roleOf,
  type ServerBed,
  START,
  shakeHands,
  startReign,
  streamOf,
  type Talk,
  untilRole,
} from './server-bed.ts';

async function selectsAgain(bed: ServerBed): Promise<void> {
  const reign = await startReign(bed);
  const { agent, life } = reign;
  await agent.call('SET', 'a', 1);
  await agent.call('SET', 'a', 2);
  deepEqual(await streamOf(reign, START), ['SELECT 0', 'SET a 1', 'SET a 2']);
  const { offset } = await roleOf(agent);
  const snapshot = await follow(life, '?', -1, ['REPLCONF', 'rdb-only', '1']);
  equal(await snapshot.line(), `+FULLRESYNC ${reign.replid} ${offset}`);
  await agent.call('SET', 'a', 3);
  deepEqual(await streamOf(reign, offset), ['SELECT 0', 'SET a 3']);
  match(await endOfPayload(snapshot), /^REDIS00(10|11)/);
  // Who wants no more than the RDB is hung up on.
  await snapshot.closed();
}

/** The RDB of a transfer by an end mark. */
export async function endOfPayload(talk: Talk): Promise<string> {
  const header = await nextLine(talk);
  const mark = /^\$EOF:([0-9a-f]{40})$/.exec(header)?.[1] ?? '';
  ok(mark !== '', header);
  let rdb = '';
  while (!rdb.endsWith(mark)) rdb += await talk.bytes(1);
  return rdb.slice(0, -mark.length);
}

/** The server may send empty lines before a payload. */
async function nextLine(talk: Talk): Promise<string> {
  for (;;) {
    const line = await talk.line();
    if (line !== '') return line;
  }
}

async function startsOnAck(bed: ServerBed): Promise<void> {
  const { agent, life, replid } = await startReign(bed);
  await agent.call('SET', 'a', 1);
  const { offset } = await roleOf(agent);
  const whole = await follow(life, '?', -1);
  equal(await whole.line(), `+FULLRESYNC ${replid} ${offset}`);
  await agent.call('SET', 'a', 2);
  match(await endOfPayload(whole), /^REDIS00(10|11)/);
  await agent.call('SET', 'a', 3);
  await whole.silent();
  // Only an ACK that comes after the end of the child counts.
  let stream = '';
  for (let i = 0; i < 50 && stream === ''; i++) {
    whole.send('REPLCONF', 'ACK', offset);
    await bed.sleep(40);
    stream = whole.takeAll();
  }
  deepEqual(commandsOf(stream), ['SELECT 0', 'SET a 2', 'SET a 3']);
  await untilRole(bed, agent, 'both are listed', ({ rest }) => rest.split('"1"').length === 3);
}

async function sendsByLength(bed: ServerBed): Promise<void> {
  const { agent, life, replid } = await startReign(bed);
  await agent.call('SET', 'a', 1);
  const { offset } = await roleOf(agent);
  equal(await agent.call('CONFIG', 'SET', 'repl-diskless-sync', 'no'), '+OK');
  const whole = await follow(life, '?', -1);
  equal(await whole.line(), `+FULLRESYNC ${replid} ${offset}`);
  const header = await nextLine(whole);
  match(header, /^\$[0-9]+$/);
  match(await whole.bytes(Number(header.slice(1))), /^REDIS00(10|11)/);
  // The stream follows at once.
  await agent.call('SET', 'a', 2);
  const { offset: end } = await roleOf(agent);
  deepEqual(commandsOf(await whole.bytes(end - offset)), ['SELECT 0', 'SET a 2']);
}

async function roundTrip(bed: ServerBed): Promise<void> {
  const { agent, life } = await startReign(bed);
  const writes = [
    'SET text v',
    'SET over v PX 90000',
    'RPUSH list a b c',
    'SADD set m1 m2',
    'HSET hash f v g w',
    'SELECT 5',
    'SET other x',
  ];
  for (const words of writes) ok(!(await agent.call(...words.split(' '))).startsWith('-'));
  const expiry = await agent.call('SELECT', 0).then(() => agent.call('PTTL', 'over'));
  ok(Number(expiry.slice(1)) > 80_000);
  const { offset } = await roleOf(agent);
  const snapshot = await follow(life, '?', -1, ['REPLCONF', 'rdb-only', '1']);
  await snapshot.line();
  const rdb = Buffer.from(await endOfPayload(snapshot), 'latin1');

  const feed = await bed.listen();
  const restored = await agentOf(await bed.start(feed));
  const wire = await feed.take();
  await shakeHands(wire);
  wire.sendBytes(`+FULLRESYNC ${HISTORY} ${offset}\r\n$${rdb.length}\r\n`);
  wire.sendBytes(rdb);
  // The stream goes on in the database that the snapshot was in.
  const more = encodeCommand(['SET', 'more', 'x']);
  wire.sendBytes(more);
  await untilRole(bed, restored, 'it has loaded', (at) => at.offset === offset + more.length);
  const read = async (words: string): Promise<string> => restored.call(...words.split(' '));
  equal(await read('GET text'), '"v"');
  equal(await read('LRANGE list 0 -1'), '["a" "b" "c"]');
  deepEqual((await read('SMEMBERS set')).match(/m[0-9]/g)?.toSorted(), ['m1', 'm2']);
  equal(await read('HGETALL hash'), '["f" "v" "g" "w"]');
  ok(Number((await read('PTTL over')).slice(1)) > 80_000);
  equal(await read('SELECT 5'), '+OK');
  equal(await read('DBSIZE'), ':2');
}

export const SNAPSHOTS: Readonly<Record<string, (bed: ServerBed) => Promise<void>>> = {
  'a snapshot of a primary makes the next write say its database': selectsAgain,
  'after an RDB with an end mark the stream waits for an ACK': startsOnAck,
  'after an RDB with its length the stream follows at once': sendsByLength,
  'a snapshot carries all data, expiry and the database of the stream': roundTrip,
};
