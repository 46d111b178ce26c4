/** What a `ROLE` that came back on a lane is worth as a fence. */
import { parseRole } from '../core/psync/role.ts';
import { type Reply, ReplyError, ReplyReader } from '../core/resp/reply-reader.ts';
import type { ReplOffset } from '../core/scalars.ts';
import { roleSeen } from './own-server.ts';
import { fenceOf } from './strong/barrier.ts';

/** ROLE lists the replicas: one or two lines. */
const REPLY_BYTES_MAX = 64 * 1024;

/** Null when it is no fence: another must be asked. */
export function laneFence(answer: Buffer): ReplOffset | null {
  const replies: Reply[] = [];
  try {
    new ReplyReader(REPLY_BYTES_MAX).push(answer, (reply) => replies.push(reply));
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    return null;
  }
  const [reply] = replies;
  return reply === undefined ? null : fenceOf(roleSeen(parseRole(reply)));
}
