/**
 * A world of a few Raft nodes in memory, with disks that forget what was not synced, for the
 * tests of this room. It judges every word that leaves a node against that node's disk.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { logIndex, type NodeId, nodeId, type Term, term } from '../scalars.ts';
import { decodeConfiguration, founded, isSameConfiguration } from './configuration.ts';
import { Driver, type Notice } from './driver.ts';
import { RAFT_LIMITS, type RaftLimits } from './options.ts';
import type { Done, LogStore } from './ports.ts';
import type {
  Configuration,
  Effect,
  Entry,
  EntryId,
  HardState,
  MemberChange,
  Message,
  RaftEvent,
  SnapshotMeta,
} from './protocol.ts';
import { Raft } from './raft.ts';

export function idOf(name: string): NodeId {
  return nodeId(`${name}@00000000`);
}

export function id(index: number, inTerm: number): EntryId {
  return { index: logIndex(index), term: term(inTerm) };
}

/** Mulberry32: small, seeded, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

interface LogState {
  hardState: HardState;
  base: EntryId;
  entries: Entry[];
  snapshot: SnapshotMeta | null;
}

/** Everything takes effect in memory at once and on "disk" when it is synced, in order. */
export class MemoryLog implements LogStore {
  readonly memory: LogState;
  readonly disk: LogState;
  readonly #pending: { apply: (state: LogState) => void; done: Done }[] = [];
  onAppend: (entry: Entry) => void = () => {};

  constructor(disk: LogState) {
    this.disk = disk;
    this.memory = { ...disk, entries: [...disk.entries] };
  }

  get pending(): number {
    return this.#pending.length;
  }

  saveHardState(hardState: HardState, done: Done): void {
    this.#do((state) => {
      state.hardState = hardState;
    }, done);
  }

  persist(after: EntryId, entries: readonly Entry[], done: Done): void {
    this.#do((state) => {
      equal(termAt(state, after.index), after.term, 'entries are appended to what they follow');
      state.entries.length = after.index - state.base.index;
      state.entries.push(...entries);
    }, done);
    for (const entry of entries) this.onAppend(entry);
  }

  read(
    after: EntryId,
    last: EntryId,
    _bytesMax: number,
    done: (entries: readonly Entry[] | null) => void,
  ): void {
    const { memory } = this;
    const isHeld =
      termAt(memory, after.index) === after.term && termAt(memory, last.index) === last.term;
    const from = after.index - memory.base.index;
    done(isHeld ? memory.entries.slice(from, last.index - memory.base.index) : null);
  }

  termAt(index: EntryId['index']): Term | null {
    return termAt(this.memory, index);
  }

  installSnapshot(snapshot: SnapshotMeta, keepSuffix: boolean, done: Done): void {
    this.#do((state) => {
      const isHeld = termAt(state, snapshot.last.index) === snapshot.last.term;
      equal(keepSuffix, isHeld, 'the suffix is kept when the log holds the last entry');
      const gone = keepSuffix ? snapshot.last.index - state.base.index : state.entries.length;
      state.entries.splice(0, gone);
      state.base = snapshot.last;
      state.snapshot = snapshot;
    }, done);
  }

  compact(snapshot: SnapshotMeta, base: EntryId, done: Done): void {
    this.#do((state) => {
      if (snapshot.last.index >= (state.snapshot?.last.index ?? 0)) state.snapshot = snapshot;
      if (base.index <= state.base.index) return;
      state.entries.splice(0, base.index - state.base.index);
      state.base = base;
    }, done);
  }

  /** Syncs the first `count` requests. Their completions may ask for more, which waits. */
  sync(count = this.#pending.length): void {
    for (const { apply, done } of this.#pending.splice(0, count)) {
      apply(this.disk);
      done();
    }
  }

  /** The power goes: some requests reached the disk, and nobody was told. */
  crash(reached: number): LogState {
    for (const { apply } of this.#pending.splice(0, reached)) apply(this.disk);
    this.#pending.length = 0;
    return this.disk;
  }

  #do(apply: (state: LogState) => void, done: Done): void {
    apply(this.memory);
    this.#pending.push({ apply, done });
  }
}

export function termAt(state: LogState, index: number): Term | null {
  if (index === state.base.index) return state.base.term;
  return state.entries[index - state.base.index - 1]?.term ?? null;
}

export interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: Message;
}

export interface Member {
  readonly id: NodeId;
  driver: Driver;
  log: MemoryLog;
  isUp: boolean;
  applied: number;
  /** The term it leads in, as its application sees it. */
  reign: number | null;
  /** Round wanted -> the latest term in which anybody had led when it was wanted. */
  wants: Map<number, number>;
}

export class SmallWorld {
  readonly voters: readonly NodeId[];
  readonly members = new Map<NodeId, Member>();
  /** The last that each told of its rounds, between a step and what came of it. */
  readonly #roundsTold = new Map<NodeId, number>();
  readonly limits: RaftLimits;
  readonly random: () => number;
  wire: Envelope[] = [];
  /** Links that lose everything, one way each: `from>to`. */
  readonly cuts = new Set<string>();
  readonly leaders = new Map<number, NodeId>();
  readonly committed: string[] = [''];
  /** The configurations that were committed, and since which index. */
  readonly configurations: { index: number; configuration: Configuration }[];
  readonly notices: string[] = [];
  /** Called for each message that leaves; for tests that look at single words. */
  onSend: (envelope: Envelope) => void = () => {};
  onNotice: (by: NodeId, notice: Notice) => void = () => {};
  fetches: { by: NodeId; snapshot: SnapshotMeta; done: (s: SnapshotMeta | null) => void }[] = [];

  constructor(names: string, seed: number, limits: Partial<RaftLimits> = {}, copies = '') {
    this.limits = { ...RAFT_LIMITS, ...limits };
    this.random = seeded(seed);
    this.voters = [...names].map(idOf);
    this.configurations = [{ index: 0, configuration: founded(this.voters) }];
    for (const each of [...names, ...copies]) this.join(each);
  }

  /** A node with an empty disk, that nobody counts yet. */
  join(name: string): void {
    const hardState = { term: term(0), votedFor: null };
    this.#boot(idOf(name), { hardState, base: id(0, 0), entries: [], snapshot: null });
  }

  member(name: string): Member {
    const member = this.members.get(idOf(name));
    ok(member, `there is a node ${name}`);
    return member;
  }

  raft(name: string): Raft {
    return this.member(name).driver.raft;
  }

  handle(name: string, event: RaftEvent): void {
    this.member(name).driver.handle(event);
  }

  /** Wants a change on `name`; what became of it comes as notices. */
  change(
    name: string,
    kind: MemberChange['kind'],
    node: string,
    { decision = 0, leaderMayLeave = false } = {},
  ): void {
    const change = { kind, node: idOf(node) };
    this.handle(name, { kind: 'changeWanted', change, decision, leaderMayLeave });
  }

  propose(member: Member, text: string): void {
    member.driver.handle({ kind: 'proposed', payloads: [Buffer.from(text)] });
  }

  wantRound(member: Member): number {
    const round = member.driver.raft.nextRound;
    member.wants.set(round, Math.max(0, ...this.leaders.keys()));
    member.driver.handle({ kind: 'roundWanted', round });
    return round;
  }

  deliver(at: number, isRepeated = false): void {
    const envelope = isRepeated ? this.wire[at] : this.wire.splice(at, 1)[0];
    if (envelope === undefined) return;
    if (this.cuts.has(`${envelope.from}>${envelope.to}`)) return;
    const target = this.members.get(envelope.to);
    if (target?.isUp !== true) return;
    target.driver.handle({ kind: 'received', from: envelope.from, message: envelope.message });
  }

  /** Delivers and syncs until nothing is under way. */
  settle(): void {
    for (let round = 0; round < 10_000; round++) {
      const isQuiet = this.wire.length === 0 && this.fetches.length === 0;
      const isSynced = [...this.members.values()].every((m) => !m.isUp || m.log.pending === 0);
      if (isQuiet && isSynced) return;
      for (let left = this.wire.length; left > 0; left--) this.deliver(0);
      for (const member of this.members.values()) if (member.isUp) member.log.sync();
      for (let left = this.fetches.length; left > 0; left--) this.finishFetch(true);
    }
    ok(false, 'the world does not come to rest');
  }

  tick(name?: string): void {
    for (const member of this.members.values())
      if (member.isUp && (name === undefined || member.id === idOf(name)))
        member.driver.handle({ kind: 'tick' });
  }

  /** Ticks everybody until `isSo`; the number of ticks it took. */
  until(isSo: () => boolean, ticksMax = 2000): number {
    for (let ticks = 0; ticks <= ticksMax; ticks++) {
      if (isSo()) return ticks;
      this.tick();
      this.settle();
    }
    ok(false, `not so after ${ticksMax} ticks`);
  }

  leader(): Member | undefined {
    return [...this.members.values()].find((m) => m.isUp && m.driver.raft.role === 'leader');
  }

  /** Makes `name` the leader, by its own timeout. */
  elect(name: string): void {
    for (let ticks = 0; ticks < 500 && this.raft(name).role !== 'leader'; ticks++) {
      this.tick(name);
      this.settle();
    }
    equal(this.raft(name).role, 'leader');
  }

  /** Cuts `name` off from everybody, both ways. */
  isolate(name: string): void {
    const one = idOf(name);
    for (const other of this.members.keys()) {
      this.cuts.add(`${one}>${other}`);
      this.cuts.add(`${other}>${one}`);
    }
  }

  crash(name: string, reached = 0): void {
    const member = this.member(name);
    member.isUp = false;
    member.log.crash(reached);
    this.fetches = this.fetches.filter((fetch) => fetch.by !== member.id);
  }

  restart(name: string): void {
    const member = this.member(name);
    equal(member.isUp, false);
    this.#boot(member.id, member.log.disk);
  }

  /** Snapshots what is committed and drops the log up to `upTo`, or to some index before it. */
  compact(member: Member, upTo?: number): void {
    const { raft } = member.driver;
    const index = Math.min(raft.committed, raft.persisted);
    const inTerm = termAt(member.log.memory, index);
    if (inTerm === null || index <= raft.base.index) return;
    if (raft.configurationAt(logIndex(index)) === null) return;
    const snapshot: SnapshotMeta = {
      id: `${member.id}-${index}-${this.random()}`,
      last: id(index, inTerm),
      configuration: raft.configurationAt(logIndex(index)) ?? founded([]),
      bytes: 1,
    };
    const at = upTo ?? raft.base.index + (this.random() % (index - raft.base.index + 1));
    const base = id(at, termAt(member.log.memory, at) ?? 0);
    const { driver } = member;
    member.log.compact(snapshot, base, () => driver.handle({ kind: 'compacted', snapshot, base }));
  }

  finishFetch(isWell: boolean): void {
    const fetch = this.fetches.shift();
    fetch?.done(isWell ? fetch.snapshot : null);
  }

  /** Log matching (Raft §5.3): where two logs share index and term, they are equal up to there. */
  checkLogs(): void {
    const logs = [...this.members.values()].map((member) => member.log.memory);
    for (const [i, one] of logs.entries()) {
      for (const other of logs.slice(i + 1)) {
        const from = Math.max(one.base.index, other.base.index) + 1;
        const to = Math.min(endOf(one), endOf(other));
        let isShared = false;
        for (let index = to; index >= from; index--) {
          const left = one.entries[index - one.base.index - 1];
          const right = other.entries[index - other.base.index - 1];
          ok(left && right, 'both logs hold the index');
          if (left.term === right.term) isShared = true;
          if (isShared) equal(textOf(left), textOf(right), `logs differ at ${index}`);
        }
      }
    }
  }

  #boot(nodeOf: NodeId, disk: LogState): void {
    const log = new MemoryLog(disk);
    const raft = new Raft({
      id: nodeOf,
      configuration: founded(this.voters),
      configurations: configurationsIn(disk.entries),
      hardState: disk.hardState,
      base: disk.base,
      heads: disk.entries.map((entry) => ({
        index: entry.index,
        term: entry.term,
        bytes: entry.payload.length,
      })),
      snapshot: disk.snapshot,
      entropy: this.random,
      limits: this.limits,
    });
    const outbox = {
      send: (to: NodeId, message: Message) => this.#sent(nodeOf, to, message),
    };
    const fetcher = {
      fetch: (_: NodeId, snapshot: SnapshotMeta, done: (s: SnapshotMeta | null) => void) => {
        if (!this.fetches.some((fetch) => fetch.by === nodeOf))
          this.fetches.push({ by: nodeOf, snapshot, done });
      },
    };
    const driver = new Driver({
      raft,
      log,
      outbox,
      fetcher,
      onNotice: (notice) => this.#noticed(nodeOf, notice),
      onStep: () => this.#roundsTold.set(nodeOf, raft.nextRound),
      fatal: (error) => {
        throw error;
      },
    });
    const applied = disk.base.index;
    const wants = new Map<number, number>();
    const member = { id: nodeOf, driver, log, isUp: true, applied, reign: null, wants };
    log.onAppend = (entry) => this.checkChange(member, entry);
    this.members.set(nodeOf, member);
  }

  /** Disk before word: what a message promises is on its sender's disk. */
  #sent(from: NodeId, to: NodeId, message: Message): void {
    const disk = this.members.get(from)?.log.disk;
    ok(disk);
    const { hardState } = disk;
    // A node that leads no longer still sends what it had begun; then the last told is not of it.
    const told = this.#roundsTold.get(from) ?? 0;
    if (message.kind === 'append' && told > 0 && message.term === hardState.term)
      ok(message.round < told, 'a round is told of before its first message leaves');
    if (message.kind === 'voteReply' && !message.pre && message.granted)
      deepEqual(hardState, { term: message.term, votedFor: to }, 'a granted vote is on disk');
    if (message.kind === 'requestVote') this.#mayLead(from);
    if (message.kind === 'requestVote' && !message.pre)
      deepEqual(hardState, { term: message.term, votedFor: from }, 'its own vote is on disk');
    if (message.kind === 'appendReply' && message.ok) {
      equal(hardState.term, message.term, 'the term of an acknowledgement is on disk');
      ok(endOf(disk) >= message.index, 'what is acknowledged is on disk');
    }
    this.onSend({ from, to, message });
    this.wire.push({ from, to, message });
  }

  #noticed(from: NodeId, notice: Notice): void {
    const member = this.members.get(from);
    ok(member);
    this.notices.push(`${from[0]} ${notice.kind}`);
    this.onNotice(from, notice);
    switch (notice.kind) {
      case 'becameLeader': {
        ok(!this.leaders.has(notice.term), `term ${notice.term} has one leader`);
        this.leaders.set(notice.term, from);
        member.reign = notice.term;
        member.wants.clear();
        const { memory } = member.log;
        const known = this.committed.length - 1;
        ok(notice.noop.index > known, 'a leader holds everything committed');
        this.#mayLead(from);
        for (let index = memory.base.index + 1; index <= known; index++)
          equal(textOf(memory.entries[index - memory.base.index - 1]), this.committed[index]);
        return;
      }
      case 'steppedDown':
        equal(member.reign, notice.term, 'a reign ends once');
        member.reign = null;
        return;
      case 'commit': {
        // One that commits its own removal steps down in the same step.
        const leaves = member.reign !== null && !this.inForce(from).voters.includes(from);
        const leads = member.driver.raft.role === 'leader' || leaves;
        equal(member.reign !== null, leads, 'the reign ended first');
        this.#committed(member, notice.upTo);
        return;
      }
      case 'installed':
        ok(notice.snapshot.last.index > member.applied, 'a snapshot brings a node forward');
        this.#checkMembers(notice.snapshot);
        ok(
          notice.snapshot.last.index < this.committed.length,
          'a snapshot is of what is committed',
        );
        member.applied = notice.snapshot.last.index;
        return;
      case 'roundConfirmed':
        for (const [round, latest] of member.wants) {
          if (round > notice.round) continue;
          member.wants.delete(round);
          ok(latest <= notice.term, 'nobody led later when the round was wanted');
        }
        return;
      case 'accepted':
      case 'refused':
      case 'leaderChanged':
      case 'configurationChanged':
      case 'changeRefused':
      case 'toldRemoved':
      case 'transfer':
        return;
    }
  }

  #committed(member: Member, upTo: EntryId): void {
    ok(upTo.index > member.applied, 'commits only grow');
    const { memory } = member.log;
    for (let index = member.applied + 1; index <= upTo.index; index++) {
      const text = textOf(memory.entries[index - memory.base.index - 1]);
      if (index === this.committed.length) this.#firstCommitted(member, index, text);
      equal(text, this.committed[index], `one entry is committed at ${index}`);
    }
    member.applied = upTo.index;
    if (member.reign === null) return;
    const { voters } = this.inForce(member.id);
    const holders = voters.filter((voter) => {
      const disk = this.members.get(voter)?.log.disk;
      ok(disk);
      return disk.base.index >= upTo.index || termAt(disk, upTo.index) === upTo.term;
    });
    ok(holders.length > voters.length / 2, 'what is committed is on a majority of disks');
  }

  /** As a node's log has it: judged by payloads, not by what the core remembers. */
  inForce(of: NodeId): Configuration {
    const member = this.members.get(of);
    ok(member);
    const { memory } = member.log;
    const newest = configurationsIn(memory.entries).at(-1);
    return newest?.configuration ?? this.#committedAt(memory.base.index);
  }

  /** Voters, and those who do not know their removal committed (thesis §4.2.2, figure 4.6). */
  #mayLead(of: NodeId): void {
    const member = this.members.get(of);
    ok(member);
    const { entries, base } = member.log.memory;
    const index = configurationsIn(entries).at(-1)?.index ?? base.index;
    const before = index > member.applied ? this.#committedAt(index - 1).voters : [];
    const voters = [...this.inForce(of).voters, ...before];
    ok(voters.includes(of), 'who is no voter does not campaign');
  }

  /** One change at a time, each by one node, after an entry of the leader's own term. */
  checkChange(by: Member, entry: Entry): void {
    const configuration = decodeConfiguration(entry.payload);
    if (configuration === null || by.reign !== entry.term) return;
    const { memory } = by.log;
    const before = memory.entries.filter(({ index }) => index < entry.index);
    const previous = configurationsIn(before).at(-1);
    ok((previous?.index ?? 0) <= by.applied, 'one change at a time');
    const from = previous?.configuration ?? this.#committedAt(memory.base.index);
    const ownTerm = [memory.base, ...before].find((each) => each.term === entry.term);
    ok(ownTerm && ownTerm.index <= by.applied, 'a change comes after an entry of its own term');
    const differing = [...new Set([...from.voters, ...configuration.voters])].filter(
      (voter) => from.voters.includes(voter) !== configuration.voters.includes(voter),
    );
    ok(differing.length <= 1, 'configurations differ by one voter');
    ok(configuration.decision >= from.decision, 'decisions never fall');
  }

  #firstCommitted(member: Member, index: number, text: string): void {
    this.committed.push(text);
    const { memory } = member.log;
    const entry = memory.entries[index - memory.base.index - 1];
    const configuration = entry === undefined ? null : decodeConfiguration(entry.payload);
    if (configuration !== null) this.configurations.push({ index, configuration });
  }

  #committedAt(index: number): Configuration {
    const step = this.configurations.findLast((each) => each.index <= index);
    ok(step);
    return step.configuration;
  }

  #checkMembers({ last, configuration }: SnapshotMeta): void {
    ok(isSameConfiguration(this.#committedAt(last.index), configuration), 'members in a snapshot');
  }

  /** What is in force at each node is the newest in its log. */
  checkConfigurations(): void {
    for (const { id: of, driver, isUp, log } of this.members.values()) {
      // A snapshot counts for the core once it is on disk.
      if (!isUp || log.memory.base.index !== driver.raft.base.index) continue;
      ok(isSameConfiguration(driver.raft.configuration, this.inForce(of)), of);
    }
  }
}

function endOf(state: LogState): number {
  return state.base.index + state.entries.length;
}

function textOf(entry: Entry | undefined): string {
  ok(entry, 'the entry is in the log');
  return `${entry.term}:${Buffer.from(entry.payload).toString()}`;
}

function configurationsIn(held: readonly Entry[]) {
  return held.flatMap(({ index, payload }) => {
    const configuration = decodeConfiguration(payload);
    return configuration === null ? [] : [{ index, configuration }];
  });
}

interface Start {
  readonly voters?: string;
  readonly inTerm?: number;
  readonly votedFor?: string;
  /** Terms of the entries on disk, from index 1. */
  readonly terms?: readonly number[];
  readonly limits?: Partial<RaftLimits>;
  readonly keepsPromises?: boolean;
}

/** A bare node `a`, to be stepped by hand. Its timeouts are the minimal ones. */
export function bareRaft(start: Start = {}): Raft {
  const { voters = 'abc', inTerm = 0, votedFor, terms = [], limits = {} } = start;
  const { keepsPromises = false } = start;
  return new Raft({
    id: idOf('a'),
    configuration: founded([...voters].map(idOf)),
    configurations: [],
    hardState: { term: term(inTerm), votedFor: votedFor === undefined ? null : idOf(votedFor) },
    base: id(0, 0),
    heads: terms.map((t, i) => ({ ...id(i + 1, t), bytes: 1 })),
    snapshot: null,
    entropy: () => 0,
    limits: { ...RAFT_LIMITS, ...limits },
    keepsPromises,
  });
}

/** Steps a node and answers its disk requests at once, until it has nothing to say to its disk. */
export function stepSynced(raft: Raft, event: RaftEvent): Effect[] {
  const all: Effect[] = [];
  const events: RaftEvent[] = [event];
  for (let next = events.shift(); next !== undefined; next = events.shift()) {
    for (const effect of raft.step(next)) {
      all.push(effect);
      if (effect.kind === 'saveHardState')
        events.push({ kind: 'hardStateSaved', hardState: effect.hardState });
      if (effect.kind === 'persistEntries') {
        const last = effect.entries.at(-1) ?? effect.after;
        events.push({ kind: 'entriesPersisted', upTo: id(last.index, last.term) });
      }
    }
  }
  return all;
}

export function received(from: string, message: Message): RaftEvent {
  return { kind: 'received', from: idOf(from), message };
}

/** Ticks a bare node through its timeout, a pre-vote of `by`, and the vote of `by`. */
export function lead(raft: Raft, by: readonly string[] = ['b']): Effect[] {
  while (raft.role === 'follower') stepSynced(raft, { kind: 'tick' });
  const next = term(raft.term + 1);
  for (const from of by)
    stepSynced(raft, received(from, { kind: 'voteReply', term: next, pre: true, granted: true }));
  const effects: Effect[] = [];
  for (const from of by) {
    const reply: Message = { kind: 'voteReply', term: next, pre: false, granted: true };
    effects.push(...stepSynced(raft, received(from, reply)));
  }
  equal(raft.role, 'leader');
  return effects;
}

export function kinds(effects: readonly Effect[]): string[] {
  return effects.map((effect) =>
    effect.kind === 'send' ? `${effect.message.kind} to ${effect.to[0]}` : effect.kind,
  );
}

/** The messages that `effects` send to `to`. */
export function sentTo(effects: readonly Effect[], to: string): Message[] {
  return effects.flatMap((e) => (e.kind === 'send' && e.to === idOf(to) ? [e.message] : []));
}

export function entries(after: EntryId, terms: readonly number[]): Entry[] {
  return terms.map((t, i) => ({ ...id(after.index + 1 + i, t), payload: Buffer.from('x') }));
}

export function append(
  inTerm: number,
  after: EntryId,
  terms: readonly number[] = [],
  { commit = 0, round = 1 } = {},
): Message {
  return {
    kind: 'append',
    term: term(inTerm),
    after,
    entries: entries(after, terms),
    commit: logIndex(commit),
    round,
  };
}

export function ack(inTerm: number, index: number, round = 1): Message {
  return {
    kind: 'appendReply',
    term: term(inTerm),
    ok: true,
    index: logIndex(index),
    hint: id(index, 0),
    round,
  };
}
