/**
 * Which configurations there are, seen from outside all nodes: those that were appended, those that
 * were committed, and what is in force at a node by its log (thesis §4.1).
 */
import { decodeConfiguration } from '../src/core/raft/configuration.ts';
import type { Configuration, Entry } from '../src/core/raft/protocol.ts';
import type { LogIndex, NodeId, Term } from '../src/core/scalars.ts';
import type { Shadow } from './shadow.ts';
import { must } from './violation.ts';

interface Step {
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
}

export class Configurations {
  /** Every one that anybody appended. */
  readonly #appended: Step[] = [];
  readonly #committed: Step[];
  /** The first entry of each term: its leader's no-op. */
  readonly #firsts = new Map<Term, LogIndex>();

  /** `begun`: in force before the first entry. */
  constructor(begun: Configuration) {
    this.#committed = [{ index: 0, term: 0, configuration: begun }];
  }

  get agreed(): Configuration {
    return (this.#committed.at(-1) as Step).configuration;
  }

  /** How many changes were committed. */
  get changes(): number {
    return this.#committed.length - 1;
  }

  /** In a configuration once, and in the newest one no longer. */
  wasRemoved(node: NodeId): boolean {
    return (
      !holds(this.agreed, node) && this.#committed.some((step) => holds(step.configuration, node))
    );
  }

  /** What holds at `index`, if that is committed. */
  at(index: number): Configuration {
    const step = this.#committed.findLast((each) => each.index <= index);
    return (step as Step).configuration;
  }

  /** Those that a leader may still go by: the agreed one and what nobody has overwritten. */
  get possible(): readonly Configuration[] {
    const last = this.#committed.at(-1) as Step;
    const open = this.#appended.filter((step) => step.index > last.index);
    return [last.configuration, ...open.map((step) => step.configuration)];
  }

  /** The newest of a node's log, and its index. */
  inForce(shadow: Shadow): { readonly index: number; readonly configuration: Configuration } {
    const newest = this.#appended
      .filter(
        ({ index, term }) => index > shadow.base.index && shadow.termAt(index as LogIndex) === term,
      )
      .reduce<Step | null>((best, step) => (step.index > (best?.index ?? 0) ? step : best), null);
    const { index } = shadow.base;
    return newest ?? { index, configuration: this.at(index) };
  }

  /** For the first time anywhere: by the leader of its term, whose log is as it was before. */
  appended(leader: NodeId, shadow: Shadow, entry: Entry): void {
    if (!this.#firsts.has(entry.term)) this.#firsts.set(entry.term, entry.index);
    const configuration = decodeConfiguration(entry.payload);
    if (configuration === null) return;
    const { index, term } = entry;
    const at = () => `${leader} ${index}/${term}`;
    const before = this.inForce(shadow);
    const first = this.#firsts.get(term) as LogIndex;
    must(first <= shadow.committed, 'a change comes after an entry of its own term', at);
    must(before.index <= shadow.committed, 'one change at a time', at);
    const from = before.configuration;
    must(apart(from.voters, configuration.voters) <= 1, 'changes are of one voter', at);
    must(configuration.decision >= from.decision, 'decisions never fall', at);
    this.#appended.push({ index, term, configuration });
  }

  committed(index: LogIndex, term: Term): void {
    const step = this.#appended.find((each) => each.index === index && each.term === term);
    if (step !== undefined) this.#committed.push(step);
  }

  /**
   * Whether a node may ask for votes: a voter, or one that cannot know that its removal is
   * committed (thesis §4.2.2, figure 4.6).
   */
  mayCampaign(node: NodeId, shadow: Shadow): boolean {
    const { index, configuration } = this.inForce(shadow);
    if (configuration.voters.includes(node)) return true;
    return index > shadow.committed && this.at(index - 1).voters.includes(node);
  }
}

function holds({ voters, learners }: Configuration, node: NodeId): boolean {
  return voters.includes(node) || learners.includes(node);
}

function apart(one: readonly NodeId[], other: readonly NodeId[]): number {
  const gone = one.filter((id) => !other.includes(id));
  const come = other.filter((id) => !one.includes(id));
  return gone.length + come.length;
}
