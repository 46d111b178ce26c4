/** What breaks in the founding world, and what people ask of it meanwhile. */
import type { Command } from '../../src/core/control/command.ts';
import { isWitness } from '../../src/core/control/state.ts';
import type { NodeId } from '../../src/core/scalars.ts';
import { cutHalves, cutToRing } from '../cuts.ts';
import type { Failing } from '../disk.ts';
import { FAIR_WEATHER, type Network } from '../network.ts';
import { weatherFor } from '../plan.ts';
import type { Chance, Timeline } from '../time.ts';
import type { Life } from './life.ts';
import type { Machine } from './machine.ts';
import type { FoundingFault, FoundingPlan } from './plan.ts';

const FAILINGS: readonly Failing[] = ['reads', 'writes', 'syncs', 'writes and syncs'];
const EFFECTS_MAX = 12;
const SUPERVISE_MAX_US = 1_000_000;
const ABSENT_MIN_US = 6_000_000;
const ABSENT_MAX_US = 25_000_000;
const LEAVE_AGAIN_US = 500_000;
/** Whoever leaves goes then, whether it has left or not. */
const LEAVE_MAX_US = 20_000_000;
/** Longer than a voter counts as heard. */
const UNHEARD_US = 2_000_000;
const POWER_PERMILLE = 700;
const WIPE_AT_LEAVE_PERMILLE = 500;

export interface Targets {
  readonly network: Network<unknown>;
  machines(): readonly Machine[];
  /** Whether its directory may be lost without more being promised than is kept. */
  mayLose(machine: Machine): boolean;
  wipe(machine: Machine): void;
}

export class Faults {
  readonly #targets: Targets;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #plan: FoundingPlan;
  readonly #note: (what: string) => void;
  #isOver = false;

  constructor(
    targets: Targets,
    timeline: Timeline,
    chance: Chance,
    plan: FoundingPlan,
    note: (what: string) => void,
  ) {
    this.#targets = targets;
    this.#timeline = timeline;
    this.#chance = chance;
    this.#plan = plan;
    this.#note = note;
  }

  begin(): void {
    this.#after(this.#chance.between(1_000, this.#plan.gapMaxUs), () => {
      this.#break(this.#chance.pick(this.#plan.faults));
      this.begin();
    });
  }

  /** Everything works again and stays so. */
  stop(): void {
    this.#isOver = true;
    const { network } = this.#targets;
    network.heal();
    network.weather = FAIR_WEATHER;
    for (const machine of this.#targets.machines()) {
      network.setIsolated(machine.name, false);
      machine.disarm();
      machine.disk.fail('nothing');
      machine.disk.slow(1);
      machine.disk.disk.limit(Number.POSITIVE_INFINITY);
      machine.resume();
      if (machine.life?.isLeaving === true) machine.crash(false);
      machine.start();
    }
  }

  #after(us: number, act: () => void): void {
    this.#timeline.after(us, () => {
      if (!this.#isOver) act();
    });
  }

  #outageUs(): number {
    return this.#chance.between(1_000, this.#plan.outageMaxUs);
  }

  #break(kind: FoundingFault): void {
    const { network } = this.#targets;
    const machine = this.#chance.pick(this.#targets.machines());
    const names = this.#chance.shuffled(this.#targets.machines().map(({ name }) => name));
    this.#note(`${kind} ${machine.name}`);
    switch (kind) {
      case 'crash':
        machine.crash(this.#chance.permille(POWER_PERMILLE));
        this.#startLater(machine, this.#outageUs());
        return;
      case 'crashAtEffect':
        machine.cutAtEffect(this.#chance.below(EFFECTS_MAX));
        this.#supervise(machine);
        return;
      case 'crashAfterPromise':
        machine.cutAfter(this.#chance.pick(['vote', 'acknowledgement']));
        this.#supervise(machine);
        return;
      case 'crashAll':
        for (const each of this.#targets.machines()) {
          each.crash(this.#chance.permille(POWER_PERMILLE));
          this.#startLater(each, this.#outageUs());
        }
        return;
      case 'pause':
        machine.pause();
        this.#after(this.#outageUs(), () => machine.resume());
        return;
      case 'isolate':
        network.setIsolated(machine.name, true);
        this.#after(this.#outageUs(), () => network.setIsolated(machine.name, false));
        return;
      case 'halves':
        cutHalves(network, names, this.#chance.below(names.length));
        this.#after(this.#outageUs(), () => network.heal());
        return;
      case 'oneWay':
        for (const from of names)
          if (from !== machine.name)
            if (this.#chance.permille(500)) network.cut(from, machine.name);
            else network.cut(machine.name, from);
        this.#after(this.#outageUs(), () => network.heal());
        return;
      case 'ring':
        cutToRing(network, names);
        this.#after(this.#outageUs(), () => network.heal());
        return;
      case 'healLinks':
        network.heal();
        return;
      case 'weather':
        network.weather = weatherFor(this.#chance);
        return;
      default:
        this.#breakDisk(kind, machine);
    }
  }

  #breakDisk(kind: FoundingFault, machine: Machine): void {
    switch (kind) {
      case 'slowDisk':
        machine.disk.slow(this.#chance.pick([10, 100]));
        this.#after(this.#outageUs(), () => machine.disk.slow(1));
        return;
      case 'fullDisk':
        machine.disk.disk.limit(0);
        this.#after(this.#outageUs(), () => machine.disk.disk.limit(Number.POSITIVE_INFINITY));
        this.#supervise(machine);
        return;
      case 'failingDisk':
        machine.disk.fail(this.#chance.pick(FAILINGS));
        this.#after(this.#outageUs(), () => machine.disk.fail('nothing'));
        this.#supervise(machine);
        return;
      case 'wipe':
        machine.crash(true);
        this.#wipeLater(machine);
        return;
      case 'absent':
        machine.crash(this.#chance.permille(POWER_PERMILLE));
        this.#startLater(machine, this.#chance.between(ABSENT_MIN_US, ABSENT_MAX_US));
        return;
      default:
        this.#order(kind, machine);
    }
  }

  #order(kind: FoundingFault, machine: Machine): void {
    const machines = this.#targets.machines();
    switch (kind) {
      case 'leave':
        machine.enter('orders', (life) => {
          if (life.isLeaving || life.control === null) return;
          life.leave();
          this.#leave(machine, life, this.#timeline.nowUs + LEAVE_MAX_US);
        });
        return;
      case 'dismiss':
        this.#dismiss();
        return;
      case 'scale': {
        const replicas = this.#chance.below(machines.length + 1);
        this.#propose({ kind: 'spec', atMs: 1, change: { replicas }, ifVersion: null });
        return;
      }
      case 'handOver':
        machine.enter('orders', ({ control, data }) => {
          const done = (ok: boolean, why: string): void => this.#note(`handed over: ${ok}, ${why}`);
          if (this.#chance.permille(500)) control?.handOver(null, done);
          else data?.handOver(null, done);
        });
        return;
      default:
        throw new Error(`no such fault: ${kind}`);
    }
  }

  /** Whoever orders so leaves somebody there that may take the data. */
  #dismiss(): void {
    const life = this.#leader()?.life ?? null;
    if (life === null) return;
    const isThere = (node: NodeId): boolean => node === life.id || life.membership.up.has(node);
    const stay = life.state.members.filter(({ leaving }) => leaving === null);
    if (stay.length < 2) return;
    const { node } = this.#chance.pick(stay);
    const heirs = stay.filter((other) => other.node !== node && !isWitness(other.facts));
    if (!heirs.some((heir) => isThere(heir.node))) return;
    this.#propose({ kind: 'dismiss', atMs: 1, node, by: 'order', why: 'somebody asked for it' });
  }

  #leave(machine: Machine, life: Life, deadlineUs: number): void {
    if (machine.life !== life) return;
    if (!life.isIn || this.#timeline.nowUs > deadlineUs) {
      machine.crash(false);
      if (machine.isEphemeral || this.#chance.permille(WIPE_AT_LEAVE_PERMILLE))
        this.#wipeLater(machine);
      else this.#startLater(machine, this.#outageUs());
      return;
    }
    const why = 'it is stopped and keeps no data';
    this.#propose({ kind: 'dismiss', atMs: 1, node: life.id, by: 'itself', why });
    this.#after(LEAVE_AGAIN_US, () => this.#leave(machine, life, deadlineUs));
  }

  /**
   * Not at once: a leader that has only just heard it may begin a change that counts on it, which
   * nobody but that leader knows of yet. Nor when it was up again meanwhile.
   */
  #wipeLater(machine: Machine): void {
    const { deaths } = machine;
    this.#after(UNHEARD_US, () => {
      const isUnheard = !machine.isUp && machine.deaths === deaths;
      if (isUnheard && this.#targets.mayLose(machine)) this.#targets.wipe(machine);
      this.#startLater(machine, this.#outageUs());
    });
  }

  #leader(): Machine | undefined {
    return this.#targets.machines().find(({ life }) => life?.control?.isCurrent === true);
  }

  #propose(command: Command): void {
    this.#leader()?.enter('orders', ({ control }) => {
      if (control?.isCurrent === true)
        control.propose(command, ({ text }) => this.#note(`${command.kind}: ${text}`));
    });
  }

  #startLater(machine: Machine, us: number): void {
    this.#after(us, () => machine.start());
  }

  /** It may die at any moment from now on, and is started again. */
  #supervise(machine: Machine, times = 20): void {
    this.#after(this.#chance.between(1_000, SUPERVISE_MAX_US), () => {
      machine.start();
      if (times > 0) this.#supervise(machine, times - 1);
    });
  }
}
