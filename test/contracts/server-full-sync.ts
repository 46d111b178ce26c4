/** What a server does with the RDB that its primary sends, or with what should be one. */
import { deepEqual, equal } from 'node:assert/strict';
import { emptyRdb } from '../../src/core/psync/empty-rdb.ts';
import {
  agentOf,
  follow,
  HISTORY,
  infoOf,
  roleOf,
  type ServerBed,
  START,
  sendEmpty,
  shakeHands,
  startFed,
  untilRole,
} from './server-bed.ts';
import { bytesOf, OTHER, untilOffset } from './server-following.ts';

const ZEROS = [0, 0, 0, 0, 0, 0, 0, 0];

async function startsOver(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  const stream = bytesOf('SET a 1');
  fed.wire.sendBytes(stream);
  await untilOffset(bed, fed, START + stream.length);
  const below = await follow(fed.life, HISTORY, START + 1);
  await below.line();
  fed.wire.close();
  const renamed = await fed.feed.take();
  await shakeHands(renamed);
  renamed.sendBytes(`+CONTINUE ${'d'.repeat(40)}\r\n`);
  await below.closed();
  const later = await follow(fed.life, HISTORY, START + 1);
  equal(await later.line(), `+CONTINUE ${'d'.repeat(40)}`);
  renamed.close();
  const again = await fed.feed.take();
  await shakeHands(again);
  sendEmpty(again, OTHER, 77);
  await untilOffset(bed, fed, 77);
  await later.closed();
  equal(await fed.agent.call('DBSIZE'), ':0');
  equal(await infoOf(fed.agent, 'master_replid'), OTHER);
  equal(await infoOf(fed.agent, 'master_replid2'), '0'.repeat(40));
  // The past is gone with its data.
  const old = await follow(fed.life, HISTORY, START + 1);
  equal(await old.line(), `+FULLRESYNC ${OTHER} 77`);
  const before = await follow(fed.life, OTHER, 60);
  equal(await before.line(), `+FULLRESYNC ${OTHER} 77`);
}

async function losesATransfer(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  const stream = bytesOf('SET a 1');
  fed.wire.sendBytes(stream);
  await untilOffset(bed, fed, START + stream.length);
  equal(await fed.agent.call('CONFIG', 'SET', 'replica-serve-stale-data', 'yes'), '+OK');
  fed.wire.close();
  const again = await fed.feed.take();
  await shakeHands(again);
  const rdb = emptyRdb();
  again.sendBytes(`+FULLRESYNC ${OTHER} 77\r\n$${rdb.length}\r\n`);
  again.sendBytes(rdb.subarray(0, -3));
  await untilRole(bed, fed.agent, 'it loads', ({ rest }) => rest === 'sync');
  equal(await fed.agent.call('GET', 'a'), '"1"');
  again.close();
  const third = await fed.feed.take();
  equal((await shakeHands(third)).at(-1), `PSYNC ${HISTORY} ${START + stream.length + 1}`);
  equal(await fed.agent.call('GET', 'a'), '"1"');
  equal(await infoOf(fed.agent, 'master_replid'), HISTORY);
  third.sendBytes(`+CONTINUE ${HISTORY}\r\n`);
  await untilOffset(bed, fed, START + stream.length);
}

async function isEmptiedByWhatItRefuses(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  const stream = bytesOf('SET a 1');
  fed.wire.sendBytes(stream);
  await untilOffset(bed, fed, START + stream.length);
  fed.wire.close();
  const again = await fed.feed.take();
  await shakeHands(again);
  const rdb = rdbOf('REDIS0099', [0xff, ...ZEROS]);
  again.sendBytes(`+FULLRESYNC ${OTHER} 77\r\n$${rdb.length}\r\n`);
  again.sendBytes(rdb);
  const third = await fed.feed.take();
  equal((await shakeHands(third)).at(-1), 'PSYNC ? -1');
  deepEqual(await roleOf(fed.agent), { role: 'replica', offset: -1, rest: 'handshake' });
  equal(await infoOf(fed.agent, 'master_replid'), HISTORY);
  equal(await infoOf(fed.agent, 'master_repl_offset'), String(START + stream.length));
  equal(await fed.agent.call('CONFIG', 'SET', 'replica-serve-stale-data', 'yes'), '+OK');
  equal(await fed.agent.call('DBSIZE'), ':0');
  equal(await fed.agent.call('REPLICAOF', 'NO', 'ONE'), '+OK');
  const promoted = await roleOf(fed.agent);
  deepEqual(promoted, { role: 'primary', offset: START + stream.length, rest: '[]' });
}

/** The end mark of an RDB without keys, behind another beginning or before another end. */
async function refusesRdb(bed: ServerBed, rdb: Buffer, ends: boolean): Promise<void> {
  const feed = await bed.listen();
  const life = await bed.start(feed);
  const wire = await feed.take();
  await shakeHands(wire);
  wire.sendBytes(`+FULLRESYNC ${HISTORY} ${START}\r\n$${rdb.length}\r\n`);
  wire.sendBytes(rdb);
  await wire.closed();
  if (ends) {
    await bed.until('it ends itself', () => life.hasExited);
    return;
  }
  const again = await feed.take();
  equal((await shakeHands(again)).at(-1), 'PSYNC ? -1');
  equal(life.hasExited, false);
}

function rdbOf(magic: string, rest: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from(magic), Buffer.from(rest)]);
}

async function findsTheEndMark(bed: ServerBed): Promise<void> {
  const feed = await bed.listen();
  const life = await bed.start(feed);
  const agent = await agentOf(life);
  const mark = 'a'.repeat(40);
  const payload = Buffer.concat([
    Buffer.from(`+FULLRESYNC ${HISTORY} ${START}\r\n$EOF:${mark}\r\n`),
    emptyRdb(),
    Buffer.from(mark),
  ]);
  const first = await feed.take();
  await shakeHands(first);
  first.sendWhole(Buffer.concat([payload, bytesOf('SET a 1')]));
  await bed.sleep(200);
  deepEqual(await roleOf(agent), { role: 'replica', offset: -1, rest: 'sync' });
  first.close();
  const second = await feed.take();
  await shakeHands(second);
  second.sendBytes(payload);
  await untilRole(bed, agent, 'it follows', ({ rest }) => rest === 'connected');
}

export const FULL_SYNC: Readonly<Record<string, (bed: ServerBed) => Promise<void>>> = {
  'a full sync replaces data, id and past': startsOver,
  'a transfer that breaks leaves the data, and what can be continued': losesATransfer,
  'an RDB of a newer version is refused': (bed) =>
    refusesRdb(bed, rdbOf('REDIS0099', [0xff, ...ZEROS]), false),
  'what is no RDB is refused': (bed) =>
    refusesRdb(bed, rdbOf('REDIX0009', [0xff, ...ZEROS]), false),
  'an RDB that it refuses leaves it empty, with the id and offset of before':
    isEmptiedByWhatItRefuses,
  'an RDB that ends too early ends the server': (bed) =>
    refusesRdb(bed, rdbOf('REDIS0009', []), true),
  'an RDB without its checksum ends the server': (bed) =>
    refusesRdb(bed, rdbOf('REDIS0009', [0xff, 0, 0, 0]), true),
  'an RDB of a wrong checksum ends the server': (bed) =>
    refusesRdb(bed, rdbOf('REDIS0009', [0xff, 1, 2, 3, 4, 5, 6, 7, 8]), true),
  'an end mark is found at the end of what was read only': findsTheEndMark,
};
