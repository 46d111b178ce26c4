/** What a session's connections need of the session and of the relay, and what they tell it. */
import type { ReadsMode } from '../reads-mode.ts';
import type { LaneSession, Lanes } from './lanes.ts';
import type { OwnWire, OwnWireEvents, Route } from './ports.ts';
import type { PointWaiter, ReadPoints } from './read-points.ts';

/** What the connections need of their session. */
export interface ConnectedSession extends LaneSession, PointWaiter {
  /** Whether the client is the relay of a follower: it has a route of its own and must use it. */
  readonly isPassThrough: boolean;
}

/** The server of this node while it follows without a break: it shows only what is agreed on. */
export interface FollowerLanes<S extends ConnectedSession> {
  readonly spell: number;
  readonly lanes: Lanes<S>;
}

/** What they need of the relay. */
export interface ConnectionsHost<S extends ConnectedSession> {
  readonly route: Route;
  /** Of the present reign. */
  readonly lanes: Lanes<S>;
  /** Null: the server of this node does not follow. */
  readonly follower: FollowerLanes<S> | null;
  readonly points: ReadPoints;
  /** Of sessions that have not said otherwise. */
  readonly reads: ReadsMode;
  /** Pause between two attempts to connect. */
  readonly retryMs: number;
  /** The ticket of a command read now. */
  nextRound(): number;
  /** A connection of a session's own to where the route leads. */
  connectOwn(route: Route, events: OwnWireEvents): OwnWire;
  /** Runs it once, then, unless the call that it returns comes first. */
  later(ms: number, run: () => void): () => void;
  countCommands(forwarded: number, refused: number): void;
  /** So many of the forwarded ones were reads, answered here although another node leads. */
  countReadsHere(count: number): void;
  /** It has a connection of its own to the local server. */
  onOwnOpened(session: S): void;
  onOwnClosed(session: S): void;
}

export interface ConnectionsEvents {
  /** Bytes of the own connection for the client; null: it was not let in. */
  onReply(bytes: Buffer | null): void;
  /** A connection is there, or may be tried again: what waits may go on. */
  onOpen(): void;
  /** The reading of requests may have to stop or to go on. */
  onRoom(): void;
  /** A connection ended that owed something. */
  onLoss(): void;
}
