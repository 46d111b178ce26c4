/** What the nemesis acts on. */
import type { Failing } from './disk.ts';
import type { Network } from './network.ts';
import type { Promised } from './power.ts';
import type { RotKind } from './rot.ts';

/** What faults can be done to. Each is a wish: nothing happens when it does not apply. */
export interface Targets {
  /** Host names, in a fixed order; copies come last. */
  readonly hosts: readonly string[];
  readonly voterHosts: readonly string[];
  readonly network: Network<unknown>;
  crash(host: string): void;
  /** The power goes just before the given effect, counted from now, is carried out. */
  crashAtEffect(host: string, effects: number): void;
  /** The power goes right after the next such promise has left. */
  crashAfter(host: string, promise: Promised): void;
  /** Somebody who believes to lead, if there is one; somebody else than that one. */
  leaderHost(than?: string): string | null;
  /** No cut that was set is to come any more. */
  disarm(host: string): void;
  start(host: string): void;
  pause(host: string): void;
  resume(host: string): void;
  slowDisk(host: string, factor: number): void;
  fillDisk(host: string): void;
  freeDisk(host: string): void;
  failDisk(host: string, failing: Failing): void;
  /** Damages a file; the host that finds it out comes back as a copy. */
  rot(host: string, kind: RotKind): void;
  /** Loses the directory while down; comes back as a copy. */
  wipe(host: string): void;
  /** A hint that it is there, or is not: the one or the other unless told. */
  peerLost(host: string, peer: string, isLost?: boolean): void;
  handOver(host: string, to: string | null): void;
  /** It has somebody else lead, at once. */
  resign(host: string): void;
  copyJoins(): void;
  crashServer(host: string): void;
  hangServer(host: string, isHung: boolean): void;
  /** A connection of clients to its server breaks. */
  breakClient(host: string): void;
  /** The connection on which its server follows breaks, and comes again. */
  cutFeed(host: string): void;
}
