/** Numbers and names that must not be mixed up, each with its checked constructor. */
import { assert } from '../assert.ts';

declare const unit: unique symbol;
type Scalar<Name extends string> = number & { readonly [unit]: Name };
type Name<Kind extends string> = string & { readonly [unit]: Kind };

/** Election term. Starts at 0 and only grows (Raft §5.1). */
export type Term = Scalar<'Term'>;
/** Position in the Raft log. The first entry is 1; 0 means "before the log". */
export type LogIndex = Scalar<'LogIndex'>;
/**
 * Byte position in the server's replication stream: the count of bytes before and including it,
 * the number a replica acknowledges. It means nothing without its reign (`facts/holes.md` H1).
 */
export type ReplOffset = Scalar<'ReplOffset'>;
/** A voter, learner or copy: `<node name>@<first 8 hex of its directory id>`. Never an address. */
export type NodeId = Name<'NodeId'>;
/** A Raft group of a deployment. The data group of shard 0 is `data0`. */
export type GroupId = Name<'GroupId'>;

/** Of a value from a disk or a peer. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

export function term(n: number): Term {
  assert(isCount(n), 'a term is a safe integer, at least 0');
  return n as Term;
}

export function logIndex(n: number): LogIndex {
  assert(isCount(n), 'a log index is a safe integer, at least 0');
  return n as LogIndex;
}

export function replOffset(n: number): ReplOffset {
  assert(isCount(n), 'a replication offset is a safe integer, at least 0');
  return n as ReplOffset;
}

/** Node names are short and printable so that they can stand in file names, logs and commands. */
const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}@[0-9a-f]{8}$/;

export function nodeId(text: string): NodeId {
  assert(NODE_ID.test(text), 'a node id is name@8-hex');
  return text as NodeId;
}

export function isNodeId(text: string): text is NodeId {
  return NODE_ID.test(text);
}

/** In the order in which nodes stand wherever it must be the same on all of them. */
export function sorted(ids: readonly NodeId[]): NodeId[] {
  return ids.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

export function groupId(text: string): GroupId {
  assert(/^[a-z][a-z0-9-]{0,30}$/.test(text), 'a group id is a short lower-case word');
  return text as GroupId;
}
