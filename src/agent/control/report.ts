/**
 * What every node tells its peers of itself about once a second: the control leader sees by it, and
 * whoever is in no configuration learns who leads. Best effort; checked like all from the network.
 */
import { NODES_MAX } from '../../core/control/state.ts';
import { configurationFrom } from '../../core/raft/configuration.ts';
import type { Configuration } from '../../core/raft/protocol.ts';
import { isNodeId, type NodeId } from '../../core/scalars.ts';

export interface Report {
  /** Of the data group here. */
  readonly term: number;
  /** Whom it takes for the data group's leader; a leader names itself. */
  readonly leader: NodeId | null;
  /** What is committed there; null where this node does not lead. */
  readonly configuration: Configuration | null;
  /** The decision that was read there and needs no step any more; null: none, or no leader. */
  readonly carriedOut: number | null;
  /** Why the data group is not as it was decided yet, in words; empty when it is. */
  readonly waits: string;
  /** Of the control group, as far as this node knows. */
  readonly controlLeader: NodeId | null;
  /** To whom it is connected. */
  readonly up: readonly NodeId[];
  /** Where those say they can be reached, so that who knows one node comes to know all. */
  readonly addresses: readonly string[];
  /** It is being stopped, and leaves for that. */
  readonly isLeaving: boolean;
}

const WAITS_CHARS_MAX = 300;
const ADDRESS_CHARS_MAX = 300;

/** Null for what is no report. */
export function reportFrom(body: unknown): Report | null {
  if (typeof body !== 'object' || body === null) return null;
  const {
    term,
    leader,
    configuration,
    carriedOut = null,
    waits,
    controlLeader,
    up,
    addresses,
    isLeaving,
  } = body as Record<string, unknown>;
  if (typeof term !== 'number' || !Number.isSafeInteger(term) || term < 0) return null;
  if (!isNodeOrNull(leader) || !isNodeOrNull(controlLeader)) return null;
  const members = configuration === null ? null : configurationFrom(configuration);
  if (configuration !== null && members === null) return null;
  if (carriedOut !== null && (typeof carriedOut !== 'number' || !Number.isSafeInteger(carriedOut)))
    return null;
  if (typeof waits !== 'string' || typeof isLeaving !== 'boolean') return null;
  if (!isList(up) || !up.every(isNode)) return null;
  if (!isList(addresses) || !addresses.every(isAddress)) return null;
  return {
    term,
    leader,
    configuration: members,
    carriedOut,
    waits: waits.slice(0, WAITS_CHARS_MAX),
    controlLeader,
    up,
    addresses,
    isLeaving,
  };
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length <= NODES_MAX;
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && value.length <= ADDRESS_CHARS_MAX;
}

function isNode(value: unknown): value is NodeId {
  return typeof value === 'string' && isNodeId(value);
}

function isNodeOrNull(value: unknown): value is NodeId | null {
  return value === null || isNode(value);
}
