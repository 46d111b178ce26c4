/**
 * The state as bytes: the body of a control group's snapshot.
 *
 *   version 1 (1 byte), JSON
 *
 * Read back with every bound checked: a state that was written by another version of the program is
 * named, and never guessed at.
 */
import { assert } from '../../assert.ts';
import { asBuffer } from '../bytes.ts';
import { isCount } from '../scalars.ts';
import {
  isFacts,
  isHistory,
  isLeavingBy,
  isNodeIds,
  isText,
  isWord,
  jsonOf,
  pointFrom,
  WHY_CHARS_MAX,
} from './shapes.ts';
import { leadFrom } from './shards.ts';
import { parseSpec } from './spec.ts';
import {
  type ControlMember,
  type ControlState,
  type DataRoles,
  type Decision,
  HISTORY_MAX,
  type Leaving,
  NODES_MAX,
  type Primary,
  type ShardsAgreed,
} from './state.ts';

const VERSION = 1;
/** NODES_MAX members with their facts, and the history. */
export const STATE_BYTES_MAX = 4 * 1024 * 1024;
const KINDS: readonly unknown[] = ['found', 'join', 'spec', 'data', 'primary', 'leave'];

export function encodeState(state: ControlState): Buffer {
  const bytes = Buffer.concat([Buffer.of(VERSION), Buffer.from(JSON.stringify(state))]);
  assert(bytes.length <= STATE_BYTES_MAX, 'a state is within its bound');
  return bytes;
}

/** Null for what is no state of this version. */
export function decodeState(bytes: Uint8Array): ControlState | null {
  if (bytes[0] !== VERSION || bytes.length > STATE_BYTES_MAX) return null;
  const fields = recordOf(jsonOf(asBuffer(bytes), 1));
  if (fields === null) return null;
  const { specVersion, removed } = fields;
  const spec = fields['spec'] === null ? null : parseSpec(fields['spec']);
  const members = listOf(fields['members'], NODES_MAX, memberFrom);
  const history = listOf(fields['history'], HISTORY_MAX, decisionFrom);
  const data = dataFrom(fields['data']);
  if (spec === null && fields['spec'] !== null) return null;
  if (!isCount(specVersion) || !isNodeIds(removed)) return null;
  if (members === null || history === null || data === null) return null;
  const ids = members.map(({ node }) => node);
  if (!isNodeIds(ids) || data.voters.some((node) => !ids.includes(node))) return null;
  const { importer } = fields;
  if (importer !== undefined && !isWord(importer)) return null;
  const shards = fields['shards'] === undefined ? undefined : shardsFrom(fields['shards']);
  if (shards === null) return null;
  const state = {
    ...{ spec, specVersion, members, data, removed, history },
    ...(importer === undefined ? {} : { importer }),
    ...(shards === undefined ? {} : { shards }),
  };
  if (fields['primary'] === undefined) return state;
  const primary = primaryFrom(fields['primary']);
  return primary === null ? null : { ...state, primary };
}

function memberFrom(value: unknown): ControlMember | null {
  const { node, facts, leaving } = recordOf(value) ?? {};
  const parsed = leaving === null ? null : leavingFrom(leaving);
  if (!isWord(node) || !isFacts(facts) || (leaving !== null && parsed === null)) return null;
  return { node, facts, leaving: parsed };
}

function leavingFrom(value: unknown): Leaving | null {
  const { by, why, since } = recordOf(value) ?? {};
  if (!isLeavingBy(by) || !isText(why, WHY_CHARS_MAX) || !isCount(since)) return null;
  return { by: by as Leaving['by'], why, since };
}

function dataFrom(value: unknown): DataRoles | null {
  const { decision, voters, isSettled } = recordOf(value) ?? {};
  if (!isCount(decision) || !isNodeIds(voters) || typeof isSettled !== 'boolean') return null;
  return { decision, voters, isSettled };
}

function primaryFrom(value: unknown): Primary | null {
  const { decision, node, isPlanned, base, history, from, former } = recordOf(value) ?? {};
  if (!isCount(decision) || !isWord(node) || typeof isPlanned !== 'boolean') return null;
  if (base !== null && !isHistory(base)) return null;
  if (history !== null && !isHistory(history)) return null;
  if (former !== null && !isWord(former)) return null;
  const point = from === null ? null : pointFrom(from);
  if (point === null && from !== null) return null;
  return { decision, node, isPlanned, base, history, from: point, former };
}

function shardsFrom(value: unknown): ShardsAgreed | null {
  const { isFounded, leads: all } = recordOf(value) ?? {};
  const leads = listOf(all, NODES_MAX, leadFrom);
  return leads === null || typeof isFounded !== 'boolean' ? null : { isFounded, leads };
}

function decisionFrom(value: unknown): Decision | null {
  const { index, atMs, kind, text, outcome, endedAtMs } = recordOf(value) ?? {};
  if (!isCount(index) || !isCount(atMs) || !KINDS.includes(kind)) return null;
  if (typeof text !== 'string' || (outcome !== null && typeof outcome !== 'string')) return null;
  if (endedAtMs !== null && !isCount(endedAtMs)) return null;
  return { index, atMs, kind: kind as Decision['kind'], text, outcome, endedAtMs };
}

function recordOf(value: unknown): Record<string, unknown> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return value as Record<string, unknown>;
}

function listOf<T>(value: unknown, max: number, from: (each: unknown) => T | null): T[] | null {
  if (!Array.isArray(value) || value.length > max) return null;
  const items: T[] = [];
  for (const each of value as unknown[]) {
    const item = from(each);
    if (item === null) return null;
    items.push(item);
  }
  return items;
}
