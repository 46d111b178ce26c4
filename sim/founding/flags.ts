/**
 * What people start the machines with: how many they expect, whether a machine only joins, and
 * whether it is a witness. Before there is a deployment they change their minds.
 */
import type { Chance, Timeline } from '../time.ts';
import type { FoundingLaw } from './law.ts';
import type { Machine } from './machine.ts';
import type { FoundingPlan } from './plan.ts';

export interface Flags {
  /** Null: it only joins. */
  readonly expect: number | null;
  readonly isWitness: boolean;
}

const AWAY_MAX_US = 300_000;
const JOIN_PERMILLE = 300;
const WITNESS_PERMILLE = 400;

export function flagsOf({ founders, expects, witnesses }: FoundingPlan, at: number): Flags {
  const isWitness = witnesses[at] ?? false;
  return { expect: at < founders ? (expects[at] ?? founders) : null, isWitness };
}

/** Restarts machines with other flags, again and again. */
export class Minds {
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #plan: FoundingPlan;
  readonly #law: FoundingLaw;
  readonly #machines: readonly Machine[];
  readonly #note: (what: string) => void;
  #isOver = false;

  constructor(
    timeline: Timeline,
    chance: Chance,
    plan: FoundingPlan,
    law: FoundingLaw,
    machines: readonly Machine[],
    note: (what: string) => void,
  ) {
    this.#timeline = timeline;
    this.#chance = chance;
    this.#plan = plan;
    this.#law = law;
    this.#machines = machines;
    this.#note = note;
  }

  begin(): void {
    const { mindGapMaxUs } = this.#plan;
    if (mindGapMaxUs === null) return;
    this.#timeline.after(this.#chance.between(1_000, mindGapMaxUs), () => {
      if (this.#isOver || this.#law.isFounded) return;
      this.#change(this.#chance.pick(this.#machines));
      this.begin();
    });
  }

  stop(): void {
    this.#isOver = true;
  }

  #change(machine: Machine): void {
    const { expect: least, founders } = this.#plan;
    const expect = this.#chance.permille(JOIN_PERMILLE)
      ? null
      : this.#chance.between(least, founders);
    const { isWitness } = machine.flags;
    const mayDiffer = machine.isEmpty && machine !== this.#machines[0];
    const isOther = this.#chance.permille(WITNESS_PERMILLE) && mayDiffer;
    const awayUs = this.#chance.between(1_000, AWAY_MAX_US);
    machine.crash(false);
    machine.flags = {
      expect: machine.mayFound ? expect : null,
      isWitness: isOther ? !isWitness : isWitness,
    };
    this.#note(`${machine.name} is started with ${JSON.stringify(machine.flags)}`);
    this.#timeline.after(awayUs, () => machine.start());
  }
}
