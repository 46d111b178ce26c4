/**
 * The founding world: machines that start empty, in any order, find one another late, and found a
 * deployment; then the control group of it, and a data group that is Raft alone, through crashes,
 * partitions, lost directories and orders. The other world has the data itself (`sim/world.ts`).
 */
import { majority } from '../../src/core/raft/quorum.ts';
import type { NodeId } from '../../src/core/scalars.ts';
import { type Delivery, Network } from '../network.ts';
import { Report } from '../report.ts';
import { Chance, Timeline } from '../time.ts';
import type { FoundingFigures } from '../verdict.ts';
import type { WorldOptions } from '../world.ts';
import { Faults, type Targets } from './faults.ts';
import { flagsOf, Minds } from './flags.ts';
import { Healing } from './healing.ts';
import { FoundingLaw } from './law.ts';
import { Machine } from './machine.ts';
import type { Packet } from './packets.ts';
import { type FoundingPlan, foundingPlanFor, withFlags } from './plan.ts';

export class FoundingWorld implements Targets {
  readonly report: Report;
  readonly network: Network<unknown>;
  readonly #seed: number;
  readonly #timeline = new Timeline();
  readonly #plan: FoundingPlan;
  readonly #law: FoundingLaw;
  readonly #machines: Machine[] = [];
  readonly #faults: Faults;
  readonly #minds: Minds;
  readonly #chance: Chance;
  /** Nodes that never come back under their ids. */
  readonly #lost = new Set<NodeId>();
  #mayBeStuck = false;
  #emptied = 0;
  #healUs = 0;

  constructor({ seed, log, print }: WorldOptions) {
    this.#seed = seed;
    this.report = new Report(log ?? false, print ?? null);
    const plan = foundingPlanFor(new Chance(seed, 'founding plan'));
    this.#plan = withFlags(plan, new Chance(seed, 'founding flags'));
    this.#chance = new Chance(seed, 'founding world');
    const { weather, expect, isCareless } = this.#plan;
    this.#law = new FoundingLaw(isCareless ? null : expect);
    const network = new Network<Packet>(
      this.#timeline,
      new Chance(seed, 'network'),
      weather,
      (delivery) => this.#deliver(delivery),
    );
    this.network = network as Network<unknown>;
    this.#build(network);
    const chance = new Chance(seed, 'founding faults');
    this.#faults = new Faults(this, this.#timeline, chance, this.#plan, (what) =>
      this.#note('nemesis', what),
    );
    this.#minds = new Minds(
      this.#timeline,
      new Chance(seed, 'founding minds'),
      this.#plan,
      this.#law,
      this.#machines,
      (what) => this.#note('minds', what),
    );
  }

  machines(): readonly Machine[] {
    return this.#machines;
  }

  run(steps: number): void {
    this.#note('world', `seed ${this.#seed} ${JSON.stringify(this.#plan)}`);
    for (const machine of this.#machines)
      this.#timeline.after(this.#chance.between(0, this.#plan.startMaxUs), () => machine.start());
    this.#faults.begin();
    this.#minds.begin();
    while (this.#timeline.ran < steps) this.#timeline.step();
    this.#note('world', 'faults end');
    this.#faults.stop();
    this.#minds.stop();
    // Where anything may have been lost there may be two, or none.
    if (this.#plan.isCareless) return;
    const healing = new Healing({
      timeline: this.#timeline,
      law: this.#law,
      machines: this.#machines,
      mayBeStuck: this.#mayBeStuck,
      expect: this.#plan.expect,
      mayWait: this.#plan.mindGapMaxUs !== null,
      retire: (machine) => {
        machine.crash(false);
        machine.isRetired = true;
      },
      wipe: (machine) => machine.wipe(),
      note: (what) => this.#note('world', what),
    });
    this.#healUs = healing.run();
    if (healing.wereEmptied) this.#emptied = 1;
  }

  figures(): FoundingFigures {
    const sum = (of: (machine: Machine) => number): number =>
      this.#machines.reduce((total, machine) => total + of(machine), 0);
    return {
      events: this.#timeline.ran,
      virtualUs: this.#timeline.nowUs,
      machines: this.#machines.length,
      deployments: this.#law.deployments.size,
      emptied: this.#emptied,
      rounds: this.#law.rounds,
      crashes: sum(({ deaths }) => deaths),
      wipes: sum(({ wipes }) => wipes),
      changes: this.#law.committedChanges,
      checks: this.#law.checks,
      healUs: this.#healUs,
    };
  }

  /**
   * Not while as many as found a deployment would be in none: then they could found another one,
   * out of sight of the first. Nor while nobody else belongs to it: those that only signed could
   * not know any more that all had. And a majority of everything stays.
   */
  mayLose(machine: Machine): boolean {
    if (this.#plan.isCareless) return true;
    if (machine.mayFound && !this.#mayBeOutside(machine)) return false;
    if (machine.isIn && !this.#machines.some((each) => each !== machine && each.isIn)) return false;
    const { id } = machine;
    return id === null || this.#lost.has(id) || this.#isSafeWithout(id);
  }

  wipe(machine: Machine): void {
    const { id } = machine;
    if (id !== null) this.#lost.add(id);
    if (!this.#law.isFounded) this.#mayBeStuck = true;
    machine.wipe();
  }

  #mayBeOutside(machine: Machine): boolean {
    if (this.#law.born < 2 * this.#plan.expect - 1) return true;
    if (!this.#law.isFounded) return false;
    const outside = this.#machines.filter(
      (each) => each.mayFound && (each === machine || !each.isIn),
    );
    return outside.length < this.#plan.expect;
  }

  /** Whatever change comes next, somebody can still decide: also if a lost learner is promoted. */
  #isSafeWithout(id: NodeId): boolean {
    const isLost = (node: NodeId): boolean => node === id || this.#lost.has(node);
    return this.#law.possible.every(({ voters, learners }) => {
      const dead = learners.filter(isLost).length;
      const living = voters.filter((voter) => !isLost(voter)).length;
      return living >= majority(voters.length + dead);
    });
  }

  #build(network: Network<Packet>): void {
    const { founders, joiners, ephemeral, slowPermille, isClashing } = this.#plan;
    for (let at = 0; at < founders + joiners; at += 1) {
      const name = at < founders ? `f${at + 1}` : `j${at - founders + 1}`;
      const machine = new Machine({
        name,
        seed: this.#seed,
        timeline: this.#timeline,
        law: this.#law,
        mayFound: at < founders,
        flags: flagsOf(this.#plan, at),
        isEphemeral: ephemeral[at] ?? false,
        forgetAfterMs: this.#plan.forgetAfterMs,
        slowPermille: slowPermille[at] ?? 0,
        syncMaxUs: this.#plan.syncMaxUs,
        findMaxUs: this.#plan.findMaxUs,
        machines: () => this.#machines.map((each) => each.name),
        mayEmpty: (each) => this.#plan.isCareless || !each.mayFound || this.#mayBeOutside(each),
        send: (to, packet) => network.send(name, to, packet),
        note: this.report.on ? (who, what) => this.#note(who, what) : null,
      });
      this.#machines.push(machine);
    }
    const [first] = this.#machines;
    const last = this.#machines.at(-1);
    if (!isClashing || first === undefined || last === undefined) return;
    last.nodeName = first.nodeName;
    this.#mayBeStuck = true;
  }

  #deliver({ from, to, packet }: Delivery<Packet>): void {
    const machine = this.#machines.find(({ name }) => name === to);
    machine?.enter('peer', (life) => life.receive(from, packet));
  }

  #note(who: string, what: string): void {
    this.report.line(this.#timeline.nowUs, this.#timeline.ran, who, what);
  }
}
