/** What a simulated machine is given. */
import type { Notice } from '../src/core/raft/driver.ts';
import type { NodeId } from '../src/core/scalars.ts';
import type { Host } from './host.ts';
import type { Invariants } from './invariants.ts';
import type { Packet } from './life.ts';
import type { PassOptions } from './pass-wire.ts';
import type { Plan } from './plan.ts';
import type { Shadow } from './shadow.ts';
import type { Timeline } from './time.ts';

export interface HostOptions {
  readonly name: string;
  readonly seed: number;
  readonly plan: Plan;
  readonly tickUs: number;
  /** By how much its monotonic clock is slow. */
  readonly slowPermille: number;
  /** How far the wall clock is off. */
  readonly clockMs: number;
  readonly timeline: Timeline;
  readonly invariants: Invariants;
  readonly shadows: Map<NodeId, Shadow>;
  readonly voters: readonly NodeId[];
  readonly isWitness: boolean;
  readonly send: (from: NodeId, to: NodeId, packet: Packet) => void;
  readonly sendAll: (from: NodeId, packet: Packet) => void;
  readonly reach: PassOptions['reach'];
  readonly onAlive: (host: Host) => void;
  readonly onDead: (host: Host) => void;
  readonly onNotice: (host: Host, notice: Notice) => void;
  readonly note: ((who: string, what: string) => void) | null;
}
