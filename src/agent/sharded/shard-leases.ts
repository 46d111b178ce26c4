/**
 * The control leader's side of the leases of all shards' primaries (`docs/decisions/0015`): the
 * same rules as where there is one (`agent/eventual/primacy.ts`), for each decision in force.
 */

import { leadBy } from '../../core/control/shards.ts';
import type { ControlState, ShardLead } from '../../core/control/state.ts';
import { type Asked, LeaseGranter } from '../../core/lease/granter.ts';
import type { Standing } from '../../core/plan/observation.ts';
import type { Notice } from '../../core/raft/driver.ts';
import type { NodeId } from '../../core/scalars.ts';
import type { LeadingGroup } from '../eventual/primacy.ts';
import type { LeaseAnswered, LeaseAsked } from '../eventual/words.ts';

export interface ShardLeasesOptions {
  readonly group: LeadingGroup;
  readonly nowMs: () => number;
  /** For people. */
  readonly wallMs: () => number;
  readonly answer: (to: NodeId, answered: LeaseAnswered) => void;
}

interface Question extends Asked {
  readonly asked: LeaseAsked;
}

export class ShardLeases {
  readonly #o: ShardLeasesOptions;
  readonly #granter = new LeaseGranter<Question>();
  /** Decisions whose opening is proposed. */
  readonly #opening = new Set<number>();

  constructor(options: ShardLeasesOptions) {
    this.#o = options;
  }

  /** Also what this node says of itself. */
  reported(from: NodeId, { released }: Standing): void {
    this.#granter.released(from, released);
  }

  asked(from: NodeId, asked: LeaseAsked): void {
    const { group, nowMs } = this.#o;
    if (!group.isCurrent) return;
    const { decision, run, serial } = asked;
    const round = group.nextRound;
    const question = { decision, run, serial };
    const index = group.committedIndex;
    this.#granter.asked({ from, question, asked, atMs: nowMs(), round, index });
    group.wantRound(round);
    this.#serve();
  }

  noticed({ kind }: Notice): void {
    if (kind === 'becameLeader') this.#granter.began(this.#o.nowMs());
    else if (kind === 'steppedDown') this.#granter.ended();
    else if (kind === 'roundConfirmed') this.#serve();
  }

  /** More of the log is applied. */
  changed(): void {
    this.#serve();
  }

  /** Neither the server nor the one that it is to replace may be open by any lease. */
  isFenced(server: string): boolean {
    const { group, nowMs } = this.#o;
    const holders = holdersFor(group.state, server);
    return group.isCurrent && holders.every((node) => this.#granter.isQuiet(node, nowMs()));
  }

  #serve(): void {
    const { group } = this.#o;
    if (!group.isCurrent) return;
    for (const each of this.#granter.ready(group.confirmedRound, group.appliedIndex))
      this.#answer(each);
  }

  #answer(question: Question): void {
    const { group } = this.#o;
    const { from, asked } = question;
    const lead = leadBy(group.state, asked.decision);
    if (lead === null || lead.node !== from) return;
    if (lead.history !== null) {
      if (asked.history === lead.history) this.#grant(question);
    } else if (this.#isClear(lead)) {
      if (asked.history === null) this.#tell(question, 'clear');
      else if (group.state.shards?.isFounded === true) this.#open(question, asked.history);
    }
  }

  /**
   * A planned heir waits for no lease: its primary holds up all writes from when it is asked until
   * the heir has its slots, or for five seconds, which is longer than its lease can last by then.
   */
  #isClear({ by, former, node, decision }: ShardLead): boolean {
    if (former === null || former.node === node || by === 'planned') return true;
    return this.#granter.isOver(former.node, decision, this.#o.nowMs());
  }

  /** It is agreed on before anything is written under it. */
  #open(question: Question, history: string): void {
    const { group, wallMs } = this.#o;
    const { decision } = question.asked;
    if (this.#opening.has(decision)) return;
    this.#opening.add(decision);
    const command = { kind: 'opened', atMs: wallMs(), decision, history, from: null } as const;
    group.propose(command, ({ ok }) => {
      this.#opening.delete(decision);
      if (ok && group.isCurrent) this.#answer(question);
    });
  }

  #grant(question: Question): void {
    this.#granter.granted(question);
    this.#tell(question, 'granted');
  }

  #tell({ from, question }: Question, answer: LeaseAnswered['answer']): void {
    this.#o.answer(from, { ...question, answer });
  }
}

/** Nodes that may have got a lease for the shard that this server leads, or has led. */
function holdersFor({ shards }: ControlState, server: string): NodeId[] {
  const leads = shards?.leads ?? [];
  return leads
    .filter((lead) => lead.server === server || lead.former?.server === server)
    .flatMap(({ node, former }) => (former === null ? [node] : [node, former.node]));
}
