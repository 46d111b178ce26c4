/**
 * What is wanted of a deployment: the declared spec, its bounds, and changes of it.
 *
 * Pure values. Who reads text (HTTP, flags, a log entry) comes in through `parseSpecChange`, so
 * that no spec exists which is not within its bounds.
 */

import { isReadsMode, READS_MODES, type ReadsMode } from '../reads-mode.ts';

export interface Spec {
  /** Copies of the data beside the leader's: the data group has one voter more. */
  readonly replicas: number;
  /** A member that nobody has seen for so long is replaced, or removed; null: never by itself. */
  readonly forgetAfterMs: number | null;
  /** Of reads that come in on a follower. */
  readonly reads: ReadsMode;
}

export type SpecChange = Partial<Spec>;

/** As many nodes as a charter has. */
export const REPLICAS_MAX = 63;
/** Shorter than the time a node may need to start, it would replace whoever restarts. */
export const FORGET_AFTER_MS_MIN = 10_000;
export const FORGET_AFTER_MS_MAX = 365 * 24 * 3_600_000;
/** Longer than a machine's restart, or an upgrade of its system. */
export const FORGET_AFTER_MS_DEFAULT = 10 * 60_000;

export function specFounded(
  nodes: number,
  forgetAfterMs: number | null,
  reads: ReadsMode = 'leader',
): Spec {
  return { replicas: Math.min(REPLICAS_MAX, nodes - 1), forgetAfterMs, reads };
}

/** A change within the bounds, or what is wrong with it. */
export function parseSpecChange(value: unknown): SpecChange | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'a change of the spec is an object';
  const { replicas, forgetAfterMs, reads, ...others } = value as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `the spec has no ${JSON.stringify(unknown)}`;
  if (replicas !== undefined && !isBetween(replicas, 0, REPLICAS_MAX))
    return `replicas is a number from 0 to ${REPLICAS_MAX}`;
  if (
    forgetAfterMs !== undefined &&
    forgetAfterMs !== null &&
    !isBetween(forgetAfterMs, FORGET_AFTER_MS_MIN, FORGET_AFTER_MS_MAX)
  )
    return 'forgetAfter is a time from 10s to 365d, or never';
  if (reads !== undefined && !isReadsMode(reads)) return `reads is ${READS_MODES.join(', ')}`;
  return {
    ...(replicas === undefined ? {} : { replicas }),
    ...(forgetAfterMs === undefined ? {} : { forgetAfterMs }),
    ...(reads === undefined ? {} : { reads }),
  };
}

/** Null when it is none. One that was written before there was a choice of reads has none. */
export function parseSpec(value: unknown): Spec | null {
  const change = parseSpecChange(value);
  if (typeof change === 'string') return null;
  const { replicas, forgetAfterMs, reads = 'leader' } = change;
  if (replicas === undefined || forgetAfterMs === undefined) return null;
  return { replicas, forgetAfterMs, reads };
}

function isBetween(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}
