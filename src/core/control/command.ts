/**
 * The commands of the control group's log, and their bytes.
 *
 *   kind 4 (1 byte), version 1 (1), JSON
 *
 * The kind byte keeps clear of Raft's own configurations (3). Whoever meets a version or a command
 * that it does not know must stop: to skip it would make its state another than everybody's.
 */
import { assert } from '../../assert.ts';
import { asBuffer } from '../bytes.ts';
import { isCount, type NodeId } from '../scalars.ts';
import {
  isFacts,
  isHistory,
  isLeadBy,
  isLeavingBy,
  isNodeIds,
  isServerId,
  isText,
  isWord,
  jsonOf,
  pointFrom,
  WHY_CHARS_MAX,
} from './shapes.ts';
import { parseSpec, parseSpecChange, type Spec, type SpecChange } from './spec.ts';
import type { HistoryPoint, LeavingBy, MemberFacts, ShardLead } from './state.ts';

/** `atMs`: the proposer's clock, for people. `why` is for them too. */
export type Command = { readonly atMs: number } & (
  | {
      readonly kind: 'found';
      readonly spec: Spec;
      readonly founders: readonly NodeId[];
      /** Of them, whose data are to be the first; absent: nobody's. */
      readonly importer?: NodeId;
    }
  /** A node of the deployment is there: a new member, or news of one. */
  | { readonly kind: 'meet'; readonly node: NodeId; readonly facts: MemberFacts }
  | {
      readonly kind: 'spec';
      readonly change: SpecChange;
      /** Refused when the spec is at another version; null: at any. */
      readonly ifVersion: number | null;
    }
  | {
      readonly kind: 'decide';
      /** The decision that it follows: whoever planned on another one is refused. */
      readonly basis: number;
      readonly voters: readonly NodeId[];
      readonly why: string;
    }
  /** The data group has done as it was decided. */
  | { readonly kind: 'settle'; readonly decision: number }
  /** From now on it is leaving. */
  | {
      readonly kind: 'dismiss';
      readonly node: NodeId;
      readonly by: LeavingBy;
      readonly why: string;
    }
  | {
      readonly kind: 'appoint';
      /** The appointment that it follows, 0 for none: whoever planned on another is refused. */
      readonly basis: number;
      readonly node: NodeId;
      readonly isPlanned: boolean;
      readonly why: string;
    }
  /** The one appointed by `decision` has promoted its server, and no older lease is alive. */
  | {
      readonly kind: 'opened';
      readonly decision: number;
      readonly history: string;
      readonly from: HistoryPoint | null;
    }
  /** In many shards: a server becomes the one that takes the writes of one. */
  | {
      readonly kind: 'lead';
      /** The decision that it replaces, 0 for none: another one in force is refused. */
      readonly basis: number;
      readonly node: NodeId;
      readonly server: string;
      readonly by: ShardLead['by'];
      readonly why: string;
    }
  /** The server that this decision appointed has no slots any more. */
  | { readonly kind: 'endLead'; readonly decision: number }
  /** All slots were somebody's, for the first time. */
  | { readonly kind: 'slotsGiven' }
  /** It has left the data group, and is no member any more. */
  | { readonly kind: 'forget'; readonly node: NodeId }
);

export const COMMAND_KIND = 4;
const VERSION = 1;
/** A command names nodes and says why; of NODES_MAX nodes that is some 20 KiB. */
export const COMMAND_BYTES_MAX = 64 * 1024;

export function encodeCommand(command: Command): Buffer {
  const bytes = Buffer.concat([
    Buffer.of(COMMAND_KIND, VERSION),
    Buffer.from(JSON.stringify(command)),
  ]);
  assert(bytes.length <= COMMAND_BYTES_MAX, 'a command is within its bound');
  assert(decodeCommand(bytes) !== null, 'a command that is written can be read');
  return bytes;
}

/** Null for what is no command of this version. */
export function decodeCommand(payload: Uint8Array): Command | null {
  if (payload[0] !== COMMAND_KIND || payload[1] !== VERSION) return null;
  if (payload.length > COMMAND_BYTES_MAX) return null;
  return commandFrom(jsonOf(asBuffer(payload), 2));
}

/** From whatever somebody sent; null for what is no command. */
export function commandFrom(value: unknown): Command | null {
  if (typeof value !== 'object' || value === null) return null;
  const fields = value as Record<string, unknown>;
  const { kind, atMs } = fields;
  if (!isCount(atMs)) return null;
  switch (kind) {
    case 'found': {
      const spec = parseSpec(fields['spec']);
      const { founders, importer } = fields;
      if (spec === null || !isNodeIds(founders) || founders.length === 0) return null;
      if (importer === undefined) return { kind, atMs, spec, founders };
      if (!isWord(importer) || !founders.includes(importer)) return null;
      return { kind, atMs, spec, founders, importer };
    }
    case 'meet': {
      const { node, facts } = fields;
      return isWord(node) && isFacts(facts) ? { kind, atMs, node, facts } : null;
    }
    case 'spec': {
      const { ifVersion } = fields;
      const change = parseSpecChange(fields['change']);
      if (typeof change === 'string' || (ifVersion !== null && !isCount(ifVersion))) return null;
      return { kind, atMs, change, ifVersion };
    }
    case 'decide': {
      const { basis, voters, why } = fields;
      if (!isCount(basis) || !isNodeIds(voters) || voters.length === 0) return null;
      return isText(why, WHY_CHARS_MAX) ? { kind, atMs, basis, voters, why } : null;
    }
    case 'settle': {
      const { decision } = fields;
      return isCount(decision) ? { kind, atMs, decision } : null;
    }
    case 'dismiss': {
      const { node, by, why } = fields;
      if (!isWord(node) || !isLeavingBy(by) || !isText(why, WHY_CHARS_MAX)) return null;
      return { kind, atMs, node, by: by as LeavingBy, why };
    }
    case 'appoint': {
      const { basis, node, isPlanned, why } = fields;
      if (!isCount(basis) || !isWord(node) || typeof isPlanned !== 'boolean') return null;
      return isText(why, WHY_CHARS_MAX) ? { kind, atMs, basis, node, isPlanned, why } : null;
    }
    case 'opened': {
      const { decision, history } = fields;
      const from = fields['from'] === null ? null : pointFrom(fields['from']);
      if (!isCount(decision) || !isHistory(history)) return null;
      if (from === null && fields['from'] !== null) return null;
      return { kind, atMs, decision, history, from };
    }
    case 'forget': {
      const { node } = fields;
      return isWord(node) ? { kind, atMs, node } : null;
    }
    default:
      return shardCommandFrom(atMs, fields);
  }
}

function shardCommandFrom(
  atMs: number,
  { kind, basis, node, server, by, why, decision }: Record<string, unknown>,
): Command | null {
  if (kind === 'slotsGiven') return { kind, atMs };
  if (kind === 'endLead') return isCount(decision) ? { kind, atMs, decision } : null;
  if (kind !== 'lead') return null;
  if (!isCount(basis) || !isWord(node) || !isServerId(server) || !isLeadBy(by)) return null;
  return isText(why, WHY_CHARS_MAX) ? { kind, atMs, basis, node, server, by, why } : null;
}
