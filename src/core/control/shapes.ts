/** The shapes that commands and states are made of, as questions about a value from the disk. */
import { isCount, isNodeId, type NodeId } from '../scalars.ts';
import {
  type HistoryPoint,
  LEAD_BY,
  type LeavingBy,
  type MemberFacts,
  NODES_MAX,
  type ShardLead,
} from './state.ts';

/** A host name and a port; a server's version. */
const FACT_CHARS_MAX = 300;
/** A reason in words. */
export const WHY_CHARS_MAX = 500;
const LEAVING_BY: readonly unknown[] = ['order', 'itself', 'absence', 'successor'];

export function isText(value: unknown, charsMax: number): value is string {
  return typeof value === 'string' && value.length <= charsMax;
}

export function isWord(value: unknown): value is NodeId {
  return typeof value === 'string' && isNodeId(value);
}

/** Nobody twice. */
export function isNodeIds(value: unknown): value is NodeId[] {
  if (!Array.isArray(value) || value.length > NODES_MAX) return false;
  return value.every(isWord) && new Set(value).size === value.length;
}

export function isFacts(value: unknown): value is MemberFacts {
  if (typeof value !== 'object' || value === null) return false;
  const facts = value as Record<string, unknown>;
  const texts = ['peerAddress', 'clientAddress', 'httpAddress', 'zone', 'serverVersion'];
  const areTexts = texts.every((name) => isText(facts[name], FACT_CHARS_MAX));
  const { ephemeral, witness, sentinelAddress, clusterServer } = facts;
  if (clusterServer !== undefined && !isServerId(clusterServer)) return false;
  if (sentinelAddress !== undefined && !isText(sentinelAddress, FACT_CHARS_MAX)) return false;
  const isFlag = witness === undefined || typeof witness === 'boolean';
  return areTexts && isFlag && typeof ephemeral === 'boolean';
}

export function isLeavingBy(value: unknown): value is LeavingBy {
  return LEAVING_BY.includes(value);
}

/** A replication id, as servers write it. */
export function isHistory(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{40}$/.test(value);
}

/** A server's id in its cluster. */
export function isServerId(value: unknown): value is string {
  return isHistory(value);
}

export function isLeadBy(value: unknown): value is ShardLead['by'] {
  return LEAD_BY.some((each) => each === value);
}

/** Null for what is none. */
export function pointFrom(value: unknown): HistoryPoint | null {
  if (typeof value !== 'object' || value === null) return null;
  const { history, offset } = value as Record<string, unknown>;
  return isHistory(history) && isCount(offset) ? { history, offset } : null;
}

/** Undefined for what is no JSON. */
export function jsonOf(bytes: Buffer, from: number): unknown {
  try {
    return JSON.parse(bytes.toString('utf8', from));
  } catch {
    return undefined;
  }
}

/** Cut to what a reason may have. */
export function shortened(why: string): string {
  return why.length <= WHY_CHARS_MAX ? why : `${why.slice(0, WHY_CHARS_MAX - 1)}…`;
}
