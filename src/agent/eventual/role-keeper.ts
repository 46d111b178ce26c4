/**
 * Keeps this node's server what it was agreed to be: nothing, the primary, or a replica.
 *
 * Level by level: it looks at the server, compares with what is agreed on and with its lease, and
 * takes one step, until there is none. So it goes on from wherever a crash has left things.
 *
 * Holds (`docs/decisions/0012`, holes H11, H12): a server is open only under a lease of the
 * decision in force; it is promoted only when no older lease is alive; it is reported as released
 * only when it was seen to be no primary after the newer decision was read; what is told of its
 * data is what a completed sync has shown.
 */
import type { ControlState, HistoryPoint, Primary } from '../../core/control/state.ts';
import { memberOf } from '../../core/control/state.ts';
import { LeaseHolder } from '../../core/lease/holder.ts';
import { ASK_EVERY_MS } from '../../core/lease/spans.ts';
import type { Standing } from '../../core/plan/observation.ts';
import { HAND_OVER_MS } from '../../core/plan/primary-replica.ts';
import type { NodeId } from '../../core/scalars.ts';
import type { Note } from '../shard/ports.ts';
import { Held } from './held.ts';
import { addressToFollow, type NextStep, nextStep } from './next-step.ts';
import type { EventualServer, EventualServerEvents, KeptRecord, ServerSeen } from './ports.ts';
import { ServerLife } from './server-life.ts';
import type { LeaseAnswered, LeaseAsked } from './words.ts';

export interface RoleKeeperOptions {
  readonly id: NodeId;
  /** Monotonic, and the warden's too. */
  readonly nowMs: () => number;
  /** Other than in earlier lives, as far as chance goes; 32 bits. */
  readonly run: number;
  readonly priority: number;
  readonly state: () => ControlState;
  readonly server: EventualServer;
  readonly kept: KeptRecord;
  /** To whoever leads the control group. */
  readonly ask: (asked: LeaseAsked) => void;
  /**
   * Bytes of a former history that this node has, and the new primary has not. Nulls: it was
   * primary, and how much of that has come down to this one is not known any more.
   */
  readonly lost: (from: HistoryPoint | null, bytes: number | null) => void;
  readonly note: Note;
}

export class RoleKeeper implements EventualServerEvents {
  readonly #o: RoleKeeperOptions;
  readonly #holder: LeaseHolder;
  readonly #held: Held;
  readonly #life: ServerLife;
  /** The decision that was in force when this node asked, in this life of it. */
  #inForce = 0;
  /** The decision by which the server may be promoted: no older lease is alive. */
  #clearedBy = 0;
  /** By which it was, and the history that it left for its own; null: it did not know which. */
  #promoted: { readonly decision: number; readonly history: string | null } | null = null;
  /** Under whose lease it was opened; 0: it is shut. */
  #openBy = 0;
  /** The history under which the server that lives was open last; null: it never was. */
  #served: string | null = null;
  #isPaused = false;
  #askedMs = Number.NEGATIVE_INFINITY;
  /** By which decision, and for which history. */
  #askedFor = '';
  #released = 0;
  #lossTold = 0;

  constructor(options: RoleKeeperOptions) {
    const { nowMs, run, server, kept, note } = options;
    this.#o = options;
    this.#holder = new LeaseHolder(run);
    this.#held = new Held(kept, nowMs);
    this.#life = new ServerLife({ nowMs, server, note });
  }

  get standing(): Standing {
    const { priority } = this.#o;
    const { isUp } = this.#life;
    const { history, offset, isExact } = this.#held.told;
    return { history, offset, isExact, isUp, priority, released: this.#released };
  }

  /** As it was seen last, however long that is ago; for people. Null while it is down. */
  get seenShown(): ServerSeen | null {
    return this.#life.seenShown;
  }

  /** As it was seen last; null while it is down. */
  get seenLast(): ServerSeen | null {
    return this.#life.seen;
  }

  /** It takes writes, as far as this node knows. */
  get isOpen(): boolean {
    return this.#openBy > 0;
  }

  tick(): void {
    this.#life.tick();
    this.#step();
    this.#askForLease();
  }

  /** What is agreed on is another. */
  changed(): void {
    this.#step();
  }

  answered({ answer, ...question }: LeaseAnswered): void {
    const { primary } = this.#o.state();
    if (primary?.decision !== question.decision || !this.#holder.asked(question)) return;
    this.#inForce = question.decision;
    if (answer === 'clear') this.#clearedBy = question.decision;
    else if (answer === 'inForce') this.#holder.drop();
    else if (this.#holder.granted(question) && this.#openBy === question.decision)
      this.#o.server.extend(this.#life.life, this.#holder.untilMs);
    this.#step();
  }

  empty(life: number, done: () => void): void {
    if (life === this.#life.life) this.#held.empty(done);
  }

  up(life: number): void {
    this.#life.up(life);
  }

  down(life: number, why: string): void {
    if (!this.#life.down(life, why)) return;
    this.#forgetServer();
    this.#noteReleased();
  }

  seen(life: number, seen: ServerSeen): void {
    if (!this.#life.seenNow(life, seen)) return;
    // An order to open may have failed: nobody is to end what takes no writes.
    if (this.#openBy > 0 && seen.isShut) this.#isShutNow();
    const { primary } = this.#o.state();
    this.#held.seen(seen, primary ?? null);
    const isPromoted = primary !== undefined && primary.decision === this.#promoted?.decision;
    if (isPromoted && primary.history === null && seen.role === 'primary')
      this.#held.begins({
        history: seen.history,
        offset: seen.offset,
        decision: primary.decision,
        isOnDisk: seen.isOnDisk,
      });
    this.#step();
  }

  busy(life: number): void {
    this.#life.busy(life);
  }

  #forgetServer(): void {
    this.#holder.drop();
    this.#held.serverGone();
    this.#promoted = null;
    this.#openBy = 0;
    this.#served = null;
    this.#isPaused = false;
  }

  /** Another was appointed, and here is no primary: seen after the decision was read. */
  #noteReleased(): void {
    const { primary } = this.#o.state();
    if (primary === undefined || primary.node === this.#o.id) return;
    const isNone = this.#life.isGone || this.#life.seen?.role === 'replica';
    if (isNone && this.#openBy === 0) this.#released = primary.decision;
  }

  #step(): void {
    this.#held.agreed(this.#o.state().primary ?? null);
    this.#noteReleased();
    const { seen, isBusy } = this.#life;
    if (seen === null || isBusy) return;
    const { id, nowMs, state } = this.#o;
    const { primary, spec } = state();
    const step = nextStep({
      id,
      primary: primary ?? null,
      addressOf: (node) => this.#addressOf(node),
      seen,
      mayBeOpen: this.#holder.mayBeOpen(primary?.decision ?? 0, nowMs()),
      untilMs: this.#holder.untilMs,
      minReplicas: spec?.eventual?.minReplicasToWrite ?? 0,
      isInForce: primary?.decision === this.#inForce,
      isCleared: primary?.decision === this.#clearedBy && !this.#isOpenWhether(primary),
      isHolder: this.#isHolder,
      holdsBase: primary !== undefined && this.#holdsBase(primary),
      isPromoted: primary !== undefined && primary.decision === this.#promoted?.decision,
      holdsLease: this.#openBy > 0 && this.#holder.mayBeOpen(this.#openBy, nowMs()),
      isPaused: this.#isPaused,
      holdsHistory: this.#held.told.isExact ? this.#held.told.history : null,
    });
    if (step === null) return;
    switch (step.kind) {
      case 'open':
        this.#open(primary as Primary, step);
        return;
      case 'shut':
        this.#take({ kind: 'shut' }, () => this.#isShutNow());
        return;
      case 'pause':
        this.#take({ kind: 'pause', forMs: HAND_OVER_MS * 2 }, () => {
          this.#isPaused = true;
        });
        return;
      case 'detach':
        this.#take({ kind: 'detach' }, () => this.#isShutNow());
        return;
      case 'promote':
        this.#promote(primary as Primary);
        return;
      case 'follow':
        this.#follow(primary as Primary, step.address);
        return;
    }
  }

  /** Counted as open before it is: what may be open has to be shut again. */
  #open({ decision, history }: Primary, step: Extract<NextStep, { kind: 'open' }>): void {
    this.#openBy = decision;
    this.#served = history;
    this.#take(step, () => {
      this.#isPaused = false;
      this.#o.note('info', 'primary.open', { decision, minReplicas: step.minReplicas });
    });
  }

  #isShutNow(): void {
    if (this.#openBy > 0) this.#o.note('info', 'primary.shut', { decision: this.#openBy });
    this.#openBy = 0;
    this.#o.server.disarm(this.#life.life);
  }

  #promote({ decision }: Primary): void {
    const { history, isExact } = this.#held.told;
    this.#take({ kind: 'promote' }, () => {
      this.#promoted = { decision, history: isExact ? history : null };
    });
  }

  /** Durably nothing before it takes what is another's, unless it goes on with what it has. */
  #follow({ decision, history, from }: Primary, address: string): void {
    if (this.#lossTold !== decision) {
      this.#lossTold = decision;
      this.#tellLoss(history, from);
    }
    this.#life.occupy();
    const { life } = this.#life;
    this.#held.leaving(history as string, () => {
      this.#life.free();
      // What was to be done to another server, or by another decision, is decided anew.
      const isSame = life === this.#life.life && this.#life.seen !== null;
      if (!isSame || this.#o.state().primary?.decision !== decision) return;
      this.#take({ kind: 'follow', address }, () => undefined);
    });
  }

  #tellLoss(history: string | null, from: HistoryPoint | null): void {
    const { told } = this.#held;
    if (told.history === null || told.history === history) return;
    if (told.history === from?.history) {
      if (told.offset > from.offset) this.#o.lost(from, told.offset - from.offset);
    } else if (told.history === this.#served) this.#o.lost(null, null);
  }

  #take(step: Parameters<EventualServer['take']>[1], done: () => void): void {
    this.#life.take(step, done);
  }

  #askForLease(): void {
    const { id, nowMs, state, ask } = this.#o;
    const { seen } = this.#life;
    const { primary } = state();
    if (primary === undefined || seen === null || seen.isLoading) return;
    const history = primary.node === id ? this.#historyToName(primary, seen) : null;
    if (history === undefined || (primary.node !== id && !this.#wantsToFollow(primary, seen)))
      return;
    const what = `${primary.decision} ${history}`;
    if (what === this.#askedFor && nowMs() < this.#askedMs + ASK_EVERY_MS) return;
    this.#askedFor = what;
    this.#askedMs = nowMs();
    const { offset, leftAt } = seen;
    const left = this.#promoted?.history ?? null;
    const from = left === null || leftAt === null ? null : { history: left, offset: leftAt };
    ask({ ...this.#holder.ask(primary.decision, nowMs()), history, from, offset });
  }

  /**
   * An earlier server here was promoted by this decision: it may still open, and must not twice.
   */
  #isOpenWhether({ decision }: Primary): boolean {
    return this.#promoted?.decision !== decision && this.#held.isOpenWhether(decision);
  }

  /** Its server may have been started again since it was chosen, with less than it had. */
  #holdsBase({ base }: Primary): boolean {
    return base === null || this.#held.told.history === base;
  }

  #wantsToFollow(primary: Primary, seen: ServerSeen): boolean {
    if (this.#inForce === primary.decision || !this.#isHolder) return false;
    const addressOf = (node: NodeId): string => this.#addressOf(node);
    return addressToFollow({ id: this.#o.id, addressOf, seen }, primary) !== null;
  }

  /** It should hold the data, or leaves and does until it is gone; else a spare, or not in yet. */
  get #isHolder(): boolean {
    const { id, state } = this.#o;
    const leaving = memberOf(state(), id)?.leaving ?? null;
    return leaving !== null || state().data.voters.includes(id);
  }

  #addressOf(node: NodeId): string {
    return memberOf(this.#o.state(), node)?.facts.clientAddress ?? '';
  }

  /** Null: it asks whether it may promote its server; undefined: it is not what was appointed. */
  #historyToName(primary: Primary, seen: ServerSeen): string | null | undefined {
    const { told } = this.#held;
    if (seen.role === 'replica') {
      const isAble = primary.history === null && this.#holdsBase(primary);
      return isAble && !this.#isOpenWhether(primary) ? null : undefined;
    }
    if (primary.history !== null)
      return seen.history === primary.history ? seen.history : undefined;
    if (this.#promoted?.decision === primary.decision)
      return this.#held.hasBegun(seen.history) ? seen.history : undefined;
    return told.isExact && told.history === primary.base && seen.history === primary.base
      ? seen.history
      : undefined;
  }
}
