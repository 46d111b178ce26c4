/**
 * What must hold at every step, seen from outside all nodes (Raft figure 3, and our promises).
 *
 * The first broken one throws a Violation: from there on nothing else is worth looking at.
 */
import type { Entry, EntryId, HardState, Message } from '../src/core/raft/protocol.ts';
import type { LogIndex, NodeId, Term } from '../src/core/scalars.ts';
import type { Row } from './application.ts';
import type { Recovered, Shadow } from './shadow.ts';
import { fnv1a } from './time.ts';

export class Violation extends Error {
  override readonly name = 'Violation';
}

export function must(condition: boolean, rule: string, detail: () => string): asserts condition {
  if (!condition) throw new Violation(`${rule}: ${detail()}`);
}

interface Commitment {
  readonly term: Term;
  /** The lowest term of a node that called it committed: it was so in that term or before. */
  readonly inTerm: Term;
}

/** What a read has to see, as of the moment in which it began. */
export interface ReadTicket {
  readonly acknowledged: LogIndex;
  readonly highestCommitTerm: number;
}

/** Terms stay far below this in a run: (index, term) fits one number. */
const TERMS_MAX = 1 << 20;

function keyOf(index: number, term: number): number {
  return index * TERMS_MAX + term;
}

function show(id: { index: number; term: number }): string {
  return `${id.index}/${id.term}`;
}

export class Invariants {
  readonly #majority: number;
  readonly #voters: readonly NodeId[];
  readonly #shadows: ReadonlyMap<NodeId, Shadow>;
  readonly #leaders = new Map<Term, NodeId>();
  /** For each entry ever appended: the term of the one before it, and a print of its payload. */
  readonly #entries = new Map<number, { readonly before: number; readonly print: number }>();
  readonly #committed: (Commitment | undefined)[] = [];
  readonly #applied: (number | null | undefined)[] = [];
  readonly #acknowledged = new Map<number, LogIndex>();
  #acknowledgedMax = 0 as LogIndex;
  #highestCommitTerm = 0;
  #checks = 0;

  constructor(voters: readonly NodeId[], shadows: ReadonlyMap<NodeId, Shadow>) {
    this.#voters = voters;
    this.#majority = Math.floor(voters.length / 2) + 1;
    this.#shadows = shadows;
  }

  get checks(): number {
    return this.#checks;
  }

  /** The highest index whose value a client was told of. */
  get acknowledgedMax(): LogIndex {
    return this.#acknowledgedMax;
  }

  get acknowledged(): ReadonlyMap<number, LogIndex> {
    return this.#acknowledged;
  }

  /** Log matching, by induction: one (index, term) has one payload and one predecessor. */
  appended(node: NodeId, after: EntryId, entries: readonly Entry[]): void {
    let before = after;
    for (const entry of entries) {
      must(entry.index === before.index + 1, 'log order', () => `${node} ${show(entry)}`);
      must(entry.term >= before.term, 'terms only grow in a log', () => `${node} ${show(entry)}`);
      const key = keyOf(entry.index, entry.term);
      const known = this.#entries.get(key);
      const print = printOf(entry.payload);
      if (known === undefined) this.#entries.set(key, { before: before.term, print });
      else {
        const same = known.before === before.term && known.print === print;
        must(same, 'log matching', () => `${node} ${show(entry)} differs from its namesake`);
      }
      before = entry;
    }
    const held = this.#committed[after.index + 1];
    const first = entries[0];
    if (held !== undefined && first !== undefined && after.index < this.shadow(node).committed) {
      must(held.term === first.term, 'committed entries stay', () => `${node} ${show(first)}`);
    }
    this.#checks += 1;
  }

  shadow(node: NodeId): Shadow {
    const shadow = this.#shadows.get(node);
    must(shadow !== undefined, 'every node has a shadow', () => node);
    return shadow;
  }

  /** What was durable before the crash must be there after it; `before` is the last life's. */
  recovered(node: NodeId, before: Shadow, now: Recovered): void {
    const held = before.hardState;
    const hardStateKept =
      now.hardState.term > held.term ||
      (now.hardState.term === held.term &&
        (held.votedFor === null || now.hardState.votedFor === held.votedFor));
    must(hardStateKept, 'a synced term and vote survive', () => {
      return `${node} had ${JSON.stringify(held)}, has ${JSON.stringify(now.hardState)}`;
    });
    const last = now.heads.at(-1) ?? now.base;
    must(last.index >= before.durable, 'synced entries survive', () => {
      return `${node} had synced up to ${before.durable}, holds up to ${show(last)}`;
    });
    for (const head of now.heads) {
      if (head.index > before.durable) break;
      const term = before.termAt(head.index);
      must(term === null || term === head.term, 'synced entries survive', () => {
        return `${node} had term ${term} at ${head.index}, has ${head.term}`;
      });
    }
    this.#checks += 1;
  }

  /** Nobody votes twice in a term (Raft §5.2), in one life or in two. */
  voted(node: NodeId, { term, votedFor }: HardState): void {
    const held = this.shadow(node).hardState;
    must(term >= held.term, 'terms only grow', () => `${node} ${term} after ${held.term}`);
    must(
      term > held.term || held.votedFor === null || held.votedFor === votedFor,
      'one vote per term',
      () => `${node} votes for ${votedFor} in term ${term}, voted for ${held.votedFor}`,
    );
    this.#checks += 1;
  }

  becameLeader(node: NodeId, term: Term): void {
    const other = this.#leaders.get(term);
    must(other === undefined || other === node, 'election safety', () => {
      return `term ${term} has leaders ${other} and ${node}`;
    });
    this.#leaders.set(term, node);
    const shadow = this.shadow(node);
    for (let index = shadow.base.index + 1; index < this.#committed.length; index += 1) {
      const held = this.#committed[index];
      if (held === undefined || held.inTerm >= term) continue;
      must(shadow.termAt(index as LogIndex) === held.term, 'leader completeness', () => {
        return `${node} leads term ${term} without ${index}/${held.term}`;
      });
    }
    this.#checks += 1;
  }

  committed(node: NodeId, upTo: EntryId, isLeader: boolean, nodeTerm: Term): void {
    const shadow = this.shadow(node);
    must(upTo.index > shadow.committed, 'commit only grows', () => {
      return `${node} ${show(upTo)} after ${shadow.committed}`;
    });
    must(shadow.termAt(upTo.index) === upTo.term, 'commit names an entry of the log', () => {
      return `${node} ${show(upTo)}, log has term ${shadow.termAt(upTo.index)}`;
    });
    if (isLeader) this.#leaderCommitted(node, upTo, nodeTerm);
    for (let index = shadow.committed + 1; index <= upTo.index; index += 1) {
      this.#commitOne(node, index as LogIndex, shadow.termAt(index as LogIndex), nodeTerm);
    }
    shadow.committed = upTo.index;
    this.#checks += 1;
  }

  /** A snapshot stands for entries that were committed. */
  installed(node: NodeId, last: EntryId): void {
    const held = this.#committed[last.index];
    must(
      held !== undefined && held.term === last.term,
      'a snapshot is of committed entries',
      () => {
        return `${node} ${show(last)}`;
      },
    );
    const shadow = this.shadow(node);
    if (shadow.committed < last.index) shadow.committed = last.index;
  }

  applied(node: NodeId, index: LogIndex, value: number | null): void {
    const before = this.#applied[index];
    must(before === undefined || before === value, 'state-machine safety', () => {
      return `${node} applies ${value} at ${index}, somebody applied ${before}`;
    });
    must(index <= this.shadow(node).committed, 'only committed entries are applied', () => {
      return `${node} ${index}`;
    });
    this.#applied[index] = value;
    this.#checks += 1;
  }

  /** A snapshot holds exactly what was applied up to its last entry. */
  restored(node: NodeId, last: EntryId, rows: readonly Row[]): void {
    let row = 0;
    for (let index = 1; index <= last.index; index += 1) {
      const value = this.#applied[index];
      if (value === null || value === undefined) continue;
      const found = rows[row];
      must(found?.index === index && found.value === value, 'a snapshot holds all', () => {
        return `${node} has ${JSON.stringify(found)} in place of ${value} at ${index}`;
      });
      row += 1;
    }
    must(row === rows.length, 'a snapshot holds nothing else', () => `${node} ${show(last)}`);
    this.#checks += 1;
  }

  /** A client was told that its value is safe. */
  acknowledge(value: number, index: LogIndex): void {
    this.#acknowledged.set(value, index);
    if (index > this.#acknowledgedMax) this.#acknowledgedMax = index;
  }

  readBegins(): ReadTicket {
    return {
      acknowledged: this.#acknowledgedMax,
      highestCommitTerm: this.#highestCommitTerm,
    };
  }

  /** The read sees everything that was acknowledged before it began (thesis §6.4). */
  readEnds(node: NodeId, ticket: ReadTicket, term: Term): void {
    must(this.shadow(node).committed >= ticket.acknowledged, 'no stale read', () => {
      return `${node} reads at ${this.shadow(node).committed}, acknowledged ${ticket.acknowledged}`;
    });
    must(ticket.highestCommitTerm <= term, 'no round is confirmed for a deposed leader', () => {
      return `${node} in term ${term}, term ${ticket.highestCommitTerm} had committed`;
    });
    this.#checks += 1;
  }

  /** No promise leaves before the disk has what it promises (thesis §3.8). */
  sent(node: NodeId, to: NodeId, message: Message): void {
    if ('pre' in message && message.pre) return;
    // A refusal promises nothing.
    if (message.kind === 'voteReply' && !message.granted) return;
    if (message.kind === 'appendReply' && !message.ok) return;
    const shadow = this.shadow(node);
    const { term, votedFor } = shadow.hardState;
    must(term >= message.term, 'disk before word: term', () => {
      return `${node} sends ${message.kind} of term ${message.term}, disk has ${term}`;
    });
    if (message.kind === 'voteReply' && message.granted) {
      must(term > message.term || votedFor === to, 'disk before word: vote', () => {
        return `${node} votes for ${to} in ${message.term}, disk has ${votedFor}`;
      });
    }
    if (message.kind === 'appendReply' && message.ok) {
      must(shadow.durable >= message.index, 'disk before word: entries', () => {
        return `${node} acknowledges ${message.index}, disk has ${shadow.durable}`;
      });
    }
    this.#checks += 1;
  }

  /** At the end, after everything has healed: every node holds every acknowledged value, once. */
  finished(node: NodeId, rows: readonly Row[]): void {
    const places = new Map<number, LogIndex>();
    for (const row of rows) {
      must(!places.has(row.value), 'no value is applied twice', () => `${node} ${row.value}`);
      must(this.#applied[row.index] === row.value, 'all nodes hold the same', () => {
        return `${node} has ${row.value} at ${row.index}, not ${this.#applied[row.index]}`;
      });
      places.set(row.value, row.index);
    }
    for (const [value, index] of this.#acknowledged) {
      must(places.get(value) === index, 'no acknowledged value is lost', () => {
        return `${node} lacks ${value}, acknowledged at ${index}`;
      });
    }
  }

  #leaderCommitted(node: NodeId, upTo: EntryId, nodeTerm: Term): void {
    must(upTo.term === nodeTerm, 'a leader commits by counting only its own term (§5.4.2)', () => {
      return `${node} in term ${nodeTerm} commits ${show(upTo)}`;
    });
    let holders = 0;
    for (const voter of this.#voters) {
      const shadow = this.#shadows.get(voter);
      if (shadow === undefined || shadow.durable < upTo.index) continue;
      if (shadow.base.index > upTo.index || shadow.termAt(upTo.index) === upTo.term) holders += 1;
    }
    must(holders >= this.#majority, 'committed means synced on a majority', () => {
      return `${node} commits ${show(upTo)}, ${holders} voters hold it`;
    });
    if (nodeTerm > this.#highestCommitTerm) this.#highestCommitTerm = nodeTerm;
  }

  #commitOne(node: NodeId, index: LogIndex, term: Term | null, nodeTerm: Term): void {
    must(term !== null, 'a committed entry is in the log or a snapshot', () => `${node} ${index}`);
    const known = this.#committed[index];
    if (known === undefined) {
      this.#committed[index] = { term, inTerm: nodeTerm };
      return;
    }
    must(known.term === term, 'one entry is committed per index', () => {
      return `${node} commits ${index}/${term}, ${index}/${known.term} was committed`;
    });
    if (nodeTerm < known.inTerm) this.#committed[index] = { term, inTerm: nodeTerm };
  }
}

function printOf(payload: Uint8Array): number {
  return fnv1a(`${payload.length} ${payload.subarray(0, 4).join()} ${payload.at(-1)}`);
}
