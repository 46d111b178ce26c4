/**
 * Spec and observation in, next actions out, each with its reason: the control leader's judgement.
 *
 * Pure. Nothing is remembered between two plans but what was agreed on, so a plan may be stopped
 * after any of its actions, by a crash or by another leader, and the next one goes on from there.
 * Actions are in the order to be tried; each is idempotent, and what was planned on a state that is
 * not in force any more is refused by the state machine.
 */
import type { Command } from '../control/command.ts';
import { shortened } from '../control/shapes.ts';
import {
  type EventualSpec,
  isEventual,
  isSharded,
  type ServerSettings,
  specFounded,
} from '../control/spec.ts';
import {
  activeMembers,
  type ControlMember,
  type ControlState,
  isSameFacts,
  memberOf,
  nameOf,
} from '../control/state.ts';
import { isMember } from '../raft/configuration.ts';
import { majority } from '../raft/quorum.ts';
import type { ReadsMode } from '../reads-mode.ts';
import type { NodeId } from '../scalars.ts';
import { type ControlStep, nextControlStep } from './control-voters.ts';
import { isDataSettled } from './data-change.ts';
import { nextDataDecision } from './data-voters.ts';
import type { Observation } from './observation.ts';
import { eventualData, leadElsewhere, nextAppointment } from './primary-replica.ts';

/** A node that is merely restarted, or whose connection broke, is back by then. */
const SUCCESSION_MS = 5_000;

export type Action =
  | { readonly kind: 'propose'; readonly command: Command; readonly why: string }
  | ControlStep;

export interface Founding {
  /** Of the charter. */
  readonly founders: readonly NodeId[];
  /** Those of them that signed as witnesses. */
  readonly witnesses: readonly NodeId[];
  /** Likewise, whose data are to be the first; absent: nobody's. */
  readonly importer?: NodeId;
  /** As this node was told; taken when nothing is agreed on yet. */
  readonly forgetAfterMs: number | null;
  /** Likewise; none where it was not told any. */
  readonly reads?: ReadsMode;
  readonly server?: ServerSettings;
  /** Absent: it founds a strong deployment. */
  readonly eventual?: EventualSpec;
  /** Absent: as many as the founders are enough for. */
  readonly replicas?: number;
}

export function plan(state: ControlState, observed: Observation, founding: Founding): Action[] {
  if (state.spec === null) {
    return foundings(observed, founding);
  }
  const isWithoutGroup = isEventual(state.spec);
  const seen = isWithoutGroup ? { ...observed, data: eventualData(state) } : observed;
  const step = nextControlStep(state, seen) ?? leadElsewhere(state, seen);
  return [
    ...meetings(state, seen),
    ...dismissals(state, seen),
    ...decisions(state, seen),
    ...appointments(state, seen),
    ...forgettings(state, seen),
    ...(step === null ? [] : [step]),
  ];
}

/** As many copies as founders, but for witnesses among them: by the charter, whoever is there. */
function foundings(seen: Observation, founding: Founding): Action[] {
  const { founders, witnesses, importer, forgetAfterMs, ...told } = founding;
  const copies = Math.max(1, founders.length - witnesses.length);
  const spec = specFounded(copies, forgetAfterMs, told);
  const found: Command = { kind: 'found', atMs: seen.nowMs, spec, founders };
  const command = importer === undefined ? found : { ...found, importer };
  return [{ kind: 'propose', command, why: 'nothing is agreed on yet' }];
}

/** Whoever is there and not known, or has changed. */
function meetings(state: ControlState, seen: Observation): Action[] {
  const actions: Action[] = [];
  for (const [node, { facts, isLeaving }] of seen.nodes) {
    const known = memberOf(state, node);
    const isGoing = known?.leaving?.by === 'itself';
    if (isGoing && isLeaving) continue;
    if (known !== null && isSameFacts(known.facts, facts) && !isGoing) continue;
    if (known === null && (isLeaving || state.removed.includes(node))) continue;
    if (known === null && isNameTaken(state, seen, node)) continue;
    const why = isGoing ? 'it came back' : known === null ? 'it asks to join' : 'it has news';
    const command = { kind: 'meet', atMs: seen.nowMs, node, facts } as const;
    actions.push({ kind: 'propose', command, why: `${nameOf(node)}: ${why}` });
  }
  return actions;
}

/** Whoever is to leave without having asked for it. */
function dismissals(state: ControlState, seen: Observation): Action[] {
  const gone = activeMembers(state).filter(({ node }) => !seen.nodes.has(node));
  for (const { node } of gone) {
    const heir = namesakes(state, node).find((each) => seen.nodes.has(each.node));
    const isLong = seen.goneMs(node) >= SUCCESSION_MS && canDoWithout(state, seen);
    if (heir !== undefined && isLong)
      return [dismissal(seen, node, 'successor', `${heir.node} has its name and is there`)];
    const { forgetAfterMs } = state.spec ?? { forgetAfterMs: null };
    if (forgetAfterMs === null || seen.goneMs(node) < forgetAfterMs) continue;
    if (!canDoWithout(state, seen)) continue;
    const seconds = Math.round(seen.goneMs(node) / 1000);
    return [dismissal(seen, node, 'absence', `nobody has seen it for ${seconds} s`)];
  }
  return [];
}

/** Those that are there must be a majority, in both groups: else nothing would come of it. */
function canDoWithout(state: ControlState, seen: Observation): boolean {
  const data = seen.data?.configuration.voters ?? state.data.voters;
  return [data, seen.control.voters].every((voters) => {
    const there = voters.filter((voter) => seen.nodes.has(voter));
    return there.length >= majority(voters.length);
  });
}

function decisions(state: ControlState, seen: Observation): Action[] {
  const { data } = state;
  const atMs = seen.nowMs;
  const next = nextDataDecision(state, seen);
  if (next !== null) {
    const { voters, why } = next;
    const command: Command = { kind: 'decide', atMs, basis: data.decision, voters, why };
    return [{ kind: 'propose', command, why }];
  }
  if (data.isSettled || seen.data === null || seen.data.carriedOut !== data.decision) return [];
  if (!isDataSettled(seen.data.configuration, data.voters)) return [];
  const command: Command = { kind: 'settle', atMs, decision: data.decision };
  return [{ kind: 'propose', command, why: 'the data group is as it was decided' }];
}

/** Last among what is decided: it goes by who should hold the data. */
function appointments(state: ControlState, seen: Observation): Action[] {
  const next = isSharded(state.spec) ? null : nextAppointment(state, seen);
  if (next === null) return [];
  const basis = state.primary?.decision ?? 0;
  const why = shortened(next.why);
  const command: Command = { ...next, kind: 'appoint', atMs: seen.nowMs, basis, why };
  return [{ kind: 'propose', command, why: `${nameOf(next.node)} becomes the primary: ${why}` }];
}

/** Data group first: whoever leaves votes there until its removal is committed (holes H10). */
function forgettings(state: ControlState, seen: Observation): Action[] {
  const { data, control } = seen;
  // What its leader said before it read this decision proves nothing: it may still add somebody.
  if (data === null || data.carriedOut !== state.data.decision) return [];
  if (!activeMembers(state).some(({ node }) => control.voters.includes(node))) return [];
  return state.members
    .filter(({ node, leaving }) => leaving !== null && !state.data.voters.includes(node))
    .filter(({ node }) => !isMember(data.configuration, node))
    .filter(({ node }) => !isSharded(state.spec) || seen.spareServers?.has(node) === true)
    .map(({ node }) => ({
      kind: 'propose',
      command: { kind: 'forget', atMs: seen.nowMs, node },
      why: `${nameOf(node)} has left the data group`,
    }));
}

/** By a member that is there, or another newcomer: of two the one whose id comes first is met. */
function isNameTaken(state: ControlState, { nodes }: Observation, node: NodeId): boolean {
  if (namesakes(state, node).some((each) => nodes.has(each.node))) return true;
  return [...nodes.keys()].some(
    (each) => each < node && nameOf(each) === nameOf(node) && memberOf(state, each) === null,
  );
}

/** Members of the same name with another directory. */
function namesakes({ members }: ControlState, node: NodeId): ControlMember[] {
  return members.filter((each) => each.node !== node && nameOf(each.node) === nameOf(node));
}

function dismissal(
  seen: Observation,
  node: NodeId,
  by: 'successor' | 'absence',
  why: string,
): Action {
  const command: Command = { kind: 'dismiss', atMs: seen.nowMs, node, by, why };
  return { kind: 'propose', command, why: `${nameOf(node)}: ${why}` };
}
