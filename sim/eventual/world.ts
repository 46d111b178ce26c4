/**
 * The eventual world: a founded deployment whose servers replicate by themselves, clients that
 * write to whichever takes it, and what breaks meanwhile. It is about who takes writes: the control
 * group, the plan, leases, the keeper of the role and the warden are the product's; servers are a
 * model.
 */
import { majority } from '../../src/core/raft/quorum.ts';
import type { NodeId } from '../../src/core/scalars.ts';
import { type Delivery, Network } from '../network.ts';
import { Report } from '../report.ts';
import { Chance, Timeline } from '../time.ts';
import type { EventualFigures } from '../verdict.ts';
import type { WorldOptions } from '../world.ts';
import { EventualFaults } from './faults.ts';
import { heal } from './healing.ts';
import { EventualLaw } from './law.ts';
import type { EventualFounding } from './life.ts';
import { Machine } from './machine.ts';
import type { Packet } from './packets.ts';
import { type EventualPlan, type EventualWishes, eventualPlanFor, wishesFor } from './plan.ts';

const COUNT_US = 50_000;
/** A run of the usual length takes some ten seconds or more. */
const WISH_MAX_US = 8_000_000;
/** Enough that who has none of them is told apart, few enough for a full sync in one go. */
const IMPORTED = Array.from({ length: 12 }, (_, n) => `i${n + 1}`);

export class EventualWorld {
  readonly report: Report;
  readonly network: Network<unknown>;
  readonly machines: readonly Machine[];
  readonly #seed: number;
  readonly #timeline = new Timeline();
  readonly #plan: EventualPlan;
  readonly #wishes: EventualWishes;
  readonly #law: EventualLaw;
  readonly #chance: Chance;
  readonly #faults: EventualFaults;
  #writes = 0;
  #healUs = 0;

  constructor({ seed, log, print }: WorldOptions) {
    this.#seed = seed;
    this.report = new Report(log ?? false, print ?? null);
    this.#plan = eventualPlanFor(new Chance(seed, 'eventual plan'));
    this.#wishes = wishesFor(new Chance(seed, 'eventual wishes'), this.#plan);
    this.#chance = new Chance(seed, 'eventual world');
    const network = new Network<Packet>(
      this.#timeline,
      new Chance(seed, 'network'),
      this.#plan.weather,
      (delivery) => this.#deliver(delivery),
    );
    this.network = network as Network<unknown>;
    const names = Array.from({ length: this.#plan.machines }, (_, at) => `m${at + 1}`);
    const founders = names.map((name) => `${name}@00000001` as NodeId);
    const { importer, minReplicas } = this.#wishes;
    const imported = importer === null ? [] : IMPORTED;
    this.#law = new EventualLaw(founders, () => this.machines, imported);
    const founding = {
      founders,
      importer: importer === null ? null : (founders[importer] ?? null),
      minReplicas,
    };
    this.machines = names.map((name, at) => this.#machine(name, at, founding, network));
    if (importer !== null) this.machines[importer]?.bringIn(imported);
    for (const machine of this.machines)
      machine.isReleased = (node) => {
        return this.machines.find(({ id }) => id === node)?.server.hasLetGo === true;
      };
    const chance = new Chance(seed, 'eventual faults');
    this.#faults = new EventualFaults(this, this.#timeline, chance, this.#plan, (what) =>
      this.#note('nemesis', what),
    );
  }

  run(steps: number): void {
    this.#note('world', `seed ${this.#seed} ${JSON.stringify(this.#plan)}`);
    this.#note('world', `wishes ${JSON.stringify(this.#wishes)}`);
    for (const machine of this.machines) machine.start();
    this.#writeLater();
    this.#countLater();
    this.#faults.begin();
    for (const minReplicas of this.#wishes.minReplicasLater) this.#wishLater(minReplicas);
    while (this.#timeline.ran < steps) this.#timeline.step();
    this.#note('world', 'faults end');
    this.#faults.stop();
    this.#healUs = heal({ timeline: this.#timeline, law: this.#law, machines: this.machines });
  }

  figures(): EventualFigures {
    const sum = (of: (machine: Machine) => number): number =>
      this.machines.reduce((total, machine) => total + of(machine), 0);
    const { openings, handOvers, accepted, lost, checks } = this.#law;
    return {
      events: this.#timeline.ran,
      virtualUs: this.#timeline.nowUs,
      machines: this.machines.length,
      openings,
      handOvers,
      accepted,
      lost,
      crashes: sum(({ deaths }) => deaths),
      wipes: sum(({ wipes }) => wipes),
      wardenKills: sum(({ wardenKills }) => wardenKills),
      checks,
      healUs: this.#healUs,
    };
  }

  /** Whoever leads the control group, as it knows itself. */
  get leader(): Machine | undefined {
    return this.machines.find(({ life }) => life?.control?.isCurrent === true);
  }

  /**
   * A majority of the control group stays, and so does one who could be appointed with all that
   * every copy had: whoever holds the history alone may not be lost.
   */
  mayLose(machine: Machine): boolean {
    const control = this.leader?.life?.control;
    const primary = control?.state.primary;
    if (control == null || primary === undefined || primary.history === null) return false;
    const { configuration } = control.raft;
    const ids = this.machines.filter((each) => each !== machine).map(({ id }) => id);
    const living = configuration.voters.filter((node) => ids.includes(node)).length;
    const all = [...configuration.voters, ...configuration.learners];
    if (living < majority(configuration.voters.length) || all.some((node) => !this.#isThere(node)))
      return false;
    return this.machines.some((each) => {
      const { directory } = each.server;
      const holds = directory.synced >= this.#law.safe && directory.record !== null;
      return (
        each !== machine &&
        each.priority > 0 &&
        holds &&
        (directory.record?.includes(primary.history as string) ?? false) &&
        control.state.data.voters.includes(each.id)
      );
    });
  }

  #isThere(node: NodeId): boolean {
    return this.machines.some(({ id, isUp }) => id === node && isUp);
  }

  #machine(
    name: string,
    at: number,
    founding: EventualFounding,
    network: Network<Packet>,
  ): Machine {
    return new Machine({
      name,
      seed: this.#seed,
      timeline: this.#timeline,
      law: this.#law,
      founding,
      slowPermille: this.#plan.slowPermille[at] ?? 0,
      syncMaxUs: this.#plan.syncMaxUs,
      priority: this.#plan.priorities[at] ?? 100,
      wardenLateMaxUs: this.#plan.wardenLateMaxUs,
      broadcast: (from, packet) => {
        for (const each of this.machines)
          if (each.name !== from) network.send(from, each.name, packet);
      },
      send: (from, to, packet) => network.send(from, to, packet),
      note: this.report.on ? (who, what) => this.#note(who, what) : null,
    });
  }

  /** Somebody changes the spec, at whoever decides then. */
  #wishLater(minReplicasToWrite: number): void {
    this.#timeline.after(this.#chance.between(1_000, WISH_MAX_US), () => {
      const control = this.leader?.life?.control;
      if (control == null) return this.#wishLater(minReplicasToWrite);
      const change = { minReplicasToWrite };
      const order = { kind: 'spec', atMs: 1, change, ifVersion: null } as const;
      this.leader?.enter('orders', () =>
        control.propose(order, ({ text }) => this.#note('wish', text)),
      );
    });
  }

  /** Clients have found the one that takes it, or try any. */
  #writeLater(): void {
    this.#timeline.after(this.#chance.between(1_000, this.#plan.writeMaxUs), () => {
      this.#writes += 1;
      const open = this.machines.find(({ isWritable }) => isWritable);
      const machine = this.#chance.permille(700) ? open : this.#chance.pick(this.machines);
      (machine ?? this.#chance.pick(this.machines)).server.write(`w${this.#writes}`);
      this.#writeLater();
    });
  }

  #countLater(): void {
    this.#timeline.after(COUNT_US, () => {
      const state = this.leader?.life?.state;
      const disks = (state?.data.voters ?? []).map((node) => {
        const machine = this.machines.find(({ id }) => id === node);
        return machine?.server.directory ?? null;
      });
      this.#law.held(disks);
      this.#countLater();
    });
  }

  #deliver({ from, to, packet }: Delivery<Packet>): void {
    this.machines.find(({ name }) => name === to)?.receive(from, packet);
  }

  #note(who: string, what: string): void {
    this.report.line(this.#timeline.nowUs, this.#timeline.ran, who, what);
  }
}
