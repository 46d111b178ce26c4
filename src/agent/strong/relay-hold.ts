/** The hold of the present reign, as the relay uses it. */
import type { Hold as RelayHold } from '../../core/lanes/ports.ts';
import { fedPrimaryOffset, parseRole } from '../../core/psync/role.ts';
import { type Reply, ReplyError, ReplyReader } from '../../core/resp/reply-reader.ts';
import type { ReplOffset } from '../../core/scalars.ts';
import { fenceOf } from './barrier.ts';
import type { Hold } from './hold.ts';
import { roleSeen } from './role-seen.ts';

/** ROLE lists the replicas: one or two lines. */
const REPLY_BYTES_MAX = 64 * 1024;

type HoldOfReign = Pick<Hold, 'add' | 'laneSent' | 'addLane' | 'isFull' | 'onDrain'>;

export function relayHold(present: () => HoldOfReign | null): RelayHold {
  return {
    add: (session, bytes, ticket) => present()?.add(session, bytes, ticket),
    laneSent: (ticket) => present()?.laneSent(ticket),
    addLane: (replies, ticket, fence) =>
      present()?.addLane(replies, ticket, fence === null ? null : laneFence(fence)),
    get isFull() {
      return present()?.isFull ?? false;
    },
    onDrain: (callback) => {
      const hold = present();
      if (hold === null) callback();
      else hold.onDrain(callback);
    },
  };
}

/** Null when it is no fence: another must be asked. */
function laneFence(answer: Buffer): ReplOffset | null {
  const usual = fedPrimaryOffset(answer);
  if (usual !== null) return usual;
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
