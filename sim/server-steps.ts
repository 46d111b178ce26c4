/** What the agent says to its server, word for word, to change its role. */
import type { RoleSeen } from '../src/agent/strong/ports.ts';
import { roleSeen } from '../src/agent/strong/role-seen.ts';
import { parseRole } from '../src/core/psync/role.ts';
import { ErrorReply, type Reply } from '../src/core/resp/reply-reader.ts';
import { type ReplOffset, replOffset } from '../src/core/scalars.ts';
import { FEED } from './feed-door.ts';

const EVICT_ATTEMPTS = 5;

/** Words to say, until there are no more; gets the answer to each. */
export type Steps<Result> = Generator<readonly string[], Result, Reply>;

export class ServerFailed extends Error {
  override readonly name = 'ServerFailed';
}

export function* role(): Steps<RoleSeen> {
  return roleSeen(parseRole(yield ['ROLE']));
}

export function* promotion(): Steps<{ replid: string; offset: ReplOffset }> {
  yield* evictClients();
  mustNot(yield ['CONFIG', 'SET', 'min-replicas-to-write', '1']);
  mustNot(yield ['CONFIG', 'SET', 'masteruser', '', 'masterauth', '']);
  mustNot(yield ['REPLICAOF', 'NO', 'ONE']);
  const info = String(mustNot(yield ['INFO', 'replication']));
  const replid = /master_replid:([0-9a-f]{40})/.exec(info)?.[1];
  const offset = /master_repl_offset:([0-9]+)/.exec(info)?.[1];
  if (!info.includes('role:master') || replid === undefined || offset === undefined)
    throw new ServerFailed('promoted, and no primary');
  return { replid, offset: replOffset(Number(offset)) };
}

export function* demotion(): Steps<void> {
  yield* evictClients();
  mustNot(yield ['CONFIG', 'SET', 'masteruser', FEED.user, 'masterauth', FEED.password]);
  mustNot(yield ['REPLICAOF', '127.0.0.1', String(FEED.port)]);
  mustNot(yield ['CLIENT', 'UNPAUSE']);
  const found = parseRole(yield ['ROLE']);
  if (found.kind !== 'replica') throw new ServerFailed(`told to follow, and is ${found.kind}`);
}

export function* writePause(forMs: number): Steps<void> {
  mustNot(yield forMs === 0 ? ['CLIENT', 'UNPAUSE'] : ['CLIENT', 'PAUSE', `${forMs}`, 'WRITE']);
}

function mustNot(reply: Reply): Reply {
  if (reply instanceof ErrorReply) throw new ServerFailed(reply.text);
  return reply;
}

/** What clients may have left: nothing of theirs may run across a change of role (H4). */
function* evictClients(): Steps<void> {
  for (let attempt = 0; attempt < EVICT_ATTEMPTS; attempt += 1) {
    mustNot(yield ['CLIENT', 'KILL', 'USER', 'default']);
    const list = String(mustNot(yield ['CLIENT', 'LIST']));
    if (!/ user=default(\s|$)/m.test(list)) return;
  }
  throw new ServerFailed('clients are still connected');
}
