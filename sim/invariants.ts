/**
 * What must hold at every step, seen from outside all nodes (Raft figure 3, and our promises).
 *
 * The first broken one throws a Violation.
 */
import { crc32 } from 'node:zlib';
import { decodeEntry } from '../src/agent/strong/entry.ts';
import type {
  Configuration,
  Entry,
  EntryId,
  HardState,
  Message,
} from '../src/core/raft/protocol.ts';
import type { LogIndex, NodeId, Term } from '../src/core/scalars.ts';
import { Configurations } from './configurations.ts';
import type { Recovered, Shadow } from './shadow.ts';
import { Travels } from './travels.ts';
import { Truth } from './truth.ts';
import { must } from './violation.ts';

interface Commitment {
  readonly term: Term;
  /** The lowest term of a node that called it committed: it was so in that term or before. */
  readonly inTerm: Term;
  /** Of the configuration that was in force then. */
  readonly voters: readonly NodeId[];
}

/** What an answer has to have seen, as of the moment in which its request was sent. */
export interface Asked {
  /** The stream offset up to which clients had been told of effects. */
  readonly acknowledged: number;
  readonly highestCommitTerm: number;
  /** Over a connection that has asked for local reads, whoever else gets others. */
  readonly isLocal?: boolean;
}

interface Holders {
  readonly count: number;
  readonly of: number;
}

/** Terms stay far below this in a run: (index, term) fits one number. */
const TERMS_MAX = 1 << 20;

function keyOf(index: number, term: number): number {
  return index * TERMS_MAX + term;
}

function show(id: { index: number; term: number }): string {
  return `${id.index}/${id.term}`;
}

function isMajority(holders: Holders | null): boolean {
  return holders === null || holders.count > holders.of / 2;
}

function showHolders(holders: Holders | null): string {
  return `${holders?.count ?? 0} of ${holders?.of ?? 0} voters hold it`;
}

export class Invariants {
  readonly #shadows: ReadonlyMap<NodeId, Shadow>;
  readonly #isWitness: (node: NodeId) => boolean;
  readonly #leaders = new Map<Term, NodeId>();
  /** For each entry ever appended: the term of the one before it, and a print of its payload. */
  readonly #entries = new Map<number, { readonly before: number; readonly print: number }>();
  readonly #committed: (Commitment | undefined)[] = [];
  readonly configurations: Configurations;
  readonly truth = new Truth();
  readonly travels = new Travels();
  #acknowledged = 0;
  #releases = 0;
  #highestCommitTerm = 0;
  #checks = 0;

  constructor(
    begun: Configuration,
    shadows: ReadonlyMap<NodeId, Shadow>,
    isWitness: (node: NodeId) => boolean = () => false,
  ) {
    this.#isWitness = isWitness;
    this.configurations = new Configurations(begun);
    this.#shadows = shadows;
  }

  get checks(): number {
    return this.#checks + this.truth.checks;
  }

  /** Answers that left a node. */
  get releases(): number {
    return this.#releases;
  }

  /** Log matching, by induction: one (index, term) has one payload and one predecessor. */
  appended(node: NodeId, after: EntryId, entries: readonly Entry[]): void {
    this.truth.appended(node, entries);
    let before = after;
    for (const entry of entries) {
      must(entry.index === before.index + 1, 'log order', () => `${node} ${show(entry)}`);
      must(entry.term >= before.term, 'terms only grow in a log', () => `${node} ${show(entry)}`);
      const key = keyOf(entry.index, entry.term);
      const known = this.#entries.get(key);
      const print = crc32(entry.payload);
      if (known === undefined) {
        this.#entries.set(key, { before: before.term, print });
        this.#opensNothing(node, entry);
        this.configurations.appended(node, this.shadow(node), entry);
      } else {
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
    this.#mayCampaign(node);
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

  asked(): Asked {
    return {
      acknowledged: this.#acknowledged,
      highestCommitTerm: this.#highestCommitTerm,
    };
  }

  /**
   * An answer leaves. All that it could depend on is on a majority of disks, it has seen all that
   * others had been told of before it was asked for, and its node had not been deposed by then.
   */
  released(node: NodeId, term: Term, offset: number, isAgreed: boolean, asked: Asked): void {
    const { truth } = this;
    const index = truth.indexOf(offset);
    must(index !== null, 'nothing is acknowledged before it is committed', () => {
      return `${node} answers from ${offset}, committed ${truth.length}`;
    });
    must(isAgreed, 'only what was agreed on is answered', () => `${node} ${offset}`);
    const held = this.#committed[index];
    const holders = held === undefined ? null : this.#holders(index, held);
    must(isMajority(holders), 'acknowledged means synced on a majority', () => {
      return `${node} answers from ${offset}, entry ${index}, ${showHolders(holders)}`;
    });
    must(offset >= asked.acknowledged, 'no stale read', () => {
      return `${node} answers from ${offset}, acknowledged ${asked.acknowledged} before`;
    });
    must(asked.highestCommitTerm <= term, 'no answer of a deposed leader', () => {
      return `${node} in term ${term}, term ${asked.highestCommitTerm} had committed`;
    });
    if (offset > this.#acknowledged) this.#acknowledged = offset;
    this.#releases += 1;
    this.#checks += 1;
  }

  /**
   * A server that follows has answered: nothing but what is committed, and all that had been
   * acknowledged to anybody at `least`, where that was asked for.
   */
  readOnFollower(node: NodeId, offset: number, isAgreed: boolean, least: number): void {
    const isCommitted = this.truth.indexOf(offset) !== null && isAgreed;
    must(isCommitted, 'a follower shows nothing uncommitted', () => {
      return `${node} answers from ${offset}, committed ${this.truth.length}`;
    });
    must(offset >= least, 'no stale read on a follower', () => {
      return `${node} answers from ${offset}, acknowledged ${least} before`;
    });
    if (offset > this.#acknowledged) this.#acknowledged = offset;
    this.#releases += 1;
    this.#checks += 1;
  }

  /** No promise leaves before the disk has what it promises (thesis §3.8). */
  sent(node: NodeId, to: NodeId, message: Message): void {
    if (message.kind === 'requestVote') this.#mayCampaign(node);
    if ('pre' in message && message.pre) return;
    // A refusal promises nothing, nor does what is committed whatever the term.
    if (message.kind === 'removed') return;
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

  #leaderCommitted(node: NodeId, upTo: EntryId, nodeTerm: Term): void {
    must(upTo.term === nodeTerm, 'a leader commits by counting only its own term (§5.4.2)', () => {
      return `${node} in term ${nodeTerm} commits ${show(upTo)}`;
    });
    const { voters } = this.configurations.inForce(this.shadow(node)).configuration;
    const holders = this.#holders(upTo.index, { term: upTo.term, voters });
    must(isMajority(holders), 'committed means synced on a majority', () => {
      return `${node} commits ${show(upTo)}, ${showHolders(holders)}`;
    });
    if (nodeTerm > this.#highestCommitTerm) this.#highestCommitTerm = nodeTerm;
  }

  #holders(index: LogIndex, { term, voters }: Pick<Commitment, 'term' | 'voters'>): Holders {
    const holders = voters.filter((voter) => {
      const shadow = this.#shadows.get(voter);
      if (shadow === undefined || shadow.durable < index) return false;
      return shadow.base.index > index || shadow.termAt(index) === term;
    });
    return { count: holders.length, of: voters.length };
  }

  /** What is new comes from the leader of its term: of a witness that is no-ops and members. */
  #opensNothing(leader: NodeId, { index, term, payload }: Entry): void {
    if (!this.#isWitness(leader)) return;
    const kind = decodeEntry(payload)?.kind;
    must(kind === 'noop' || kind === 'configuration', 'a witness opens no reign', () => {
      return `${leader} appends ${kind} at ${index}/${term}`;
    });
  }

  #mayCampaign(node: NodeId): void {
    const may = this.configurations.mayCampaign(node, this.shadow(node));
    must(may, 'who is no voter does not campaign', () => node);
  }

  #commitOne(node: NodeId, index: LogIndex, term: Term | null, nodeTerm: Term): void {
    must(term !== null, 'a committed entry is in the log or a snapshot', () => `${node} ${index}`);
    const known = this.#committed[index];
    if (known === undefined) {
      const { voters } = this.configurations.inForce(this.shadow(node)).configuration;
      this.#committed[index] = { term, inTerm: nodeTerm, voters };
      this.configurations.committed(index, term);
      this.truth.committed(index, term);
      return;
    }
    must(known.term === term, 'one entry is committed per index', () => {
      return `${node} commits ${index}/${term}, ${index}/${known.term} was committed`;
    });
    if (nodeTerm < known.inTerm) this.#committed[index] = { ...known, inTerm: nodeTerm };
  }
}
