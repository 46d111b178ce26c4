/**
 * Whom to choose among equals: for the control group's votes, and for the data.
 *
 * Whoever has a place keeps it, so that nothing moves without need. Places are given, and taken
 * away, such that zones stay even; then by id, so that the choice is the same wherever it is made.
 */
import type { ControlMember } from '../control/state.ts';
import { type NodeId, sorted } from '../scalars.ts';

export interface Choice {
  readonly candidates: readonly ControlMember[];
  /** Who has a place now. */
  readonly holders: readonly NodeId[];
  readonly wanted: number;
  /** Higher goes first when places are given, and goes last when they are taken away. */
  readonly rankOf: (node: NodeId) => number;
  /** Whether it may be given a place that it does not have. */
  readonly mayEnter: (node: NodeId) => boolean;
}

/** Sorted. Fewer than wanted where too few may enter. */
export function choose(choice: Choice): NodeId[] {
  const { candidates, wanted } = choice;
  const chosen = candidates.filter(({ node }) => choice.holders.includes(node));
  while (chosen.length > wanted) chosen.splice(chosen.indexOf(leastWanted(chosen, choice)), 1);
  while (chosen.length < wanted) {
    const next = mostWanted(chosen, choice);
    if (next === null) break;
    chosen.push(next);
  }
  return sorted(chosen.map(({ node }) => node));
}

function leastWanted(chosen: readonly ControlMember[], { rankOf }: Choice): ControlMember {
  const order = (one: ControlMember, other: ControlMember): number =>
    rankOf(one.node) - rankOf(other.node) ||
    inZone(chosen, other) - inZone(chosen, one) ||
    (one.node > other.node ? -1 : 1);
  return [...chosen].sort(order)[0] as ControlMember;
}

function mostWanted(chosen: readonly ControlMember[], choice: Choice): ControlMember | null {
  const { candidates, rankOf, mayEnter } = choice;
  const order = (one: ControlMember, other: ControlMember): number =>
    rankOf(other.node) - rankOf(one.node) ||
    inZone(chosen, one) - inZone(chosen, other) ||
    (one.node < other.node ? -1 : 1);
  const free = candidates.filter((each) => !chosen.includes(each) && mayEnter(each.node));
  return free.sort(order)[0] ?? null;
}

function inZone(chosen: readonly ControlMember[], { facts }: ControlMember): number {
  return chosen.filter((each) => each.facts.zone === facts.zone).length;
}
