/** Who should hold the data: the spec's number of voters, of those that stay. */
import { shortened } from '../control/shapes.ts';
import { activeMembers, type ControlState, nameOf } from '../control/state.ts';
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
  const wanted = Math.min(spec.replicas + 1, stay.length);
  const leaving = state.members.filter(({ leaving: left }) => left !== null);
  const heirNames = leaving
    .filter(({ node }) => data.voters.includes(node))
    .map(({ node }) => nameOf(node));
  const voters = choose({
    candidates: stay,
    holders: data.voters,
    wanted,
    rankOf: (node) => rankOf(seen, node, heirNames),
    mayEnter: (node) => seen.nodes.get(node)?.isLeaving === false,
  });
  const coming = voters.filter((node) => !data.voters.includes(node));
  const going = data.voters.filter((node) => !voters.includes(node));
  if (voters.length === 0 || coming.length + going.length === 0) return null;
  // A voter that leaves goes on holding what it holds until there is somebody to go on with.
  const reasons = [
    ...going.map((node) => reasonToGo(state, node)),
    ...coming.map((node) => `${nameOf(node)} takes a place`),
    `the spec wants ${spec.replicas + 1} of ${stay.length} nodes`,
  ];
  return { voters, why: shortened(reasons.join('; ')) };
}

/** The leader first, then who holds the data, then who is there; an heir before other spares. */
function rankOf({ data, nodes }: Observation, node: NodeId, heirNames: readonly string[]): number {
  if (!nodes.has(node)) return 0;
  if (data?.leader === node) return 4;
  if (data?.configuration.voters.includes(node) === true) return 3;
  return heirNames.includes(nameOf(node)) ? 2 : 1;
}

function reasonToGo({ members }: ControlState, node: NodeId): string {
  const leaving = members.find((member) => member.node === node)?.leaving;
  return leaving ? `${nameOf(node)} leaves (${leaving.why})` : `${nameOf(node)} is not needed`;
}
