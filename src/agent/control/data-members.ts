/**
 * Brings the data group to what was decided, on the node that leads it.
 *
 * It reads the decision in its own copy of the agreed state, and every change carries that
 * decision's index. A leader whose copy is behind does nothing: the configuration in force carries
 * a later index than it knows (holes H10). Without the control group the members stay as they are.
 */
import { type ControlState, isWitness } from '../../core/control/state.ts';
import { type DataStep, nextDataSteps } from '../../core/plan/data-change.ts';
import type { Configuration, MemberChange } from '../../core/raft/protocol.ts';
import type { NodeId } from '../../core/scalars.ts';
import type { ChangeDone, ChangeOptions } from '../shard/member-changes.ts';

/** Between two steps: 100 ms. */
const STEP_TICKS = 4;
/** A hand-over that was not to be is tried again after 5 s: writes wait meanwhile. */
const HAND_OVER_AGAIN_TICKS = 200;

/** The part of a data group that is used here. */
export interface DataLead {
  readonly isLeader: boolean;
  readonly configuration: Configuration;
  isHeard(node: NodeId): boolean;
  changeMembers(change: MemberChange, options: ChangeOptions, done: ChangeDone): void;
  handOver(to: NodeId, done: ChangeDone): void;
}

export interface DataMembersOptions {
  readonly id: NodeId;
  readonly data: () => DataLead | null;
  readonly state: () => ControlState;
}

export class DataMembers {
  readonly #o: DataMembersOptions;
  #isActing = false;
  #ticks = 0;
  #quietTicks = 0;
  /** Refusals in a row: another step is tried after each. */
  #refusals = 0;
  #waits = '';
  /** The decision for which nothing was left to do at the last look. */
  #carriedOut: number | null = null;

  constructor(options: DataMembersOptions) {
    this.#o = options;
  }

  /** Why the last step did not go, in words; empty when nothing is to be done. */
  get waits(): string {
    return this.#o.data()?.isLeader === true ? this.#waits : '';
  }

  /** The decision that this leader has carried out; null while it is at work, or follows. */
  get carriedOut(): number | null {
    const isAsDecided = this.#o.data()?.isLeader === true && !this.#isActing;
    return isAsDecided ? this.#carriedOut : null;
  }

  tick(): void {
    this.#ticks += 1;
    if (this.#quietTicks > 0) this.#quietTicks -= 1;
    if (this.#isActing || this.#ticks % STEP_TICKS !== 0) return;
    const lead = this.#o.data();
    if (lead?.isLeader !== true) {
      this.#carriedOut = null;
      return;
    }
    const { spec, data, members } = this.#o.state();
    const { configuration } = lead;
    if (spec === null || configuration.decision > data.decision) return;
    const steps = nextDataSteps({
      self: this.#o.id,
      configuration,
      wanted: data.voters,
      isHeard: (node) => lead.isHeard(node),
      isWitness: (node) => members.some((each) => each.node === node && isWitness(each.facts)),
    });
    const step = steps[this.#refusals % Math.max(1, steps.length)];
    this.#carriedOut = step === undefined ? data.decision : null;
    if (step === undefined) this.#rest();
    else this.#take(lead, step, data.decision);
  }

  #rest(): void {
    this.#refusals = 0;
    this.#waits = '';
  }

  #take(lead: DataLead, step: DataStep, decision: number): void {
    if (step.kind === 'handOver' && this.#quietTicks > 0) return;
    this.#isActing = true;
    const done: ChangeDone = (ok, why) => {
      this.#isActing = false;
      if (ok) {
        this.#rest();
        return;
      }
      this.#refusals += 1;
      this.#waits = why;
      if (step.kind === 'handOver') this.#quietTicks = HAND_OVER_AGAIN_TICKS;
    };
    if (step.kind === 'handOver') lead.handOver(step.to, done);
    else lead.changeMembers(step.change, { decision }, done);
  }
}
