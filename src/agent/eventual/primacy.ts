/**
 * The control leader's side of the primary's lease: it grants, and sees for the plan how the
 * primary and the others stand. On every node, since any may come to lead.
 */
import type { Answer } from '../../core/control/applied.ts';
import type { Command } from '../../core/control/command.ts';
import type { ControlState, Primary } from '../../core/control/state.ts';
import { type Asked, LeaseGranter } from '../../core/lease/granter.ts';
import type { Observation, PrimarySeen, Standing } from '../../core/plan/observation.ts';
import { isOutdone, primaryTrouble } from '../../core/plan/primary-replica.ts';
import type { Notice } from '../../core/raft/driver.ts';
import type { NodeId } from '../../core/scalars.ts';
import type { LeaseAnswered, LeaseAsked } from './words.ts';

/** Nodes tell where they stand every 200 ms: four times may be lost. */
const STANDING_MS_MAX = 1_000;

/** What of the control group is used here. */
export interface LeadingGroup {
  readonly isCurrent: boolean;
  readonly state: ControlState;
  readonly appliedIndex: number;
  readonly committedIndex: number;
  /** A round numbered so, or higher, begins after now. */
  readonly nextRound: number;
  readonly confirmedRound: number;
  wantRound(round: number): void;
  propose(command: Command, done: (answer: Answer) => void): void;
}

export interface PrimacyOptions {
  readonly group: LeadingGroup;
  readonly nowMs: () => number;
  /** For people. */
  readonly wallMs: () => number;
  readonly answer: (to: NodeId, answered: LeaseAnswered) => void;
}

interface Question extends Asked {
  readonly asked: LeaseAsked;
}

export class Primacy {
  readonly #o: PrimacyOptions;
  readonly #granter = new LeaseGranter<Question>();
  readonly #standings = new Map<NodeId, { readonly standing: Standing; readonly atMs: number }>();
  /** Of the appointment in force, since it was first seen here, or since this node leads. */
  #decision = 0;
  /** The server of who was appointed lived then, as far as this leader knew. */
  #wasExact = false;
  #heardMs = Number.NEGATIVE_INFINITY;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #troubleSinceMs: number | null = null;
  #opening = 0;
  /** Since when nothing about who leads, or is appointed, has changed. */
  #leadSinceMs = Number.NEGATIVE_INFINITY;
  /** The heir's, whether it may promote its server: an older lease keeps it waiting. */
  #early: Question | null = null;
  /** As the plan saw it last. */
  #seen: Observation | null = null;
  #last: { readonly history: string; readonly offset: number } | null = null;

  constructor(options: PrimacyOptions) {
    this.#o = options;
  }

  /** Also what this node says of itself. */
  reported(from: NodeId, standing: Standing): void {
    this.#standings.set(from, { standing, atMs: this.#o.nowMs() });
    this.#granter.released(from, standing.released);
    const { primary } = this.#o.group.state;
    const { history, offset } = standing;
    if (history !== null && from === primary?.node && history === primary.history)
      this.#heardAt(history, offset);
    this.#serveEarly();
  }

  lost(node: NodeId): void {
    this.#standings.delete(node);
  }

  asked(from: NodeId, asked: LeaseAsked): void {
    const { group, nowMs } = this.#o;
    if (!group.isCurrent) return;
    const { decision, run, serial } = asked;
    const question = { decision, run, serial };
    const round = group.nextRound;
    this.#granter.asked({
      from,
      question,
      asked,
      atMs: nowMs(),
      round,
      index: group.committedIndex,
    });
    group.wantRound(round);
    this.#serve();
  }

  noticed(notice: Notice): void {
    switch (notice.kind) {
      case 'becameLeader':
        this.#granter.began(this.#o.nowMs());
        this.#watchAnew();
        return;
      case 'steppedDown':
        this.#granter.ended();
        this.#early = null;
        return;
      case 'transfer':
        this.#leadSinceMs = this.#o.nowMs();
        return;
      case 'roundConfirmed':
        this.#serve();
        return;
      default:
        return;
    }
  }

  /** More of the log is applied. */
  changed(): void {
    const { primary } = this.#o.group.state;
    if (primary !== undefined && primary.decision !== this.#decision) {
      this.#decision = primary.decision;
      this.#wasExact = this.#standings.get(primary.node)?.standing.isExact === true;
      this.#watchAnew();
    }
    this.#serve();
  }

  observe(seen: Observation): Observation {
    const { nowMs, group } = this.#o;
    this.#serveEarly();
    const { primary } = group.state;
    const now = nowMs();
    const standings = this.#fresh();
    const isOpen = primary === undefined || primary.history !== null;
    const eventual: PrimarySeen = {
      standings,
      silentMs: now - this.#heardMs,
      troubleMs: 0,
      unopenedMs: isOpen ? 0 : now - this.#sinceMs,
      leadMs: now - this.#leadSinceMs,
      isSetBack: !isOpen && this.#isSetBack(primary.node),
      offset: this.#last?.history === primary?.history ? (this.#last?.offset ?? null) : null,
    };
    const isInTrouble = primaryTrouble(group.state, { ...seen, eventual }) !== null;
    this.#troubleSinceMs = isInTrouble ? (this.#troubleSinceMs ?? now) : null;
    const troubleMs = this.#troubleSinceMs === null ? 0 : now - this.#troubleSinceMs;
    this.#seen = { ...seen, eventual: { ...eventual, troubleMs } };
    return this.#seen;
  }

  #isSetBack(node: NodeId): boolean {
    return this.#wasExact && this.#standings.get(node)?.standing.isExact === false;
  }

  #fresh(): ReadonlyMap<NodeId, Standing> {
    const now = this.#o.nowMs();
    for (const [node, { atMs }] of this.#standings)
      if (now > atMs + STANDING_MS_MAX) this.#standings.delete(node);
    return new Map([...this.#standings].map(([node, { standing }]) => [node, standing]));
  }

  #watchAnew(): void {
    const now = this.#o.nowMs();
    this.#heardMs = now;
    this.#sinceMs = now;
    this.#leadSinceMs = now;
    this.#troubleSinceMs = null;
    this.#early = null;
  }

  #heardAt(history: string, offset: number): void {
    if (this.#last?.history === history && this.#last.offset >= offset) return;
    this.#last = { history, offset };
  }

  #serve(): void {
    const { group } = this.#o;
    if (!group.isCurrent) return;
    for (const each of this.#granter.ready(group.confirmedRound, group.appliedIndex))
      this.#answer(each);
  }

  /** When older leases are over, they are: nobody has to ask again for that. */
  #serveEarly(): void {
    const question = this.#early;
    this.#early = null;
    if (question !== null && this.#o.group.isCurrent) this.#answer(question);
  }

  #answer(question: Question): void {
    const { group, nowMs } = this.#o;
    const { from, asked } = question;
    const { primary } = group.state;
    if (primary === undefined || primary.decision !== asked.decision) return;
    if (primary.node !== from) {
      this.#tell(question, 'inForce');
      return;
    }
    this.#heardMs = Math.max(this.#heardMs, question.atMs);
    this.#early = null;
    if (primary.history !== null) {
      if (asked.history === primary.history) this.#grant(question, asked);
      return;
    }
    const { former, decision } = primary;
    const isOver =
      former === null || former === from || this.#granter.isOver(former, decision, nowMs());
    if (!isOver || this.#isHandingOver(primary)) {
      // A history may be gone by then, with the server that began it: that is asked for again.
      if (asked.history === null) this.#early = question;
      return;
    }
    if (asked.history === null && this.#isOutdone(primary)) return;
    if (asked.history === null) this.#tell(question, 'clear');
    else if (this.#opening !== decision) this.#open(question, asked.history);
  }

  /** The former primary is there, and keeps its clients' writes waiting for this one. */
  #isHandingOver({ isPlanned, former, decision }: Primary): boolean {
    if (!isPlanned || former === null) return false;
    const known = this.#standings.get(former);
    if (known === undefined || this.#o.nowMs() > known.atMs + STANDING_MS_MAX) return false;
    return known.standing.isUp && known.standing.released < decision;
  }

  /** It was started again since it was appointed, or may have been, and somebody holds more. */
  #isOutdone(primary: Primary): boolean {
    const { state } = this.#o.group;
    const eventual = this.#seen?.eventual ?? null;
    if (primary.base === null) return false;
    if (this.#seen === null || eventual === null || !this.#standings.has(primary.node)) return true;
    const now = { standings: this.#fresh(), isSetBack: this.#isSetBack(primary.node) };
    return isOutdone(state, { ...this.#seen, eventual: { ...eventual, ...now } }, primary);
  }

  /** It is agreed on before anything is written under it. */
  #open(question: Question, history: string): void {
    const { group, wallMs } = this.#o;
    const { asked } = question;
    this.#opening = asked.decision;
    const { decision, from } = asked;
    group.propose({ kind: 'opened', atMs: wallMs(), decision, history, from }, ({ ok }) => {
      this.#opening = 0;
      if (ok && group.isCurrent) this.#answer(question);
    });
  }

  #grant(question: Question, { history, offset }: LeaseAsked): void {
    if (history !== null) this.#heardAt(history, offset);
    this.#granter.granted(question);
    this.#tell(question, 'granted');
  }

  #tell({ from, question }: Question, answer: LeaseAnswered['answer']): void {
    this.#o.answer(from, { ...question, answer });
  }
}
