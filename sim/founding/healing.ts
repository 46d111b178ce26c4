/** The end of a run: nothing breaks any more, and all machines must come to be one deployment. */
import { memberNamed } from '../../src/core/charter/charter.ts';
import { activeMembers, isWitness } from '../../src/core/control/state.ts';
import { votersWanted } from '../../src/core/plan/control-voters.ts';
import { isMember } from '../../src/core/raft/configuration.ts';
import type { Timeline } from '../time.ts';
import { must } from '../violation.ts';
import type { FoundingLaw } from './law.ts';
import type { Machine } from './machine.ts';

const LOOK_US = 250_000;
/** People look at what does not begin after so long. */
const PATIENCE_US = 20_000_000;
/** A member that is gone is replaced after 10 s, its successor is known after 5. */
const HEAL_MAX_US = 180_000_000;

export interface HealingOptions {
  readonly timeline: Timeline;
  readonly law: FoundingLaw;
  readonly machines: readonly Machine[];
  /** A directory was lost that may have signed, or two nodes have one name. */
  readonly mayBeStuck: boolean;
  /** The fewest that found. */
  readonly expect: number;
  /** Machines were started with other flags in the midst of the founding. */
  readonly mayWait: boolean;
  /** Stops it for good: whoever is founded already does without. */
  readonly retire: (machine: Machine) => void;
  readonly wipe: (machine: Machine) => void;
  readonly note: (what: string) => void;
}

export class Healing {
  readonly #o: HealingOptions;
  #left: readonly Machine[];
  wereEmptied = false;

  constructor(options: HealingOptions) {
    this.#o = options;
    this.#left = options.machines;
  }

  /** Yields how long it took, us. */
  run(): number {
    const { timeline, law } = this.#o;
    const begunUs = timeline.nowUs;
    let lookUs = begunUs;
    let patientUs = begunUs + PATIENCE_US;
    let why = '';
    while (timeline.nowUs < begunUs + HEAL_MAX_US) {
      timeline.step();
      if (timeline.nowUs < lookUs) continue;
      lookUs = timeline.nowUs + LOOK_US;
      // A request to a disk that failed was still under way.
      for (const machine of this.#left) machine.start();
      this.#noneCalledStuck();
      why = this.#whyNot();
      if (why === '') return timeline.nowUs - begunUs;
      if (timeline.nowUs < patientUs) continue;
      this.#settleNames();
      if (!law.isFounded && this.#startAsBefore(why)) {
        patientUs = timeline.nowUs + PATIENCE_US;
        continue;
      }
      if (!law.isFounded && !this.wereEmptied) this.#emptyAll(why);
    }
    must(false, 'all come into one deployment', () => why);
    return 0;
  }

  #noneCalledStuck(): void {
    const { law, mayBeStuck } = this.#o;
    if (mayBeStuck || law.isFounded) return;
    const told = this.#left.flatMap(({ life }) => life?.membership.problems ?? []);
    const stuck = told.find(({ code }) => code === 'CHARTER_STUCK');
    must(stuck === undefined, 'what can go on is not called stuck', () => stuck?.text ?? '');
  }

  /** Of two nodes of one name one is called otherwise, or stopped, as the problem says. */
  #settleNames(): void {
    const taken = this.#left.find(({ nodeName }, at) =>
      this.#left.some((other, its) => its < at && other.nodeName === nodeName),
    );
    if (taken === undefined) return;
    const two = this.#left.filter(({ nodeName }) => nodeName === taken.nodeName);
    const known = new Set(
      this.#left.flatMap(({ life }) => life?.state.members.map(({ node }) => node) ?? []),
    );
    this.#o.note(`two are called ${taken.nodeName}`);
    if (!this.#o.law.isFounded) {
      this.#o.wipe(taken);
      taken.nodeName = taken.name;
      taken.start();
      return;
    }
    const other = two.find(({ life }) => life === null || !known.has(life.id)) ?? taken;
    this.#o.retire(other);
    this.#left = this.#left.filter((each) => each !== other);
  }

  /** What FOUNDING_WAITS asks for; false when nobody was started otherwise. */
  #startAsBefore(why: string): boolean {
    const { mayWait, mayBeStuck, expect, note } = this.#o;
    const hellos = this.#left.flatMap(({ life }) => life?.membership.hello ?? []);
    const signed = hellos
      .flatMap(({ phase, charter }) => (phase === 'signed' && charter !== null ? [charter] : []))
      .sort((a, b) => b.round - a.round);
    const others = this.#left.flatMap((machine) => {
      const { life, flags } = machine;
      if (life === null || !machine.mayFound) return [];
      const { node, directory } = life.membership.hello;
      const named = signed
        .map((charter) => memberNamed(charter, node))
        .find((member) => member?.directory === directory);
      const isWitness = named === undefined ? flags.isWitness : named.witness === true;
      const before = { expect, isWitness: machine.isEmpty ? isWitness : flags.isWitness };
      const isAsBefore = flags.expect === expect && flags.isWitness === before.isWitness;
      return isAsBefore ? [] : [{ machine, before }];
    });
    if (!mayWait || others.length === 0) return false;
    const told = this.#left.flatMap(({ life }) => life?.membership.problems ?? []);
    const isTold = told.some(({ code }) => code === 'FOUNDING_WAITS');
    must(isTold || mayBeStuck, 'a founding that waits says so', () => why);
    for (const { machine, before } of others) {
      note(`${machine.name} is started with ${JSON.stringify(before)} again`);
      machine.crash(false);
      machine.flags = before;
      machine.start();
    }
    return true;
  }

  /** What CHARTER_STUCK asks for, where nobody is a member. */
  #emptyAll(why: string): void {
    const { wipe, note, mayBeStuck, expect } = this.#o;
    const told = this.#left.flatMap(({ life }) => life?.membership.problems ?? []);
    must(mayBeStuck, 'a founding that nothing is lost of goes on', () => {
      return `${why} ${told.map(({ text }) => text).join()}`;
    });
    must(told.length > 0, 'a founding that is stuck says so', () => why);
    note('all directories are emptied');
    this.wereEmptied = true;
    for (const machine of this.#left) machine.crash(false);
    for (const machine of this.#left) {
      wipe(machine);
      if (machine.mayFound) machine.flags = { ...machine.flags, expect };
    }
    for (const machine of this.#left) machine.start();
  }

  /** Empty when all is as it should be. */
  #whyNot(): string {
    const lives = this.#left
      .filter(({ waitsForOthers }) => !waitsForOthers)
      .map(({ life }) => life);
    const leader = lives.find((life) => life?.control?.isCurrent === true);
    if (leader?.control == null) return 'nobody leads the control group';
    const { state, raft } = leader.control;
    const { control, data } = leader;
    const strange = state.members.filter(({ node }) => !lives.some((life) => life?.id === node));
    if (strange.length > 0) return `members that are not there: ${strange.map(({ node }) => node)}`;
    for (const life of lives) {
      if (life?.control == null) return `${life?.id ?? 'somebody'} is in no deployment`;
      if (!isMember(raft.configuration, life.id)) return `${life.id} is not in the control group`;
      if (life.control.applied.index !== control.applied.index) return `${life.id} is behind`;
      if (state.members.every(({ node }) => node !== life.id)) return `${life.id} is no member`;
    }
    const active = activeMembers(state);
    if (active.length !== lives.length) return 'somebody is leaving';
    if (raft.configuration.voters.length !== votersWanted(active.length))
      return `voters ${raft.configuration.voters}`;
    const able = active.filter(({ facts }) => !isWitness(facts));
    const holders = Math.min((state.spec?.replicas ?? 0) + 1, able.length);
    // A witness makes an even number of them odd.
    const wanted = holders + (holders % 2 === 0 && able.length < active.length ? 1 : 0);
    if (state.data.voters.length !== wanted || !state.data.isSettled)
      return `the data on ${state.data.voters}, ${state.data.isSettled}, ${wanted} are wanted`;
    const leading = lives.find((life) => life?.data?.isLeader === true)?.data?.raft ?? data?.raft;
    const held = leading?.configuration.voters ?? [];
    return held.join() === state.data.voters.join() ? '' : `the data is on ${held}`;
  }
}
