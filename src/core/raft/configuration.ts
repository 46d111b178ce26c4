/**
 * Who counts, as a value: how one change makes the next configuration, and its bytes in the log.
 *
 * A configuration entry is an entry like any other whose payload begins with `CONFIGURATION_KIND`;
 * no payload of an application may. So neither the log's format nor the wire knows of it, and a
 * program that does not know the kind stops at it.
 *
 *   kind 3 (1 byte), version 1 (1), decision (8), voters, learners: a count and the ids of each
 *
 * Counts are 2 bytes and lengths of ids 1, numbers big endian.
 */
import { assert, unreachable } from '../../assert.ts';
import { asBuffer, readUint64, writeUint64 } from '../bytes.ts';
import { isNodeId, type NodeId, sorted } from '../scalars.ts';
import type { Configuration, MemberChange } from './protocol.ts';

export const CONFIGURATION_KIND = 3;
const VERSION = 1;
const HEAD_BYTES = 10;
/** Voters and learners together: more is not a group but an error. */
export const MEMBERS_MAX = 1024;

/** As a deployment begins: voters only, by no decision. */
export function founded(voters: readonly NodeId[]): Configuration {
  return { voters: sorted(voters), learners: [], decision: 0 };
}

export function isMember({ voters, learners }: Configuration, node: NodeId): boolean {
  return voters.includes(node) || learners.includes(node);
}

export function isSameConfiguration(one: Configuration, other: Configuration): boolean {
  return one.decision === other.decision && nameOf(one) === nameOf(other);
}

/** The next configuration: one voter more or less, or one learner (thesis §4.1). */
export function changed(
  from: Configuration,
  { kind, node }: MemberChange,
  decision: number,
): Configuration {
  const without = (ids: readonly NodeId[]) => ids.filter((id) => id !== node);
  const [voters, learners] = [without(from.voters), without(from.learners)];
  switch (kind) {
    case 'addLearner':
      return { voters, learners: sorted([...learners, node]), decision };
    case 'promote':
      return { voters: sorted([...voters, node]), learners, decision };
    case 'remove':
      return { voters, learners, decision };
    default:
      return unreachable(kind);
  }
}

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, learners, decision } = configuration;
  assert(isWhole(configuration), 'a configuration that is written is sound');
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = CONFIGURATION_KIND;
  head[1] = VERSION;
  writeUint64(head, decision, 2);
  return Buffer.concat([head, encodeIds(voters), encodeIds(learners)]);
}

export function isConfigurationPayload(payload: Uint8Array): boolean {
  return payload[0] === CONFIGURATION_KIND;
}

/** Null for what is no configuration of this version. */
export function decodeConfiguration(payload: Uint8Array): Configuration | null {
  if (!isConfigurationPayload(payload) || payload[1] !== VERSION) return null;
  const bytes = asBuffer(payload);
  if (bytes.length < HEAD_BYTES) return null;
  const decision = readUint64(bytes, 2);
  const voters = decodeIds(bytes, HEAD_BYTES);
  const learners = voters === null ? null : decodeIds(bytes, voters.end);
  if (voters === null || learners === null || learners.end !== bytes.length) return null;
  const configuration = { voters: voters.ids, learners: learners.ids, decision };
  return isWhole(configuration) ? configuration : null;
}

/** From JSON that somebody wrote; before there were learners and decisions it named voters only. */
export function configurationFrom(value: unknown): Configuration | null {
  if (typeof value !== 'object' || value === null) return null;
  const { voters, learners = [], decision = 0 } = value as Record<string, unknown>;
  if (!isIds(voters) || !isIds(learners) || typeof decision !== 'number') return null;
  const configuration = { voters: sorted(voters), learners: sorted(learners), decision };
  return isWhole(configuration) ? configuration : null;
}

/** Nobody twice, somebody who votes, and a number that is one. */
function isWhole({ voters, learners, decision }: Configuration): boolean {
  const ids = [...voters, ...learners];
  if (voters.length === 0 || ids.length > MEMBERS_MAX) return false;
  return new Set(ids).size === ids.length && Number.isSafeInteger(decision) && decision >= 0;
}

function isIds(value: unknown): value is readonly NodeId[] {
  return Array.isArray(value) && value.every((id) => typeof id === 'string' && isNodeId(id));
}

function nameOf({ voters, learners }: Configuration): string {
  return `${sorted(voters).join()} ${sorted(learners).join()}`;
}

function encodeIds(ids: readonly NodeId[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(ids.length);
  return Buffer.concat([count, ...ids.flatMap((id) => [Buffer.of(id.length), Buffer.from(id)])]);
}

function decodeIds(bytes: Buffer, from: number): { ids: NodeId[]; end: number } | null {
  if (from + 2 > bytes.length) return null;
  const ids: NodeId[] = [];
  let at = from + 2;
  for (let left = bytes.readUInt16BE(from); left > 0; left--) {
    const length = bytes[at] ?? 0;
    const id = bytes.toString('latin1', at + 1, at + 1 + length);
    at += 1 + length;
    if (at > bytes.length || !isNodeId(id)) return null;
    ids.push(id);
  }
  return { ids, end: at };
}
