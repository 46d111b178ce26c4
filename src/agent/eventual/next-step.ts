/**
 * What to do next with a server, from what is agreed on, how it stands and whether a lease is held:
 * a pure table. Null: it is as it should be, or somebody else has to do something first.
 */
import type { Primary } from '../../core/control/state.ts';
import type { NodeId } from '../../core/scalars.ts';
import type { ServerSeen, ServerStep } from './ports.ts';

export interface StepInput {
  readonly id: NodeId;
  readonly primary: Primary | null;
  /** Where a member's server is found, `host:port`; empty: not known. */
  readonly addressOf: (node: NodeId) => string;
  readonly seen: ServerSeen;
  /** A lease of the decision in force is held, with time left to shut the server. */
  readonly mayBeOpen: boolean;
  /** Until when that one lasts. */
  readonly untilMs: number;
  /** As the spec has it, of a primary that is open. */
  readonly minReplicas: number;
  /** The decision is known to be in force, and not one that is read again after a start. */
  readonly isInForce: boolean;
  /** No older lease is alive. */
  readonly isCleared: boolean;
  /** It is one of those that should hold the data, and no spare. */
  readonly isHolder: boolean;
  /** Its data are known to be of the history that the decision goes on from. */
  readonly holdsBase: boolean;
  /** The server was promoted by the decision in force. */
  readonly isPromoted: boolean;
  /** The server is open by a lease of an earlier decision, which lasts. */
  readonly holdsLease: boolean;
  /** Its clients' writes wait for the heir. */
  readonly isPaused: boolean;
  /** The agreed history that its data are known to be of, counted by itself; null: none. */
  readonly holdsHistory: string | null;
}

export type NextStep = Exclude<ServerStep, { kind: 'pause' }> | { readonly kind: 'pause' };

export function nextStep(input: StepInput): NextStep | null {
  const { id, primary, seen } = input;
  if (seen.isLoading) return null;
  if (primary === null) return seen.role === 'primary' ? { kind: 'detach' } : null;
  if (primary.node === id) return asPrimary(input, primary);
  if (seen.role === 'primary') return asFormer(input, primary);
  return asReplica(input, primary);
}

function asPrimary(input: StepInput, { history, base }: Primary): NextStep | null {
  const { seen, mayBeOpen, untilMs, minReplicas, isCleared, holdsBase } = input;
  const { isPromoted, holdsHistory } = input;
  if (seen.role === 'replica') {
    if (history !== null) return null;
    return isCleared && holdsBase ? { kind: 'promote' } : null;
  }
  const isGoingOn = holdsHistory !== null && holdsHistory === base && seen.history === base;
  const isIt = history === null ? isPromoted || isGoingOn : seen.history === history;
  // A server that is a primary for any other reason has nothing that was agreed on.
  if (!isIt) return { kind: 'detach' };
  if (mayBeOpen && history !== null) {
    const isRight = !seen.isShut && seen.minReplicas === minReplicas;
    return isRight ? null : { kind: 'open', untilMs, minReplicas };
  }
  return seen.isShut ? null : { kind: 'shut' };
}

/** It was the primary, and is to be none; with a hand-over not before the heir has everything. */
function asFormer(input: StepInput, primary: Primary): NextStep | null {
  const { seen, isPaused, holdsLease, holdsHistory } = input;
  const { isPlanned, history, base } = primary;
  const isHandingOver = isPlanned && history === null && holdsHistory === base;
  if (!isHandingOver) return { kind: 'detach' };
  if (!holdsLease && !seen.isShut) return { kind: 'shut' };
  if (!isPaused && !seen.isShut) return { kind: 'pause' };
  const heir = seen.replicas.find(({ address }) => address === input.addressOf(primary.node));
  return heir !== undefined && heir.offset >= seen.offset ? { kind: 'detach' } : null;
}

/**
 * It stays with whom it has until the new primary is open, and gives up what it has for no other.
 * A spare follows nobody, and keeps what it has for when it is needed again.
 */
function asReplica(input: StepInput, primary: Primary): NextStep | null {
  if (!input.isHolder) return input.seen.upstream === null ? null : { kind: 'detach' };
  const address = addressToFollow(input, primary);
  return address === null || !input.isInForce ? null : { kind: 'follow', address };
}

/** Null: it follows the primary already, or there is nobody to follow. */
export function addressToFollow(
  { id, addressOf, seen }: Pick<StepInput, 'id' | 'addressOf' | 'seen'>,
  { node, history }: Primary,
): string | null {
  const address = addressOf(node);
  if (node === id || history === null || seen.role === 'primary' || seen.isLoading) return null;
  return address === '' || seen.upstream === address ? null : address;
}
