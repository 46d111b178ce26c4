/** The hold of the present reign, as the relay uses it. */
import type { Hold } from '../../core/lanes/ports.ts';
import { parseRole } from '../../core/psync/role.ts';
import { type Reply, ReplyError, ReplyReader } from '../../core/resp/reply-reader.ts';
import type { ReplOffset } from '../../core/scalars.ts';
import { fenceOf } from './barrier.ts';
import { roleSeen } from './role-seen.ts';
import type { Strong } from './strong.ts';

/** ROLE lists the replicas: one or two lines. */
const REPLY_BYTES_MAX = 64 * 1024;

export function relayHold(strong: () => Strong | null): Hold {
  return {
    add: (session, bytes, ticket) => strong()?.addReply(session, bytes, ticket),
    laneSent: (ticket) => strong()?.hold?.laneSent(ticket),
    addLane: (replies, ticket, fence) =>
      strong()?.hold?.addLane(replies, ticket, fence === null ? null : laneFence(fence)),
    get isFull() {
      return strong()?.hold?.isFull ?? false;
    },
    onDrain: (callback) => {
      const hold = strong()?.hold ?? null;
      if (hold === null) callback();
      else hold.onDrain(callback);
    },
  };
}

/** Null when it is no fence: another must be asked. */
function laneFence(answer: Buffer): ReplOffset | null {
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
