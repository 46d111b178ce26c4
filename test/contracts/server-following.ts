/** What a server does as a replica of the agent's feed. */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { emptyRdb } from '../../src/core/psync/empty-rdb.ts';
import { encodeCommand } from '../../src/core/resp/writer.ts';
import {
  agentOf,
  FEEDER,
  type Fed,
  follow,
  HISTORY,
  infoOf,
  roleOf,
  type ServerBed,
  START,
  shakeHands,
  startFed,
  untilRole,
} from './server-bed.ts';
import { endOfPayload } from './server-snapshots.ts';

export const OTHER = 'e'.repeat(40);

export function bytesOf(...commands: readonly string[]): Buffer {
  return Buffer.concat(commands.map((words) => encodeCommand(words.split(' '))));
}

export async function untilOffset(bed: ServerBed, { agent }: Fed, offset: number): Promise<void> {
  const isThere = await untilRole(bed, agent, `offset ${offset}`, (position) => {
    return position.rest === 'connected' && position.offset === offset;
  });
  equal(isThere.role, 'replica');
}

async function asksLikeThis(bed: ServerBed): Promise<void> {
  const feed = await bed.listen();
  const life = await bed.start(feed);
  const agent = await agentOf(life);
  const wire = await feed.take();
  equal(await wire.reply(), '["PING"]');
  await wire.silent();
  deepEqual(await roleOf(agent), { role: 'replica', offset: -1, rest: 'handshake' });
  wire.sendBytes('-NOAUTH Authentication required.\r\n');
  const said = [
    `["AUTH" "${FEEDER.user}" "${FEEDER.password}"]`,
    '["REPLCONF" "listening-port" "0"]',
    '["REPLCONF" "capa" "eof" "capa" "psync2"]',
    ...(bed.flavor === 'valkey8' ? ['["REPLCONF" "version" "8.0.1"]'] : []),
  ];
  // All of it without waiting for answers.
  for (const words of said) equal(await wire.reply(), words);
  await wire.silent();
  wire.sendBytes('+OK\r\n'.repeat(said.length));
  equal(await wire.reply(), '["PSYNC" "?" "-1"]');
  // Not now: it hangs up, and comes again by itself.
  wire.sendBytes('\n\n-NOMASTERLINK later\r\n');
  await wire.closed();
  const again = await feed.take();
  equal((await shakeHands(again)).at(-1), 'PSYNC ? -1');
  const rdb = emptyRdb();
  again.sendBytes(`\n\n+FULLRESYNC ${HISTORY} ${START}\r\n\n\n$${rdb.length}\r\n`);
  await untilRole(bed, agent, 'it loads', ({ rest }) => rest === 'sync');
  again.sendBytes(rdb);
  await untilRole(bed, agent, 'it follows', ({ rest }) => rest === 'connected');
}

async function asksForItsOwn(bed: ServerBed): Promise<void> {
  const life = await bed.start(null);
  const agent = await agentOf(life);
  const replid = await infoOf(agent, 'master_replid');
  const feed = await bed.listen();
  equal(await agent.call('REPLICAOF', '127.0.0.1', feed.port), '+OK');
  equal((await shakeHands(await feed.take())).at(-1), `PSYNC ${replid} 1`);
}

async function adoptsIdAndOffset(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  const { agent, wire } = fed;
  equal(await infoOf(agent, 'master_replid'), HISTORY);
  equal(await infoOf(agent, 'master_replid2'), '0'.repeat(40));
  equal(await infoOf(agent, 'second_repl_offset'), '-1');
  equal(await infoOf(agent, 'master_repl_offset'), String(START));
  equal(await infoOf(agent, 'master_link_status'), 'up');
  deepEqual(await roleOf(agent), { role: 'replica', offset: START, rest: 'connected' });
  const stream = bytesOf('SELECT 2', 'SET k v', 'PING');
  wire.sendBytes(stream);
  await untilOffset(bed, fed, START + stream.length);
  equal(await agent.call('SELECT', 2), '+OK');
  equal(await agent.call('GET', 'k'), '"v"');
  // At once, and before the question itself.
  wire.takeAll();
  const getack = bytesOf('REPLCONF GETACK *');
  wire.sendBytes(getack);
  equal(await wire.reply(), `["REPLCONF" "ACK" "${START + stream.length}"]`);
  // And once a second by itself.
  await untilOffset(bed, fed, START + stream.length + getack.length);
  const later = await wire.reply();
  equal(later, `["REPLCONF" "ACK" "${START + stream.length + getack.length}"]`);
}

async function movesAtBoundaries(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  const { agent, wire, feed, life } = fed;
  const before = bytesOf('SELECT 3', 'SET a 1');
  const half = bytesOf('MULTI', 'SELECT 4', 'SET a 2');
  wire.sendBytes(Buffer.concat([before, half]));
  await untilOffset(bed, fed, START + before.length);
  await bed.sleep(30);
  await untilOffset(bed, fed, START + before.length);
  equal(await infoOf(agent, 'master_repl_offset'), String(START + before.length));
  equal(await agent.call('SELECT', 4), '+OK');
  equal(await agent.call('GET', 'a'), 'nil');
  // A snapshot taken now stands at the boundary.
  const snapshot = await follow(life, '?', -1, ['REPLCONF', 'rdb-only', '1']);
  equal(await snapshot.line(), `+FULLRESYNC ${HISTORY} ${START + before.length}`);
  match(await endOfPayload(snapshot), /^REDIS00(10|11)/);
  await snapshot.closed();
  // Cut off, it asks from before MULTI, and continues in the database before it.
  wire.close();
  const again = await feed.take();
  const asked = (await shakeHands(again)).at(-1);
  equal(asked, `PSYNC ${HISTORY} ${START + before.length + 1}`);
  again.sendBytes(`+CONTINUE ${HISTORY}\r\n`);
  const rest = bytesOf('SET b 1', 'MULTI', 'SET a 3', 'EXEC');
  again.sendBytes(rest);
  await untilOffset(bed, fed, START + before.length + rest.length);
  equal(await agent.call('GET', 'a'), 'nil');
  equal(await agent.call('SELECT', 3), '+OK');
  equal(await agent.call('GET', 'a'), '"3"');
  equal(await agent.call('GET', 'b'), '"1"');
}

async function cutsAnywhere(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  const whole = bytesOf('SET a 1');
  fed.wire.sendBytes(whole);
  fed.wire.sendBytes(bytesOf('SET a 2').subarray(0, -4));
  await untilOffset(bed, fed, START + whole.length);
  fed.wire.close();
  const again = await fed.feed.take();
  equal((await shakeHands(again)).at(-1), `PSYNC ${HISTORY} ${START + whole.length + 1}`);
  // A connection that ends before the stream runs changes nothing of what it asks.
  again.close();
  const third = await fed.feed.take();
  equal((await shakeHands(third)).at(-1), `PSYNC ${HISTORY} ${START + whole.length + 1}`);
  third.sendBytes('+CONTINUE\r\n');
  await untilOffset(bed, fed, START + whole.length);
}

async function adoptsAnotherName(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  const below = await follow(fed.life, HISTORY, START + 1);
  equal(await below.line(), `+CONTINUE ${HISTORY}`);
  const stream = bytesOf('SET a 1');
  fed.wire.sendBytes(stream);
  // Its own replicas get the same bytes.
  equal(await below.bytes(stream.length), stream.toString());
  await untilOffset(bed, fed, START + stream.length);
  fed.wire.close();
  const again = await fed.feed.take();
  await shakeHands(again);
  again.sendBytes(`+CONTINUE ${OTHER}\r\n`);
  await untilOffset(bed, fed, START + stream.length);
  await below.closed();
  equal(await infoOf(fed.agent, 'master_replid'), OTHER);
  equal(await infoOf(fed.agent, 'master_replid2'), HISTORY);
  equal(await infoOf(fed.agent, 'second_repl_offset'), String(START + stream.length + 1));
}

async function dialsAtOnce(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  let wire = fed.wire;
  const begin = bed.nowMs;
  for (let i = 0; i < 5; i++) {
    wire.close();
    wire = await fed.feed.take();
    await shakeHands(wire);
    wire.sendBytes(`+CONTINUE ${HISTORY}\r\n`);
    await untilOffset(bed, fed, START);
  }
  // Left to its cron, it would be half a second each time.
  ok(bed.nowMs - begin < 2_000);
}

async function losesPatience(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  equal(await fed.agent.call('CONFIG', 'SET', 'repl-timeout', 1), '+OK');
  await fed.wire.closed();
  equal(await fed.agent.call('CONFIG', 'SET', 'repl-timeout', 300), '+OK');
  equal((await shakeHands(await fed.feed.take())).at(-1), `PSYNC ${HISTORY} ${START + 1}`);
}

async function countsNewlines(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  const stream = bytesOf('SET a 1');
  fed.wire.sendBytes(Buffer.concat([Buffer.from('\n\n\n'), stream]));
  await untilOffset(bed, fed, START + 3 + stream.length);
}

async function failsLoudly(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  fed.wire.sendBytes(bytesOf('SET k v', 'LPUSH k v'));
  await bed.until('it ends itself', () => fed.life.hasExited);
}

async function failsInSilence(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  equal(await fed.agent.call('CONFIG', 'SET', 'propagation-error-behavior', 'ignore'), '+OK');
  const stream = bytesOf('SET k v', 'LPUSH k v', 'MULTI', 'LPUSH k v', 'SET l v', 'EXEC');
  fed.wire.sendBytes(stream);
  await untilOffset(bed, fed, START + stream.length);
  equal(await infoOf(fed.agent, 'unexpected_error_replies'), '2');
  equal(await fed.agent.call('GET', 'l'), '"v"');
}

async function isReadOnly(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  const { agent, life, wire, feed } = fed;
  const refused = "-READONLY You can't write against a read only replica.";
  equal(await agent.call('SET', 'k', 'v'), refused);
  const script = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[1]) return 1";
  ok((await agent.call('EVAL', script, 2, 'x', 'y', 'v')).startsWith(refused));
  equal(await agent.call('MULTI'), '+OK');
  equal(await agent.call('SET', 'k', 'v'), refused);
  match(await agent.call('EXEC'), /^-EXECABORT/);
  equal(await agent.call('PUBLISH', 'c', 'm'), ':0');
  equal((await roleOf(agent)).offset, START);
  // What is over is hidden, and deleted by the stream only.
  const stream = bytesOf('SET k v PXAT 1000', 'SET p v');
  wire.sendBytes(stream);
  await untilOffset(bed, fed, START + stream.length);
  equal(await agent.call('GET', 'k'), 'nil');
  await bed.sleep(200);
  equal(await agent.call('DBSIZE'), ':2');
  // The stream finds it all the same: what it makes of it keeps its expiry.
  const onto = bytesOf('APPEND k x', 'PEXPIRE n -5', 'INCR n', 'PEXPIRE n -5');
  wire.sendBytes(onto);
  await untilOffset(bed, fed, START + stream.length + onto.length);
  equal(await agent.call('GET', 'k'), 'nil');
  equal(await agent.call('GET', 'n'), 'nil');
  equal(await agent.call('DBSIZE'), ':3');
  const guest = await agentOf(life);
  equal(await guest.call('MULTI'), '+OK');
  equal(await guest.call('GET', 'p'), '+QUEUED');
  // Without its primary it shows nothing.
  wire.close();
  await feed.take();
  const stale = "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
  equal(await agent.call('GET', 'p'), stale);
  equal(await agent.call('PING'), stale);
  match(await guest.call('EXEC'), /^-EXECABORT Transaction discarded because of: MASTERDOWN /);
  equal(await agent.call('SET', 'k', 'v'), refused);
  equal(await agent.call('MULTI'), '+OK');
  equal(await agent.call('GET', 'p'), stale);
  equal(await agent.call('DISCARD'), '+OK');
  equal(await agent.call('PUBLISH', 'c', 'm'), ':0');
  for (const words of [
    ['SELECT', 1],
    ['CLIENT', 'ID'],
    ['CONFIG', 'GET', 'port'],
  ]) {
    ok(!(await agent.call(...words)).startsWith('-'));
  }
  const below = await agentOf(life);
  equal(await below.call('REPLCONF', 'capa', 'psync2'), '+OK');
  equal(await below.call('PSYNC', HISTORY, START + 1), stale);
  equal(await agent.call('CONFIG', 'SET', 'replica-serve-stale-data', 'yes'), '+OK');
  equal(await agent.call('SELECT', 0), '+OK');
  equal(await agent.call('GET', 'p'), '"v"');
  match(await below.call('PSYNC', HISTORY, START + 1), /^-NOMASTERLINK/);
}

export const FOLLOWING: Readonly<Record<string, (bed: ServerBed) => Promise<void>>> = {
  'a fresh server asks for everything, and comes again when it is put off': asksLikeThis,
  'a primary of its own that is told to follow asks for what follows its own': asksForItsOwn,
  'it adopts id and offset, counts every byte, and acknowledges': adoptsIdAndOffset,
  'its position moves outside MULTI only; an open MULTI is asked for again': movesAtBoundaries,
  'half a command is asked for again': cutsAnywhere,
  'continued under another id it adopts it, and drops its replicas': adoptsAnotherName,
  'after a stream that broke it dials again at once': dialsAtOnce,
  'a primary that says nothing for repl-timeout is left, and asked to continue': losesPatience,
  'bare newlines count in its position': countsNewlines,
  'a command of the stream that fails ends it': failsLoudly,
  'told to ignore that, it counts the errors and goes on': failsInSilence,
  'it is read only, expires nothing by itself, and shows nothing when it is alone': isReadOnly,
};
