/**
 * What the relay needs of the agent. `agent/strong` keeps these contracts; the tests of this room
 * keep them with fakes.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { NodeId } from '../../core/scalars.ts';

/** Where commands go at this moment. */
export type Route =
  /** This node leads and its server is open: one connection to it per session, replies are held. */
  | { readonly kind: 'open'; readonly reign: number }
  /** Another node leads: one pass-through stream to its relay per session, it holds the replies. */
  | { readonly kind: 'leader'; readonly node: NodeId }
  /** Nobody is known to lead. `why` ends up in the error that a waiting command gets at last. */
  | { readonly kind: 'none'; readonly why: string };

export interface RelayPorts {
  /** A new connection to the local server's private socket; it may still be connecting. */
  connectServer(): Socket;
  /** A new pass-through stream to the leader's relay. Rejects when it cannot be reached. */
  connectLeader(node: NodeId, signal: AbortSignal): Promise<Duplex>;
  /** The ticket of a command read now: a leadership round of this number or later begins later. */
  nextRound(): number;
  readonly hold: Hold;
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

export interface HeldReply {
  readonly session: HeldSession;
  readonly bytes: Buffer;
}

export interface HeldSession {
  release(bytes: Buffer): void;
  /** Bytes held for a closed session may be forgotten. */
  readonly isClosed: boolean;
}
