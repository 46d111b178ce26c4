/** Ports with ears: what passes is checked, noted in the shadow, and can be cut short. */
import type { ShardLog } from '../src/agent/shard/ports.ts';
import { isSameConfiguration } from '../src/core/raft/configuration.ts';
import type { Done, Outbox } from '../src/core/raft/ports.ts';
import type {
  Entry,
  EntryId,
  HardState,
  Message,
  SnapshotMeta,
} from '../src/core/raft/protocol.ts';
import type { LogIndex, NodeId, Term } from '../src/core/scalars.ts';
import type { Invariants } from './invariants.ts';
import type { Power, Promised } from './power.ts';
import type { Shadow } from './shadow.ts';
import { must } from './violation.ts';

/**
 * Requests waiting at one log store. A leader's come from clients, within its cap of uncommitted
 * bytes; a follower's from its leader, within the window, and once more for each new term.
 */
const REQUESTS_MAX = 20_000;

export interface TapOptions {
  readonly id: NodeId;
  readonly power: Power;
  readonly shadow: Shadow;
  readonly invariants: Invariants;
  readonly onCompacted: () => void;
  readonly note: ((what: string) => void) | null;
}

export class TappedLog implements ShardLog {
  readonly #log: ShardLog;
  readonly #o: TapOptions;

  constructor(log: ShardLog, options: TapOptions) {
    this.#log = log;
    this.#o = options;
  }

  get base(): EntryId {
    return this.#log.base;
  }

  get bytes(): number {
    return this.#log.bytes;
  }

  get closedBytes(): number {
    return this.#log.closedBytes;
  }

  get syncs(): number {
    return this.#log.syncs;
  }

  settle(): void {
    this.#log.settle();
  }

  compactTo(snapshot: SnapshotMeta, keepBytes: number, done: Done): void {
    const { power, shadow, note, onCompacted } = this.#o;
    power.effect();
    const { last } = snapshot;
    this.#namesVoters(snapshot);
    this.#log.compactTo(snapshot, keepBytes, done);
    shadow.compacted(this.#log.base, last);
    note?.(`compact to ${last.index}/${last.term}, base ${this.#log.base.index}`);
    onCompacted();
  }

  saveHardState(hardState: HardState, done: Done): void {
    const { id, power, shadow, invariants, note } = this.#o;
    power.effect();
    note?.(`save term ${hardState.term} vote ${hardState.votedFor ?? '-'}`);
    invariants.voted(id, hardState);
    shadow.hardStateAsked(hardState);
    this.#log.saveHardState(hardState, this.#hear(done, 'saved'));
  }

  persist(after: EntryId, entries: readonly Entry[], done: Done): void {
    const { id, power, shadow, invariants, note } = this.#o;
    power.effect();
    note?.(`persist ${entries.length} after ${after.index}/${after.term}`);
    invariants.appended(id, after, entries);
    shadow.persistAsked(after, entries);
    must(shadow.waiting <= REQUESTS_MAX, 'queues keep their bound', () => `${id} log requests`);
    this.#log.persist(after, entries, this.#hear(done, 'persisted'));
  }

  read(
    after: EntryId,
    last: EntryId,
    bytesMax: number,
    done: (entries: readonly Entry[] | null) => void,
  ): void {
    this.#o.power.effect();
    this.#log.read(after, last, bytesMax, done);
  }

  termAt(index: LogIndex): Term | null {
    return this.#log.termAt(index);
  }

  installSnapshot(snapshot: SnapshotMeta, keepSuffix: boolean, done: Done): void {
    const { power, shadow, note } = this.#o;
    power.effect();
    const { last } = snapshot;
    note?.(`install ${last.index}/${last.term}${keepSuffix ? ' keeping what follows' : ''}`);
    this.#namesVoters(snapshot);
    shadow.installAsked(last, keepSuffix);
    this.#log.installSnapshot(snapshot, keepSuffix, this.#hear(done, 'installed'));
  }

  /** Whoever is restored from it must know them all, and the learners of that index (H7). */
  #namesVoters({ id, last, configuration }: SnapshotMeta): void {
    const agreed = this.#o.invariants.configurations.at(last.index);
    const isWhole = isSameConfiguration(configuration, agreed);
    must(isWhole, 'a snapshot names all voters', () => `${id}: ${JSON.stringify(configuration)}`);
  }

  #hear(done: Done, what: string): Done {
    return (error) => {
      if (error === undefined) this.#o.shadow.done();
      this.#o.note?.(error === undefined ? what : `${what} not: ${error.message}`);
      done(error);
    };
  }
}

export class TappedOutbox implements Outbox {
  readonly #o: TapOptions;
  readonly #send: (to: NodeId, message: Message) => void;

  constructor(options: TapOptions, send: (to: NodeId, message: Message) => void) {
    this.#o = options;
    this.#send = send;
  }

  send(to: NodeId, message: Message): void {
    const { id, power, invariants, note } = this.#o;
    power.effect();
    note?.(`-> ${to} ${describe(message)}`);
    invariants.sent(id, to, message);
    this.#send(to, message);
    const promise = promiseIn(message);
    if (promise !== null) power.promised(promise);
  }
}

function promiseIn(message: Message): Promised | null {
  if (message.kind === 'voteReply') return message.granted && !message.pre ? 'vote' : null;
  return message.kind === 'appendReply' && message.ok ? 'acknowledgement' : null;
}

/** The message in one line of the event log. */
export function describe(message: Message): string {
  const { kind, term } = message;
  switch (message.kind) {
    case 'requestVote': {
      const how = `${message.pre ? ' pre' : ''}${message.transfer ? ' transfer' : ''}`;
      return `${kind} t${term}${how} last ${show(message.last)}`;
    }
    case 'voteReply':
      return `${kind} t${term}${message.pre ? ' pre' : ''} ${message.granted ? 'yes' : 'no'}`;
    case 'append': {
      const { after, entries, commit, round } = message;
      return `${kind} t${term} ${entries.length} after ${show(after)} commit ${commit} r${round}`;
    }
    case 'appendReply': {
      const { ok, index, hint, round } = message;
      return `${kind} t${term} ${ok ? 'ok' : 'no'} ${index} hint ${show(hint)} r${round}`;
    }
    case 'offerSnapshot':
      return `${kind} t${term} ${message.snapshot.id} r${message.round}`;
    case 'timeoutNow':
      return `${kind} t${term}`;
    case 'removed':
      return `${kind} t${term} up to ${message.index}`;
  }
}

function show(id: EntryId): string {
  return `${id.index}/${id.term}`;
}
