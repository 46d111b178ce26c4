/** The end of a run: nothing breaks any more, and one primary must open, with all others level. */
import { activeMembers } from '../../src/core/control/state.ts';
import { appointmentProblem } from '../../src/core/plan/primary-replica.ts';
import type { Timeline } from '../time.ts';
import { must } from '../violation.ts';
import type { EventualLaw } from './law.ts';
import type { Machine } from './machine.ts';

const LOOK_US = 100_000;
/** A former primary is waited for 10 s; a wiped node is replaced after 5 s, and then fed. */
const HEAL_MAX_US = 90_000_000;
/** Writes that are still under way to somebody. */
const LAG_MAX = 60;

export interface HealingOptions {
  readonly timeline: Timeline;
  readonly law: EventualLaw;
  readonly machines: readonly Machine[];
}

/** Yields how long it took, us. */
export function heal(options: HealingOptions): number {
  const { timeline, machines, law } = options;
  const begunUs = timeline.nowUs;
  const before = law.accepted;
  let lookUs = begunUs;
  let why = '';
  while (timeline.nowUs < begunUs + HEAL_MAX_US) {
    timeline.step();
    if (timeline.nowUs < lookUs) continue;
    lookUs = timeline.nowUs + LOOK_US;
    for (const machine of machines) machine.start();
    why = whyNot(options);
    if (why === '' && law.accepted > before) return timeline.nowUs - begunUs;
  }
  if (isStranded(options)) return timeline.nowUs - begunUs;
  must(false, 'one primary opens, and all others follow it', () => `${why}; ${told(machines)}`);
  return 0;
}

/**
 * Who opened was killed before its data were on its disk, and before anybody had them from it: then
 * nobody is appointed, and that is told (`docs/decisions/0012`).
 */
function isStranded({ machines, law }: HealingOptions): boolean {
  const life = machines.find(({ life }) => life?.control?.isCurrent === true)?.life;
  const history = life?.state.primary?.history ?? null;
  if (life == null || history === null || law.wasOnDisk(history)) return false;
  const isHeld = machines.some((each) => each.life?.keeper.standing.history === history);
  return !isHeld && appointmentProblem(life.state, life.observe()) !== null;
}

/** How things stand by their own words, for whoever looks for the reason. */
function told(machines: readonly Machine[]): string {
  const { state } = machines.find(({ life }) => life?.control?.isCurrent === true)?.life ?? {};
  const standings = machines.map(({ id, life }) => [id, life?.keeper.standing]);
  return JSON.stringify({ primary: state?.primary, standings });
}

/** Empty when all is as it should be. */
function whyNot({ machines, law }: HealingOptions): string {
  const leader = machines.find(({ life }) => life?.control?.isCurrent === true);
  const state = leader?.life?.state;
  if (state === undefined) return 'nobody leads the control group';
  if (activeMembers(state).length !== machines.length) return 'not all are members';
  const { primary, data } = state;
  if (primary?.history == null) return 'no primary has opened';
  if (data.voters.length !== machines.length) return `the data are on ${data.voters}`;
  for (const { id, server, name } of machines) {
    const isPrimary = id === primary.node;
    if (server.role !== (isPrimary ? 'primary' : 'replica')) return `${name} is ${server.role}`;
    if (server.history !== primary.history) return `${name} has another history`;
    if (isPrimary && !server.isWritable) return `${name} is not open`;
    const needed = state.spec?.eventual?.minReplicasToWrite;
    if (isPrimary && server.minReplicas !== needed) return `${name} does not need ${needed}`;
    if (law.chain.length - server.writes.length > LAG_MAX) return `${name} is behind`;
    const last = server.writes.length - 1;
    must(server.writes[last] === law.chain[last], 'all have the same data', () => name);
  }
  return '';
}
