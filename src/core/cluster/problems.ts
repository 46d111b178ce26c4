/**
 * What is wrong with a cluster, as a list of named problems. An `error` is something that clients
 * notice, or will when the next node fails; a `warning` is a choice that somebody may have made.
 * Beyond what redis-cli looks at: failed and missing nodes, replicas without a link, equal epochs.
 */
import type { ClusterNodeId } from './nodes-text.ts';
import {
  addressOf,
  claimantsOf,
  disputedRoles,
  disputedSlots,
  nameOf,
  type Observation,
  ownersIn,
  primariesOf,
  replicasOf,
  type SeenNode,
  slotsOfNode,
  strangersOf,
  unheardEpochs,
} from './observation.ts';
import { type Slot, slotsText } from './slots.ts';

export type ProblemCode =
  /** It is known, and does not answer. */
  | 'NODE_UNREACHABLE'
  /** Others say that it has failed, though it answers here. */
  | 'NODE_FAILED'
  /** Two nodes that answer do not know each other. */
  | 'NODE_UNKNOWN'
  | 'STATE_FAIL'
  | 'VIEWS_DIFFER'
  | 'SLOTS_OPEN'
  | 'SLOTS_UNCOVERED'
  | 'SLOTS_OWNED_TWICE'
  /** Two primaries with slots and one epoch: a conflict between them would not be decided. */
  | 'EPOCHS_EQUAL'
  | 'REPLICA_UNLINKED'
  /** A primary has no replica though others have. */
  | 'NO_REPLICA'
  | 'ONE_HOST';

export interface Problem {
  readonly code: ProblemCode;
  readonly severity: 'error' | 'warning';
  /** With nodes by address and the slots concerned. */
  readonly text: string;
  readonly slots: readonly Slot[];
}

/** Those that a moved slot would make worse: nothing is moved while there are any. */
const IN_THE_WAY: readonly ProblemCode[] = [
  'NODE_UNKNOWN',
  'STATE_FAIL',
  'VIEWS_DIFFER',
  'SLOTS_OPEN',
  'SLOTS_UNCOVERED',
  'SLOTS_OWNED_TWICE',
];
/** Those that pass by themselves within seconds, when gossip has reached everybody. */
const PASSING: readonly ProblemCode[] = [
  'NODE_FAILED',
  'NODE_UNKNOWN',
  'REPLICA_UNLINKED',
  'STATE_FAIL',
  'VIEWS_DIFFER',
];

export function isInTheWay({ code }: Problem): boolean {
  return IN_THE_WAY.includes(code);
}

export function mayPass({ code }: Problem): boolean {
  return PASSING.includes(code);
}

export function problemsOf(seen: Observation): Problem[] {
  return [
    ...missingProblems(seen),
    ...failedProblems(seen),
    ...strangerProblems(seen),
    ...roleProblems(seen),
    ...unheardProblems(seen),
    ...slotProblems(seen),
    ...stateProblems(seen),
    ...epochProblems(seen),
    ...replicaProblems(seen),
  ];
}

function problem(code: ProblemCode, text: string, slots: readonly Slot[] = []): Problem {
  return { code, severity: 'error', text, slots };
}

function warning(code: ProblemCode, text: string): Problem {
  return { code, severity: 'warning', text, slots: [] };
}

function missingProblems(seen: Observation): Problem[] {
  return seen.missing.map((node) => {
    const role = node.isPrimary ? 'primary' : 'replica';
    const heirs = node.isPrimary ? replicasOf(seen, node.id) : [];
    const [heir] = heirs;
    const slots = node.slots.length > 0 ? ` with slots ${slotsText(node.slots)}` : '';
    const way = heir === undefined ? '' : `; its replica ${nameOf(heir)} can take over`;
    const text = `${role} ${nameOf(node)}${slots} does not answer: ${node.why}${way}`;
    return problem('NODE_UNREACHABLE', text, node.slots);
  });
}

function failedProblems({ nodes }: Observation): Problem[] {
  return nodes.flatMap((node) => {
    const accusers = nodes.filter(({ view }) =>
      view.some(({ id, flags }) => id === node.id && isFailed(flags)),
    );
    if (accusers.length === 0) return [];
    const by = accusers.map(addressOf).join(', ');
    return [problem('NODE_FAILED', `${nameOf(node)} answers, and has failed for ${by}`)];
  });
}

function isFailed(flags: readonly string[]): boolean {
  return flags.includes('fail') || flags.includes('fail?');
}

function strangerProblems(seen: Observation): Problem[] {
  return strangersOf(seen).map(([from, to]) =>
    problem('NODE_UNKNOWN', `${nameOf(from)} does not know ${nameOf(to)}`),
  );
}

function roleProblems(seen: Observation): Problem[] {
  const disputed = disputedRoles(seen);
  if (disputed.length === 0) return [];
  const text = `nodes do not agree about the role of ${disputed.map(nameOf).join(', ')}`;
  return [problem('VIEWS_DIFFER', text)];
}

function unheardProblems(seen: Observation): Problem[] {
  const unheard = unheardEpochs(seen);
  if (unheard.length === 0) return [];
  return [problem('VIEWS_DIFFER', `not all know the epoch of ${unheard.map(nameOf).join(', ')}`)];
}

function slotProblems(seen: Observation): Problem[] {
  const problems: Problem[] = [];
  for (const node of seen.nodes) {
    const { migrating, importing } = node.self;
    if (migrating.size > 0) problems.push(openProblem(node, 'gives', [...migrating.keys()]));
    if (importing.size > 0) problems.push(openProblem(node, 'takes', [...importing.keys()]));
  }
  const claimants = claimantsOf(seen);
  const uncovered = claimants.flatMap((by, slot) => (by.length === 0 ? [slot] : []));
  const views = uncovered.length === 0 ? [] : seen.nodes.map(({ view }) => view);
  const known = new Set(views.flatMap(coveredIn));
  const nobodys = uncovered.filter((slot) => !known.has(slot));
  if (nobodys.length > 0)
    problems.push(problem('SLOTS_UNCOVERED', `slots ${slotsText(nobodys)} are nobody's`, nobodys));
  const lost = uncovered.filter((slot) => known.has(slot));
  if (lost.length > 0) {
    const text = `slots ${slotsText(lost)} belong to nobody who answers`;
    problems.push(problem('SLOTS_UNCOVERED', text, lost));
  }
  const twice = claimants.flatMap((by, slot) => (by.length > 1 ? [slot] : []));
  if (twice.length > 0) {
    const text = `slots ${slotsText(twice)} have two owners or more`;
    problems.push(problem('SLOTS_OWNED_TWICE', text, twice));
  }
  const disputed = disputedSlots(seen);
  if (disputed.length > 0) {
    const text = `nodes do not agree who owns slots ${slotsText(disputed)}`;
    problems.push(problem('VIEWS_DIFFER', text, disputed));
  }
  return problems;
}

function coveredIn(view: SeenNode['view']): Slot[] {
  return ownersIn(view).flatMap((owner, slot) => (owner === null ? [] : [slot]));
}

function openProblem(node: SeenNode, verb: string, slots: readonly Slot[]): Problem {
  return problem('SLOTS_OPEN', `${nameOf(node)} still ${verb} slots ${slotsText(slots)}`, slots);
}

function stateProblems({ nodes }: Observation): Problem[] {
  const down = nodes.filter(({ isStateOk }) => !isStateOk);
  if (down.length === 0) return [];
  return [problem('STATE_FAIL', `the cluster is down for ${down.map(addressOf).join(', ')}`)];
}

function epochProblems(seen: Observation): Problem[] {
  const byEpoch = new Map<number, SeenNode[]>();
  for (const node of primariesOf(seen)) {
    if (slotsOfNode(node).length === 0) continue;
    byEpoch.set(node.self.epoch, [...(byEpoch.get(node.self.epoch) ?? []), node]);
  }
  return [...byEpoch]
    .filter(([, nodes]) => nodes.length > 1)
    .map(([epoch, nodes]) =>
      warning('EPOCHS_EQUAL', `${nodes.map(nameOf).join(', ')} have one epoch, ${epoch}`),
    );
}

function replicaProblems(seen: Observation): Problem[] {
  const problems: Problem[] = [];
  const counts = new Map<ClusterNodeId, number>();
  for (const primary of primariesOf(seen)) {
    if (slotsOfNode(primary).length === 0) continue;
    const replicas = replicasOf(seen, primary.id);
    counts.set(primary.id, replicas.length);
    const isTogether = replicas.length > 0 && replicas.every(({ host }) => host === primary.host);
    if (isTogether && hostsOf(seen) > 1)
      problems.push(warning('ONE_HOST', `${nameOf(primary)} and its replicas are on one host`));
  }
  const have = [...counts.values()].some((count) => count > 0);
  for (const primary of primariesOf(seen))
    if (have && counts.get(primary.id) === 0)
      problems.push(warning('NO_REPLICA', `${nameOf(primary)} has no replica, others have`));
  for (const node of seen.nodes)
    if (node.self.primary !== null && !node.isLinkUp)
      problems.push(problem('REPLICA_UNLINKED', `${nameOf(node)} has no link to its primary`));
  return problems;
}

function hostsOf({ nodes }: Observation): number {
  return new Set(nodes.map(({ host }) => host)).size;
}
