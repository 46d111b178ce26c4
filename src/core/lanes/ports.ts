/**
 * What lanes, and the connections of sessions, need of the world. `io/relay` keeps these contracts
 * over sockets, the simulator over connections that are slow, cut and broken.
 *
 * Contract of every connection: it may take its time, and no event is told inside the call that
 * caused it. Once destroyed it tells nothing more.
 */
import type { NodeId } from '../scalars.ts';

/** Where commands go at this moment. */
export type Route =
  /** This node leads and its server is open: by lanes, or one connection per session. */
  | { readonly kind: 'open'; readonly reign: number }
  /** Another node leads: one pass-through stream to its relay per session, it holds the replies. */
  | { readonly kind: 'leader'; readonly node: NodeId }
  /**
   * Nobody leads, and this node's server follows: it answers reads, and refuses writes by itself.
   * `spell`: the time for which it follows without a break.
   */
  | { readonly kind: 'follower'; readonly spell: number }
  /**
   * Nobody is known to lead. `why` ends up in the error that a waiting command gets at last.
   * `isLost`: it has been so for long; no command should wait.
   */
  | { readonly kind: 'none'; readonly why: string; readonly isLost?: boolean };

export function isSameRoute(one: Route, other: Route): boolean {
  if (one.kind === 'open') return other.kind === 'open' && one.reign === other.reign;
  if (one.kind === 'follower') return other.kind === 'follower' && one.spell === other.spell;
  return one.kind === 'leader' && other.kind === 'leader' && one.node === other.node;
}

/** Keeps replies until everything they could depend on is agreed (DESIGN §2). */
export interface Hold {
  /**
   * Takes `bytes`, read from the local server in the present reign. Calls `session.release` with
   * all the bytes taken, in order per session, at once or later; or never, when the reign ends
   * first. `ticket` is the round that must be confirmed at least.
   */
  add(session: HeldSession, bytes: Buffer, ticket: number): void;
  /** Commands are on their way down a lane, a fence behind them. */
  laneSent(ticket: number): void;
  /**
   * The same as `add` for replies read from a lane, in their order. `fence` is the server's answer
   * to a `ROLE` that ran behind all their commands; without it another is needed. A session's
   * replies come by one of the two until none is held.
   */
  addLane(replies: HeldReply[], ticket: number, fence: Buffer | null): void;
  readonly isFull: boolean;
  /** `callback` is called once, when the hold is not full any more. */
  onDrain(callback: () => void): void;
}

/** For replies that show nothing but what is agreed on: each is given away at once. */
export const GIVEN_AT_ONCE: Hold = {
  add: (session, bytes) => session.release(bytes),
  laneSent: () => undefined,
  addLane: (replies) => {
    for (const { session, bytes } of replies) session.release(bytes);
  },
  isFull: false,
  onDrain: (callback) => callback(),
};

export interface HeldReply {
  readonly session: HeldSession;
  readonly bytes: Buffer;
}

export interface HeldSession {
  release(bytes: Buffer): void;
  /** Bytes held for a closed session may be forgotten. */
  readonly isClosed: boolean;
}

/** The connection of a lane to the local server. */
export interface LaneWire {
  /** The pieces of one write. */
  write(pieces: readonly Buffer[]): void;
  /** Bytes that the server has not taken yet. */
  readonly unsentBytes: number;
  setReading(isReading: boolean): void;
  destroy(): void;
}

export interface LaneWireEvents {
  onConnect(): void;
  onBytes(chunk: Buffer): void;
  /** It takes bytes again. */
  onDrain(): void;
  /** It is gone, or could not be made. */
  onEnd(): void;
}

/** A session's own connection, to the server or to the leader's relay. */
export interface OwnWire {
  /** Never `none`. It is of no use under any other route. */
  readonly route: Route;
  readonly isConnected: boolean;
  /** False when it takes no more for now; the bytes are on their way all the same. */
  write(bytes: Buffer): boolean;
  /** Until `uncork` what is written is kept, to go out in one piece. */
  cork(): void;
  uncork(): void;
  setReading(isReading: boolean): void;
  /** No more requests follow; replies may. */
  finish(): void;
  destroy(): void;
}

export interface OwnWireEvents {
  onConnect(): void;
  onReply(bytes: Buffer): void;
  /** It takes bytes again after `write` returned false. */
  onDrain(): void;
  /** No reply follows. It was never connected when `onConnect` was not called. */
  onEnd(): void;
}
