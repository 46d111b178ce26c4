/** The narrow view that a session has of its relay. */
import type { CommandJudge } from '../../core/lanes/command-rules.ts';
import type { ConnectionsHost } from '../../core/lanes/connections-host.ts';
import type { RelayBounds } from './options.ts';
import type { RelayPorts } from './ports.ts';
import type { Session } from './session.ts';

/** What a session needs of the relay it belongs to. */
export interface SessionHost extends ConnectionsHost<Session> {
  readonly ports: RelayPorts;
  readonly bounds: RelayBounds;
  readonly judge: CommandJudge;
  /** Whether clients may be read at all. */
  readonly canRead: boolean;
  /** How many reply bytes this session may have on their way to its client. */
  readonly replyBytesMax: number;
  addWaitingBytes(change: number): void;
  addReplyBytes(change: number): void;
  /** False when unfinished commands take too much memory already. */
  addUnfinishedBytes(change: number): boolean;
  /** The hold is full; the relay calls `setHeldUp(false)` when it no longer is. */
  onHoldFull(session: Session): void;
  onClosed(session: Session): void;
}
