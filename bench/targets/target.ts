/** What is compared: something that takes SET and GET, started here and stopped in the end. */
import type { NamedProcess } from '../cpu.ts';

export type Protocol = 'resp' | 'etcd';

export interface Target {
  /** In tables and plots: `bare`, `always`, `etcd`, `deployment`, `tls`, or a variant's name. */
  readonly name: string;
  readonly protocol: Protocol;
  start(signal: AbortSignal): Promise<void>;
  /** Where the load goes now: with a leader, the leader's port. */
  port(): Promise<number>;
  processes(): Promise<readonly NamedProcess[]>;
  /** What came before does not weigh on what comes next: followers are level. */
  settle(signal: AbortSignal): Promise<void>;
  /** Also when it never started; may be called twice. */
  stop(): Promise<void>;
}

export class TargetError extends Error {
  override readonly name = 'TargetError';
}
