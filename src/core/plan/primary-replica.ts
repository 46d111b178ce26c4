/**
 * Who takes the writes of an eventual deployment, from what is agreed on and what is seen
 * (`docs/decisions/0012`, holes H12).
 *
 * Only who holds the agreed history by a completed sync is appointed: never an empty server, never
 * another history. What a restarted server counts is a lower bound; so one that lives goes first,
 * then whoever had all of it, the former primary, which is waited for.
 */
import { isEventual } from '../control/spec.ts';
import { type ControlState, isWitness, memberOf, nameOf, type Primary } from '../control/state.ts';
import type { NodeId } from '../scalars.ts';
import type { ControlStep } from './control-voters.ts';
import type { DataSeen, Observation, PrimarySeen, Standing } from './observation.ts';

/** A node that is late at the founding is given so long, as one whose link broke. */
const LATE_MS = 5_000;
/** Questions for the lease come every 200 ms. Three are lost now and then, four are not. */
const SILENT_MS = 800;
/** Every node has told where it stands since the trouble began, and a link that broke is back. */
export const SETTLED_MS = 300;
/** A machine has started again by then, or does not soon. */
export const RETURN_MS = 10_000;
/** What a replica has got within the pause of a hand-over. */
export const HAND_OVER_LAG_BYTES_MAX = 4 * 1024 * 1024;
/** Nobody leads anew, or is appointed, for so long: a failover with all that follows is over. */
export const LEAD_MS = 2_000;
/** Writes wait meanwhile: then the former primary takes it back. */
export const HAND_OVER_MS = 2_000;

export interface Appointment {
  readonly node: NodeId;
  readonly isPlanned: boolean;
  readonly why: string;
}

interface Candidate {
  readonly node: NodeId;
  readonly standing: Standing;
}

/** Null: nobody has to be appointed, or nobody can be. */
export function nextAppointment(state: ControlState, seen: Observation): Appointment | null {
  const { primary } = state;
  const { eventual } = seen;
  if (!isEventual(state.spec) || eventual === null) return null;
  if (primary === undefined) return firstAppointment(state, seen);
  const trouble = primaryTrouble(state, seen);
  if (trouble !== null) {
    if (eventual.troubleMs < SETTLED_MS) return null;
    const next = replacement(state, seen, primary);
    return next === null ? null : { node: next, isPlanned: false, why: trouble };
  }
  if (primary.history !== null) return retirement(state, seen, primary);
  return takenBack(seen, primary, eventual);
}

/** Why the primary cannot go on as it is, in words; null when it can, or when there is none. */
export function primaryTrouble(state: ControlState, seen: Observation): string | null {
  const { primary } = state;
  const { nodes, eventual } = seen;
  if (primary === undefined || eventual === null) return null;
  const { node, history } = primary;
  const name = nameOf(node);
  const standing = eventual.standings.get(node);
  if (!nodes.has(node)) return `${name} is gone`;
  if (eventual.silentMs >= SILENT_MS) return `${name} is silent`;
  if (standing === undefined) return null;
  if (!standing.isUp) return `the server of ${name} is down`;
  if (requiredOf(primary) !== null && standing.history !== requiredOf(primary))
    return `the server of ${name} does not hold the data`;
  // Before it has opened it may well be one that was: where nobody holds more for certain.
  if (history === null ? isOutdone(state, seen, primary) : !standing.isExact)
    return `the server of ${name} was started again`;
  return null;
}

/** The server of who was appointed has been started again, and another may well go first. */
export function isOutdone(state: ControlState, seen: Observation, primary: Primary): boolean {
  const required = requiredOf(primary);
  if (required !== null && seen.eventual?.isSetBack === true) return true;
  if (required === null || seen.eventual?.standings.get(primary.node)?.isExact === true)
    return false;
  const [best] = candidates(state, seen, required).filter(({ node }) => node !== primary.node);
  return best?.standing.isExact === true && isLossAllowed(state, seen, best);
}

/** Why nobody can be appointed though somebody should be, in words; null when that is not so. */
export function appointmentProblem(state: ControlState, seen: Observation): string | null {
  const trouble = primaryTrouble(state, seen);
  if (trouble === null || nextAppointment(state, seen) !== null) return null;
  if ((seen.eventual?.troubleMs ?? 0) < RETURN_MS) return null;
  return `${trouble}, and no other node that is there holds its data`;
}

/**
 * Whoever decides on the next primary is not lost together with this one: another voter leads the
 * control group than the primary, where one is well. Null: so it is, or nobody else is there.
 */
export function leadElsewhere(state: ControlState, seen: Observation): ControlStep | null {
  const { primary } = state;
  const { self, control, nodes, eventual } = seen;
  if (primary?.node !== self || primary.history === null || eventual === null) return null;
  if (eventual.leadMs < LEAD_MS || primaryTrouble(state, seen) !== null) return null;
  const to = control.voters.find(
    (node) =>
      node !== self &&
      nodes.get(node)?.isLeaving === false &&
      eventual.standings.get(node)?.isUp === true,
  );
  return to === undefined ? null : { kind: 'handOver', to, why: `${nameOf(self)} is the primary` };
}

/** Its nodes are the members who should have the data: there is no group that could lag behind. */
export function eventualData({ data, primary, importer }: ControlState): DataSeen | null {
  const first = importer ?? data.voters[0];
  const leader = primary?.node ?? first;
  if (leader === undefined) return null;
  // A primary that is to go still holds it, until another has opened.
  const voters = data.voters.includes(leader) ? data.voters : [...data.voters, leader];
  const configuration = { voters, learners: [], decision: data.decision };
  return { leader, configuration, carriedOut: data.decision };
}

function firstAppointment(state: ControlState, seen: Observation): Appointment | null {
  const isLate = (node: NodeId): boolean => !seen.nodes.has(node) && seen.goneMs(node) < LATE_MS;
  if (state.data.voters.some(isLate)) return null;
  const [best] = candidates(state, seen, null);
  return best === undefined ? null : { node: best.node, isPlanned: false, why: 'it begins' };
}

/** Of those that hold the data, whoever holds most of it, as far as that is known. */
function replacement(state: ControlState, seen: Observation, primary: Primary): NodeId | null {
  const { eventual } = seen;
  const required = requiredOf(primary);
  const owner = primary.history === null ? (primary.former ?? primary.node) : primary.node;
  // One that was started again, or holds nothing, has nothing to ask for.
  const isMute = ({ node, standing }: Candidate): boolean =>
    node === primary.node && isCounted(standing) && (eventual?.silentMs ?? 0) >= SILENT_MS;
  const able = candidates(state, seen, required).filter((each) => !isMute(each));
  const [best] = able;
  if (best === undefined || required === null) return best?.node ?? null;
  const mayBe = isLossAllowed(state, seen, best);
  if (best.standing.isExact) return mayBe ? best.node : null;
  if (able.some(({ node }) => node === owner)) return owner;
  return mayBe && (eventual?.troubleMs ?? 0) >= RETURN_MS ? best.node : null;
}

/** A primary that works is to be none any more: it hands over to whoever is all but level. */
function retirement(
  state: ControlState,
  seen: Observation,
  { node, history }: Primary,
): Appointment | null {
  const isLeaving = memberOf(state, node)?.leaving !== null || seen.nodes.get(node)?.isLeaving;
  if (isLeaving !== true && state.data.voters.includes(node)) return null;
  const heir = heirOf(state, seen, node, history);
  return heir === null ? null : { node: heir, isPlanned: true, why: `${nameOf(node)} is to go` };
}

/** To whom a primary that works could hand over; null: nobody is near enough to it. */
export function heirOf(
  state: ControlState,
  seen: Observation,
  node: NodeId,
  history: string | null,
): NodeId | null {
  const { eventual } = seen;
  const offset = eventual?.offset ?? null;
  if (history === null || offset === null) return null;
  const [heir] = candidates(state, seen, history).filter(
    (each) =>
      each.node !== node &&
      each.standing.isExact &&
      offset - each.standing.offset <= HAND_OVER_LAG_BYTES_MAX,
  );
  return heir?.node ?? null;
}

/** The heir has not got there in time, and the former primary waits for it, with its writes. */
function takenBack(
  { nodes, eventual }: Observation,
  { isPlanned, former, base }: Primary,
  { unopenedMs }: PrimarySeen,
): Appointment | null {
  if (!isPlanned || former === null || unopenedMs < HAND_OVER_MS) return null;
  const standing = eventual?.standings.get(former);
  if (!nodes.has(former) || standing?.isUp !== true || standing.history !== base) return null;
  return { node: former, isPlanned: false, why: 'the hand-over took too long' };
}

/**
 * Best first. `required` null: there is no data yet, and anybody may begin, unless somebody's are
 * to be the first.
 */
function candidates(
  state: ControlState,
  { nodes, eventual }: Observation,
  required: string | null,
): Candidate[] {
  const able: Candidate[] = [];
  for (const [node, standing] of eventual?.standings ?? []) {
    const seen = nodes.get(node);
    if (seen === undefined || seen.isLeaving || isWitness(seen.facts)) continue;
    if (state.importer !== undefined && state.importer !== node) continue;
    if (memberOf(state, node)?.leaving !== null || !state.data.voters.includes(node)) continue;
    if (!standing.isUp || standing.priority === 0) continue;
    if (required !== null && standing.history !== required) continue;
    able.push({ node, standing });
  }
  return able.sort(
    (one, other) =>
      Number(other.standing.isExact) - Number(one.standing.isExact) ||
      other.standing.offset - one.standing.offset ||
      other.standing.priority - one.standing.priority ||
      (one.node < other.node ? -1 : 1),
  );
}

/** Its server lives, and has what it counts from somebody or for somebody. */
function isCounted({ history, isExact }: Standing): boolean {
  return history !== null && isExact;
}

function isLossAllowed({ spec }: ControlState, seen: Observation, best: Candidate): boolean {
  const maxLostBytes = spec?.eventual?.maxLostBytes ?? null;
  const offset = seen.eventual?.offset ?? null;
  if (maxLostBytes === null || offset === null) return true;
  return offset - best.standing.offset <= maxLostBytes;
}

function requiredOf({ history, base }: Primary): string | null {
  return history ?? base;
}
