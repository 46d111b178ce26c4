/** What breaks in the eventual world, and what people ask of it meanwhile. */
import { heirOf } from '../../src/core/plan/primary-replica.ts';
import { cutHalves, cutToRing } from '../cuts.ts';
import { FAIR_WEATHER } from '../network.ts';
import { weatherFor } from '../plan.ts';
import type { Chance, Timeline } from '../time.ts';
import type { Machine } from './machine.ts';
import type { EventualFault, EventualPlan } from './plan.ts';
import type { EventualWorld } from './world.ts';

export class EventualFaults {
  readonly #world: EventualWorld;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #plan: EventualPlan;
  readonly #note: (what: string) => void;
  #isOver = false;

  constructor(
    world: EventualWorld,
    timeline: Timeline,
    chance: Chance,
    plan: EventualPlan,
    note: (what: string) => void,
  ) {
    this.#world = world;
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
    const { network, machines } = this.#world;
    network.heal();
    network.weather = FAIR_WEATHER;
    for (const machine of machines) {
      network.setIsolated(machine.name, false);
      machine.disk.slow(1);
      machine.server.resume();
      machine.resumeAgent();
      machine.start();
    }
  }

  #break(kind: EventualFault): void {
    const machine = this.#target();
    this.#note(`${kind} ${machine.name}`);
    if (this.#breakNetwork(kind, machine)) return;
    switch (kind) {
      case 'killServer':
        machine.server.kill('somebody killed it');
        return;
      case 'killAgent':
        machine.killAgent();
        this.#startLater(machine);
        return;
      case 'killWarden':
        machine.killWarden();
        return;
      case 'killAll':
        machine.server.kill('somebody killed it');
        machine.killAgent();
        this.#startLater(machine);
        return;
      case 'power':
        machine.losePower();
        this.#startLater(machine);
        return;
      case 'powerAll':
        for (const each of this.#world.machines) {
          each.losePower();
          this.#startLater(each);
        }
        return;
      case 'stopAgent':
        machine.pauseAgent();
        this.#after(this.#outageUs(), () => machine.resumeAgent());
        return;
      case 'stopServer':
        machine.server.stop();
        this.#after(this.#outageUs(), () => machine.server.resume());
        return;
      case 'wipe':
        if (!this.#world.mayLose(machine)) return;
        machine.wipe();
        this.#startLater(machine);
        return;
      case 'slowDisk':
        machine.disk.slow(this.#chance.pick([10, 100]));
        this.#after(this.#outageUs(), () => machine.disk.slow(1));
        return;
      default:
        this.#order(kind);
    }
  }

  #breakNetwork(kind: EventualFault, machine: Machine): boolean {
    const { network, machines } = this.#world;
    const names = this.#chance.shuffled(machines.map(({ name }) => name));
    switch (kind) {
      case 'isolate':
        network.setIsolated(machine.name, true);
        this.#after(this.#outageUs(), () => network.setIsolated(machine.name, false));
        return true;
      case 'halves':
        cutHalves(network, names, this.#chance.below(names.length));
        break;
      case 'oneWay':
        for (const from of names)
          if (from !== machine.name)
            if (this.#chance.permille(500)) network.cut(from, machine.name);
            else network.cut(machine.name, from);
        break;
      case 'ring':
        cutToRing(network, names);
        break;
      case 'healLinks':
        network.heal();
        return true;
      case 'weather':
        network.weather = weatherFor(this.#chance);
        return true;
      default:
        return false;
    }
    this.#after(this.#outageUs(), () => network.heal());
    return true;
  }

  #order(kind: EventualFault): void {
    this.#world.leader?.enter('orders', (life) => {
      const { control } = life;
      if (control?.isCurrent !== true) return;
      if (kind === 'handOverControl') {
        control.handOver(null, (ok, why) => this.#note(`handed over: ${ok}, ${why}`));
        return;
      }
      const { primary } = control.state;
      if (primary === undefined) return;
      const { decision: basis, node: former, history } = primary;
      const node = heirOf(control.state, life.observe(), former, history);
      if (node === null) return;
      const isPlanned = kind === 'handOver';
      const order = { kind: 'appoint', atMs: 1, basis, node, isPlanned, why: kind } as const;
      control.propose(order, ({ text }) => this.#note(text));
    });
  }

  /** Often the one that takes the writes. */
  #target(): Machine {
    const { machines } = this.#world;
    const open = machines.find(({ isWritable }) => isWritable);
    const isPrimary = this.#chance.permille(this.#plan.primaryPermille);
    return isPrimary && open !== undefined ? open : this.#chance.pick(machines);
  }

  #after(us: number, act: () => void): void {
    this.#timeline.after(us, () => {
      if (!this.#isOver) act();
    });
  }

  #outageUs(): number {
    return this.#chance.between(1_000, this.#plan.outageMaxUs);
  }

  #startLater(machine: Machine): void {
    this.#after(this.#outageUs(), () => machine.start());
  }
}
