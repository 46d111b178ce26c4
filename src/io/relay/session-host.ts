/** The narrow view that a session has of its relay. */
import type { CommandJudge } from './command-rules.ts';
import type { Lanes } from './lanes.ts';
import type { RelayBounds } from './options.ts';
import type { RelayPorts, Route } from './ports.ts';
import type { Session } from './session.ts';

/** What a session needs of the relay it belongs to. */
export interface SessionHost {
  readonly ports: RelayPorts;
  readonly bounds: RelayBounds;
  readonly judge: CommandJudge;
  readonly route: Route;
  /** Of the present reign. */
  readonly lanes: Lanes<Session>;
  /** Whether clients may be read at all. */
  readonly canRead: boolean;
  /** How many reply bytes this session may have on their way to its client. */
  readonly replyBytesMax: number;
  addWaitingBytes(change: number): void;
  addReplyBytes(change: number): void;
  /** False when unfinished commands take too much memory already. */
  addUnfinishedBytes(change: number): boolean;
  countCommands(forwarded: number, refused: number): void;
  /** The hold is full; the relay calls `setHeldUp(false)` when it no longer is. */
  onHoldFull(session: Session): void;
  /** It has a connection of its own to the local server. */
  onOwnOpened(session: Session): void;
  onOwnClosed(session: Session): void;
  onClosed(session: Session): void;
}
