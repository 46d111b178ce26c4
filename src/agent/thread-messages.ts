/**
 * What the main thread and a thread that serves clients tell one another by messages: what happens
 * seldom. What happens per reply goes through shared memory (`threads/`).
 */
import type { MessagePort } from 'node:worker_threads';
import type { ListedCommand } from '../core/lanes/command-rules.ts';
import type { Route } from '../core/lanes/ports.ts';
import type { ReadsMode } from '../core/reads-mode.ts';
import type { NodeId } from '../core/scalars.ts';
import type { Hello } from '../io/peers/hello.ts';
import type { Address } from '../io/peers/transport.ts';
import type { RelayErrorCode } from '../io/relay/listener.ts';
import type { RelayBounds } from '../io/relay/options.ts';
import type { RelayStats } from '../io/relay/relay.ts';
import type { ThreadReignLimits } from './threads/thread-reign.ts';

/** What a thread is started with. */
export interface ThreadStart {
  readonly host: string;
  readonly port: number;
  readonly bounds: RelayBounds;
  readonly reignLimits: ThreadReignLimits;
  readonly tickMs: number;
  readonly leaseReads: boolean;
  /** Null: peers are spoken to in the clear, on loopback. */
  readonly secret: Uint8Array | null;
  /** Handshakes under way to one peer: this thread's share. */
  readonly openingsMax: number;
  readonly seats: SharedArrayBuffer;
  readonly reign: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly wanted: SharedArrayBuffer;
  /** The main thread's, for whoever wants a round; and this thread's own. */
  readonly mainBell: SharedArrayBuffer;
  readonly ownBell: SharedArrayBuffer;
  /** Carries the ringing of both, and nothing else. */
  readonly bells: MessagePort;
}

/** A peer that is up, and how a stream to its relay is opened. */
export interface RelayTarget {
  readonly node: NodeId;
  readonly address: Address;
  /** Of the process that was admitted. */
  readonly run: string;
}

/** A reign, and how to be let into its life of the server. */
export interface ThreadOpening {
  readonly reign: number;
  readonly socketPath: string;
  readonly auth: { readonly user: string; readonly password: string };
}

export type ThreadOrder =
  | { readonly kind: 'learn'; readonly commands: readonly ListedCommand[] }
  | { readonly kind: 'peers'; readonly hello: Hello; readonly targets: readonly RelayTarget[] }
  | ({ readonly kind: 'open' } & ThreadOpening)
  | { readonly kind: 'endReign'; readonly why: string }
  | { readonly kind: 'route'; readonly route: Exclude<Route, { readonly kind: 'open' }> }
  | { readonly kind: 'reads'; readonly isPaused: boolean }
  /** The server follows without a break; null: not any more. */
  | { readonly kind: 'spell'; readonly spell: number | null; readonly socketPath: string }
  | { readonly kind: 'readsMode'; readonly reads: ReadsMode }
  /** Closes everything; the thread is gone after that. */
  | { readonly kind: 'stop' };

/** `number`: the thread has done all orders up to it. */
export type ThreadAnswer =
  | { readonly kind: 'listening' }
  | { readonly kind: 'notListening'; readonly code: RelayErrorCode; readonly text: string }
  | { readonly kind: 'done'; readonly number: number }
  /** Answered by `PointReached`, or not at all when the spell ends first. */
  | { readonly kind: 'pointWanted'; readonly number: number }
  /** The fence broke, or said what no fence may say. */
  | { readonly kind: 'reignFailed'; readonly reign: number; readonly why: string }
  | { readonly kind: 'acceptFailed'; readonly error: Error };

/** The server has applied all that had been acknowledged when the thread wanted this point. */
export interface PointReached {
  readonly pointReached: number;
}

export interface NumberedOrder {
  readonly number: number;
  readonly order: ThreadOrder;
}

/** What a thread counts, all of it from its own start. */
export type ThreadCounters = RelayStats & { readonly heldBytes: number };

const COUNTERS: Readonly<Record<keyof ThreadCounters, true>> = {
  sessions: true,
  bound: true,
  waiting: true,
  lanes: true,
  passedThrough: true,
  heldSessions: true,
  waitingBytes: true,
  replyBytes: true,
  commandsTotal: true,
  readsHereTotal: true,
  refusedTotal: true,
  connectionsTotal: true,
  rejectedTotal: true,
  heldBytes: true,
};

export const COUNTER_NAMES = Object.keys(COUNTERS) as (keyof ThreadCounters)[];

/** Of any number of them; all 0 for none. */
export function sumOf(all: readonly ThreadCounters[]): ThreadCounters {
  const sums = COUNTER_NAMES.map((name) => [name, all.reduce((sum, each) => sum + each[name], 0)]);
  return Object.fromEntries(sums) as unknown as ThreadCounters;
}

/** The round that a thread wants, and in which reign. */
export const WANTED_NAMES = ['reign', 'round'] as const;
