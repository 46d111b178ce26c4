/** The bounds of a mesh, each with its reason. */
import type { ConnectionLimits } from './connection.ts';

export interface MeshLimits extends ConnectionLimits {
  readonly beatMs: number;
  readonly greetingMsMax: number;
  readonly strangersMax: number;
  readonly connectionsMax: number;
  readonly openingsMax: number;
  readonly waitersMax: number;
  readonly addressesMax: number;
  readonly knownPeersMax: number;
  readonly refusedAgainMs: number;
}

export const MESH_LIMITS: MeshLimits = {
  /** Appends and chunks queued for one peer: what Raft has in flight, and one large entry. */
  bulkBytesMax: 64 * 1024 * 1024,
  /** Votes, replies and heartbeats are a few dozen bytes; a peer this far behind is gone. */
  urgentBytesMax: 4 * 1024 * 1024,
  /** With `beatMs`: a connection that nobody answers on for five seconds is dialled anew. */
  unansweredMax: 5,
  beatMs: 1000,
  /** TCP, TLS and both hellos, on a slow network. */
  greetingMsMax: 5000,
  /** Connections that have not said who they are. */
  strangersMax: 64,
  /** Relays of 10,000 clients, and peers. */
  connectionsMax: 12_000,
  /** Per peer: seven peers that all open relays stay below `strangersMax`. */
  openingsMax: 8,
  waitersMax: 10_000,
  /** Dialled at a time: of every node the one where it was last, and those that were given. */
  addressesMax: 1024,
  /** Directories that ever spoke to this process. */
  knownPeersMax: 1024,
  /** A refusal is a state that lasts: it is told again, but not with every attempt. */
  refusedAgainMs: 10_000,
};
