/** What a server does as the primary of a reign, and at its beginning and end. */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { encodeCommand } from '../../src/core/resp/writer.ts';
import {
  agentOf,
  follow,
  HISTORY,
  infoOf,
  roleOf,
  type ServerBed,
  START,
  shakeHands,
  startFed,
  startReign,
  streamOf,
  type Talk,
  untilRole,
} from './server-bed.ts';
import { endOfPayload } from './server-snapshots.ts';

async function promotion(bed: ServerBed): Promise<void> {
  const fed = await startFed(bed);
  const { agent, wire, life } = fed;
  const below = await follow(life, HISTORY, START + 1);
  equal(await below.line(), `+CONTINUE ${HISTORY}`);
  const stream = Buffer.concat([
    encodeCommand(['SELECT', '3']),
    encodeCommand(['SET', 'a', '1']),
    encodeCommand(['MULTI']),
    encodeCommand(['SET', 'half', '1']),
  ]);
  const boundary =
    START +
    stream.length -
    encodeCommand(['MULTI']).length -
    encodeCommand(['SET', 'half', '1']).length;
  wire.sendBytes(stream);
  await untilRole(bed, agent, 'it has applied', ({ offset }) => offset === boundary);
  equal(await agent.call('REPLICAOF', 'NO', 'ONE'), '+OK');
  await below.closed();
  await wire.closed();
  deepEqual(await roleOf(agent), { role: 'primary', offset: boundary, rest: '[]' });
  const replid = await infoOf(agent, 'master_replid');
  match(replid, /^[0-9a-f]{40}$/);
  ok(replid !== HISTORY);
  equal(await infoOf(agent, 'master_replid2'), HISTORY);
  equal(await infoOf(agent, 'second_repl_offset'), String(boundary + 1));
  // Told again, nothing changes.
  equal(await agent.call('REPLICAOF', 'NO', 'ONE'), '+OK');
  equal(await infoOf(agent, 'master_replid'), replid);
  // The old id counts up to here, the new one from anywhere that is still known.
  const capture = await follow(life, HISTORY, boundary + 1);
  equal(await capture.line(), `+CONTINUE ${replid}`);
  const earlier = await follow(life, HISTORY, START + 1);
  equal(await earlier.line(), `+CONTINUE ${replid}`);
  equal(await earlier.bytes(boundary - START), stream.subarray(0, boundary - START).toString());
  const named = await follow(life, replid, START + 1);
  equal(await named.line(), `+CONTINUE ${replid}`);
  // The first write says its database.
  equal(await agent.call('SELECT', 3), '+OK');
  equal(await agent.call('SET', 'a', 2), '+OK');
  equal(await agent.call('EXISTS', 'half'), ':0');
  const reign = { ...fed, capture, replid };
  deepEqual(await streamOf(reign, boundary), ['SELECT 3', 'SET a 2']);
  const { offset } = await roleOf(agent);
  const forms: [string, number][] = [
    [HISTORY, boundary + 2],
    [HISTORY, START],
    ['d'.repeat(40), boundary],
    [replid, offset + 2],
    ['?', -1],
  ];
  for (const [id, next] of forms) {
    const refused = await follow(life, id, next);
    equal(await refused.line(), `+FULLRESYNC ${replid} ${offset}`, `${id} ${next}`);
    refused.close();
  }
  const level = await follow(life, replid, offset + 1);
  equal(await level.line(), `+CONTINUE ${replid}`);
}

async function wantsNothingPending(bed: ServerBed): Promise<void> {
  const { life } = await startReign(bed);
  const talk = await agentOf(life);
  const commands = [['PING'], ['PSYNC', '?', '-1']].map((words) => encodeCommand(words));
  talk.sendBytes(Buffer.concat(commands));
  equal(await talk.reply(), '+PONG');
  equal(await talk.reply(), '-ERR SYNC and PSYNC are invalid with pending output');
}

async function demotion(bed: ServerBed): Promise<void> {
  const reign = await startReign(bed);
  const { agent, life, capture, replid } = reign;
  await agent.call('SET', 'a', 1);
  const waiting = await agentOf(life);
  waiting.send('BLPOP', 'l', 0);
  const idle = await agentOf(life);
  await bed.sleep(30);
  const { offset } = await roleOf(agent);
  const feed = await bed.listen();
  equal(await agent.call('REPLICAOF', '127.0.0.1', feed.port), '+OK');
  match(await waiting.reply(), /^-UNBLOCKED /);
  await waiting.closed();
  equal(idle.isClosed, false);
  equal(capture.isClosed, false);
  const again = '+OK Already connected to specified master';
  equal(await agent.call('REPLICAOF', '127.0.0.1', feed.port), again);
  equal((await roleOf(agent)).offset, -1);
  const wire = await feed.take();
  equal((await shakeHands(wire)).at(-1), `PSYNC ${replid} ${offset + 1}`);
  equal(await infoOf(agent, 'master_replid'), replid);
  equal(await infoOf(agent, 'master_replid2'), HISTORY);
  wire.sendBytes(`+CONTINUE ${HISTORY}\r\n`);
  await untilRole(bed, agent, 'it follows', ({ rest }) => rest === 'connected');
  await capture.closed();
  equal(await infoOf(agent, 'master_replid'), HISTORY);
  equal(await infoOf(agent, 'master_replid2'), replid);
  // The stream begins in database 0, whatever its own was in.
  const more = encodeCommand(['SET', 'b', '1']);
  wire.sendBytes(more);
  await untilRole(bed, agent, 'applied', (at) => at.offset === offset + more.length);
  equal(await agent.call('GET', 'b'), '"1"');
  // To another primary: it continues what it follows.
  const other = await bed.listen();
  equal(await agent.call('REPLICAOF', '127.0.0.1', other.port), '+OK');
  await wire.closed();
  const next = await other.take();
  equal((await shakeHands(next)).at(-1), `PSYNC ${HISTORY} ${offset + more.length + 1}`);
  // Promoted in the middle of that, its old primary hears no more.
  equal(await agent.call('REPLICAOF', 'NO', 'ONE'), '+OK');
  await next.closed();
  const end = offset + more.length;
  equal(await infoOf(agent, 'second_repl_offset'), String(end + 1));
  // It says its database again, though it was in it when it was a primary before.
  const later = await follow(life, HISTORY, end + 1);
  match(await later.line(), /^\+CONTINUE /);
  await agent.call('SET', 'c', 1);
  equal(await later.reply(), '["SELECT" "0"]');
}

const LACKING = '-NOREPLICAS Not enough good replicas to write.';

async function minReplicas(bed: ServerBed): Promise<void> {
  const reign = await startReign(bed);
  const { agent, life, capture, replid } = reign;
  equal(await agent.call('CONFIG', 'SET', 'min-replicas-to-write', 1), '+OK');
  equal(await agent.call('SET', 'k', 'v'), '+OK');
  const snapshot = await follow(life, '?', -1, ['REPLCONF', 'rdb-only', '1']);
  await endOfPayload(await afterLine(snapshot));
  ok(!(await roleOf(agent)).rest.includes('] ['), 'an RDB-only connection is not listed');
  equal(await agent.call('MULTI'), '+OK');
  equal(await agent.call('SET', 'k', 'w'), '+QUEUED');
  const { offset } = await roleOf(await agentOf(life));
  capture.close();
  await untilRole(bed, await agentOf(life), 'none is left', ({ rest }) => rest === '[]');
  match(await agent.call('EXEC'), /^-EXECABORT Transaction discarded because of: NOREPLICAS /);
  equal(await agent.call('SET', 'k', 'w'), LACKING);
  equal(await agent.call('BLPOP', 'none', 1), LACKING);
  const script = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[1]) return 1";
  ok((await agent.call('EVAL', script, 2, 'x', 'y', 'v')).startsWith(LACKING));
  equal(await agent.call('GET', 'k'), '"v"');
  // Publishing is no write.
  equal(await agent.call('PUBLISH', 'c', 'm'), ':0');
  equal(await agent.call('MULTI'), '+OK');
  equal(await agent.call('SET', 'k', 'w'), LACKING);
  match(await agent.call('EXEC'), /^-EXECABORT Transaction discarded because of previous errors/);
  const again = await follow(life, replid, offset + 1);
  equal(await again.line(), `+CONTINUE ${replid}`);
  equal(await agent.call('SET', 'k', 'w'), '+OK');
}

async function afterLine(talk: Talk): Promise<Talk> {
  await talk.line();
  return talk;
}

async function lag(bed: ServerBed): Promise<void> {
  const { agent, capture } = await startReign(bed);
  const limits = ['min-replicas-to-write', 1, 'min-replicas-max-lag', 1];
  equal(await agent.call('CONFIG', 'SET', ...limits), '+OK');
  equal(await agent.call('SET', 'k', 'v'), '+OK');
  await bed.sleep(3_300);
  equal(await agent.call('SET', 'k', 'v'), LACKING);
  capture.send('REPLCONF', 'ACK', START);
  await bed.sleep(1_200);
  equal(await agent.call('SET', 'k', 'v'), '+OK');
}

async function silence(bed: ServerBed): Promise<void> {
  const { agent, capture } = await startReign(bed);
  equal(await agent.call('CONFIG', 'SET', 'repl-timeout', 1), '+OK');
  await capture.closed();
  equal((await roleOf(agent)).rest, '[]');
}

async function roleInsideMulti(bed: ServerBed): Promise<void> {
  const reign = await startReign(bed);
  const client = await agentOf(reign.life);
  await client.call('SET', 'a', 1);
  const { offset } = await roleOf(reign.agent);
  await client.call('MULTI');
  await client.call('SET', 'a', 2);
  await client.call('SET', 'b', 2);
  await client.call('ROLE');
  const reply = await client.call('EXEC');
  ok(reply.startsWith(`[+OK +OK ["master" :${offset} `), 'the effects are not counted yet');
  ok((await roleOf(reign.agent)).offset > offset);
}

async function acknowledged(bed: ServerBed): Promise<void> {
  const { agent, capture } = await startReign(bed);
  await agent.call('SET', 'a', 1);
  const { offset } = await roleOf(agent);
  capture.send('REPLCONF', 'ACK', offset);
  const { rest } = await untilRole(bed, agent, 'it is listed', (at) =>
    at.rest.includes(`"${offset}"`),
  );
  match(rest, /"1" "[0-9]+"\]\]$/, 'its port, and its offset');
  // It does not go back.
  capture.send('REPLCONF', 'ACK', 5);
  await bed.sleep(50);
  ok((await roleOf(agent)).rest.includes(`"${offset}"`));
}

async function outrun(bed: ServerBed): Promise<void> {
  const { agent, life, capture, replid } = await startReign(bed, { backlogBytes: 32 * 1024 });
  const half = 'x'.repeat(10_000);
  capture.close();
  await agent.call('SET', 'a', half);
  const near = await follow(life, replid, START + 1);
  equal(await near.line(), `+CONTINUE ${replid}`);
  near.close();
  for (let i = 0; i < 12; i++) await agent.call('SET', 'a', half);
  const far = await follow(life, replid, START + 1);
  const { offset } = await roleOf(agent);
  equal(await far.line(), `+FULLRESYNC ${replid} ${offset}`);
}

async function withoutBacklog(bed: ServerBed): Promise<void> {
  const life = await bed.start(null);
  const agent = await agentOf(life);
  await agent.call('SET', 'a', 1);
  await agent.call('SET', 'a', 2);
  const replid = await infoOf(agent, 'master_replid');
  const { offset } = await roleOf(agent);
  equal(offset, 0);
  const first = await follow(life, replid, offset + 1);
  const renewed = await infoOf(agent, 'master_replid');
  ok(renewed !== replid, 'what was before is nowhere');
  equal(await first.line(), `+FULLRESYNC ${renewed} ${offset}`);
}

async function pings(bed: ServerBed): Promise<void> {
  const reign = await startReign(bed);
  const { agent, capture } = reign;
  await agent.call('SET', 'a', 1);
  deepEqual(await streamOf(reign, START), ['SELECT 0', 'SET a 1']);
  equal(await agent.call('CONFIG', 'SET', 'repl-ping-replica-period', 1), '+OK');
  equal(await capture.reply(), '["ping"]');
  await agent.call('CONFIG', 'SET', 'repl-ping-replica-period', 3600);
}

async function killsClients(bed: ServerBed): Promise<void> {
  const { agent, life, capture } = await startReign(bed);
  const guests = [await life.connect(), await life.connect()];
  for (const guest of guests) equal(await guest.call('PING'), '+PONG');
  const blocked = await life.connect();
  blocked.send('BLPOP', 'l', 0);
  await bed.sleep(30);
  const list = JSON.parse(await agent.call('CLIENT', 'LIST')) as string;
  const users = list
    .trim()
    .split('\n')
    .map((line) => / user=(\S+)/.exec(line)?.[1]);
  equal(users.filter((user) => user === 'default').length, 3);
  equal(users.filter((user) => user === 'althing').length, 2);
  equal(await agent.call('CLIENT', 'KILL', 'USER', 'default'), ':3');
  for (const guest of [...guests, blocked]) await guest.closed();
  equal(capture.isClosed, false);
  equal(await agent.call('CLIENT', 'KILL', 'USER', 'default'), ':0');
  // Never oneself.
  const last = await agentOf(life);
  equal(await last.call('CLIENT', 'KILL', 'USER', 'althing'), ':2');
  equal(await last.call('RPUSH', 'l', 'x'), ':1');
  equal(await last.call('LLEN', 'l'), ':1');
}

async function beatsOfALoadingReplica(bed: ServerBed): Promise<void> {
  const { agent, life, capture } = await startReign(bed);
  // Empty lines from a replica are no commands and have no replies.
  capture.sendBytes('\n\n\n');
  capture.send('REPLCONF', 'ACK', START);
  await untilRole(bed, agent, 'it is heard', ({ rest }) => rest.includes(`"${START}"`));
  await capture.silent();
  const talk = await agentOf(life);
  talk.sendBytes('\r\n\nPING\r\n');
  equal(await talk.reply(), '+PONG');
}

export const LEADING: Readonly<Record<string, (bed: ServerBed) => Promise<void>>> = {
  'promotion shifts its id, keeps the offset, and the old id counts up to there': promotion,
  'PSYNC is refused while an answer is outstanding': wantsNothingPending,
  'demoted it hangs up on who waits, asks with its own id and offset, and adopts': demotion,
  'min-replicas-to-write refuses at once, and an RDB-only connection does not count': minReplicas,
  'min-replicas-max-lag is looked at once a second': lag,
  'a replica that says nothing for repl-timeout is hung up on': silence,
  'ROLE inside MULTI does not count what the transaction did': roleInsideMulti,
  'an ACK is shown, and does not go back': acknowledged,
  'a replica that the backlog has outrun starts over': outrun,
  'before the first replica there is no history': withoutBacklog,
  'PING is part of the stream, and selects no database': pings,
  'CLIENT KILL USER ends those connections and no others': killsClients,
  'empty lines have no replies': beatsOfALoadingReplica,
};
