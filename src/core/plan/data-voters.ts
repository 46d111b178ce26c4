/**
 * Who should hold the data, and who should vote on it beside them: of those that stay.
 *
 * The spec's number of nodes with a server, as far as there are so many. A witness makes an even
 * number of them odd: with an odd one it would be one more that must answer, and a lone node would
 * depend on it. So any majority has a node in it that can serve.
 */
import { shortened } from '../control/shapes.ts';
import { isSharded } from '../control/spec.ts';
import {
  activeMembers,
  type ControlMember,
  type ControlState,
  isWitness,
  nameOf,
} from '../control/state.ts';
import type { NodeId } from '../scalars.ts';
import { choose } from './choose.ts';
import type { Observation } from './observation.ts';

export interface DataDecision {
  readonly voters: readonly NodeId[];
  readonly why: string;
}

/** Null when the decision in force is still the right one. */
export function nextDataDecision(state: ControlState, seen: Observation): DataDecision | null {
  const { spec, data } = state;
  if (spec === null) return null;
  const stay = activeMembers(state);
  const able = stay.filter((member) => !isWitnessSeen(member, seen));
  // Of many shards each node has some, and the planner of shards says which.
  const copies = isSharded(spec) ? able.length : spec.replicas + 1;
  const wanted = Math.min(copies, able.length);
  const leaving = state.members.filter(({ leaving: left }) => left !== null);
  const heirNames = leaving
    .filter(({ node }) => data.voters.includes(node))
    .map(({ node }) => nameOf(node));
  const choice = {
    holders: data.voters,
    rankOf: (node: NodeId) => rankOf(state, seen, node, heirNames),
    mayEnter: (node: NodeId) => seen.nodes.get(node)?.isLeaving === false,
  };
  const holders = choose({ ...choice, candidates: able, wanted });
  if (holders.length === 0) return null;
  const witnesses = choose({
    ...choice,
    candidates: stay.filter((member) => !able.includes(member)),
    wanted: witnessesWanted(holders.length),
  });
  const voters = [...holders, ...witnesses].sort((a, b) => (a < b ? -1 : 1));
  const coming = voters.filter((node) => !data.voters.includes(node));
  const going = data.voters.filter((node) => !voters.includes(node));
  if (coming.length + going.length === 0) return null;
  // A voter that leaves goes on holding what it holds until there is somebody to go on with.
  const reasons = [
    ...going.map((node) => reasonToGo(state, node)),
    ...coming.map((node) => `${nameOf(node)} ${placeOf(node, witnesses)}`),
    `the spec wants ${copies} of ${able.length} nodes`,
  ];
  return { voters, why: shortened(reasons.join('; ')) };
}

function witnessesWanted(holders: number): number {
  return holders % 2 === 0 ? 1 : 0;
}

/** What it says of itself now, before that is agreed on. */
function isWitnessSeen({ node, facts }: ControlMember, { nodes }: Observation): boolean {
  return isWitness(nodes.get(node)?.facts ?? facts);
}

function placeOf(node: NodeId, witnesses: readonly NodeId[]): string {
  return witnesses.includes(node) ? 'votes as a witness' : 'takes a place';
}

/**
 * The leader first, then who holds the data, those that have all of it before those that are being
 * given it; then who is there, an heir before other spares.
 */
function rankOf(
  { primary }: ControlState,
  { data, nodes, eventual }: Observation,
  node: NodeId,
  heirNames: readonly string[],
): number {
  if (!nodes.has(node)) return 0;
  if (data?.leader === node) return 5;
  // In a strong deployment the data group itself sees to that: voters are level.
  const standing = eventual?.standings.get(node);
  const isLevel = standing?.isExact === true && standing.history === primary?.history;
  if (data?.configuration.voters.includes(node) === true) return isLevel ? 4 : 3;
  return heirNames.includes(nameOf(node)) ? 2 : 1;
}

function reasonToGo({ members }: ControlState, node: NodeId): string {
  const leaving = members.find((member) => member.node === node)?.leaving;
  return leaving ? `${nameOf(node)} leaves (${leaving.why})` : `${nameOf(node)} is not needed`;
}
