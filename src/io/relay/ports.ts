/**
 * What the relay needs of the agent. `agent/strong` keeps these contracts; the tests of this room
 * keep them with fakes.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Hold } from '../../core/lanes/ports.ts';
import type { NodeId } from '../../core/scalars.ts';

export interface RelayPorts {
  /** A new connection to the local server's private socket; it may still be connecting. */
  connectServer(): Socket;
  /** A new pass-through stream to the leader's relay. Rejects when it cannot be reached. */
  connectLeader(node: NodeId, signal: AbortSignal): Promise<Duplex>;
  /**
   * Calls `reached` when the own server, which follows, has applied all that had been acknowledged
   * to anybody before this call; never, when it follows no more.
   */
  readPoint(reached: () => void): void;
  /** The ticket of a command read now: a leadership round of this number or later begins later. */
  nextRound(): number;
  readonly hold: Hold;
}
