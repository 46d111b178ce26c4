/**
 * One strong shard on this node: its Raft group, log, server and feed, joined.
 *
 * Everything below runs on events: messages from peers, completions of the disk, words of the
 * server, and a tick. What decides is pure (`core/raft`, `agent/strong`); this file only connects.
 */
import { emptyRdb } from '../../core/psync/empty-rdb.ts';
import { Driver, type Notice } from '../../core/raft/driver.ts';
import { SnapshotPuller, type TransferMessage } from '../../core/raft/fetch.ts';
import { SnapshotGiver } from '../../core/raft/give.ts';
import type { MemberChange, Message, SnapshotMeta } from '../../core/raft/protocol.ts';
import type { Raft } from '../../core/raft/raft.ts';
import { groupId, type NodeId, type ReplOffset } from '../../core/scalars.ts';
import { Compaction } from '../strong/compaction.ts';
import { DiskWatch } from '../strong/disk-watch.ts';
import { Feed } from '../strong/feed.ts';
import type { RaftPort, StrongPorts } from '../strong/ports.ts';
import type { StreamIndex } from '../strong/stream-index.ts';
import { StreamLog } from '../strong/stream-log.ts';
import { Strong } from '../strong/strong.ts';
import { DivergenceWatch } from './divergence-watch.ts';
import { GroupLeases } from './group-leases.ts';
import type { DataGroupOptions } from './group-options.ts';
import { raftOf } from './group-raft.ts';
import { GroupReads } from './group-reads.ts';
import { GroupSnapshots } from './group-snapshots.ts';
import { type ChangeDone, type ChangeOptions, MemberChanges } from './member-changes.ts';
import { ProposalBatch } from './proposal-batch.ts';
import type { ShardMember } from './shard-member.ts';

export const DATA_GROUP = groupId('data0');

export class DataGroup implements ShardMember {
  readonly raft: Raft;
  readonly strong: Strong;
  readonly index: StreamIndex;
  readonly #o: DataGroupOptions;
  readonly #driver: Driver;
  readonly #feed: Feed;
  readonly reads: GroupReads;
  readonly #puller: SnapshotPuller;
  readonly #giver: SnapshotGiver;
  readonly #compaction: Compaction;
  readonly #snapshots: GroupSnapshots;
  readonly #diskWatch: DiskWatch;
  readonly #divergenceWatch: DivergenceWatch;
  readonly #changes: MemberChanges;
  /** Null: every read waits for a round. */
  readonly #leases: GroupLeases | null;
  readonly #proposals: ProposalBatch;
  #settleTicks = 0;

  constructor(options: DataGroupOptions) {
    const { opened, index, server, limits, fetchLimits } = options;
    const { store, snapshots } = opened;
    this.#o = options;
    this.index = index;
    this.raft = raftOf(options);
    this.#giver = new SnapshotGiver({
      source: snapshots,
      send: (to, message) => options.peers.sendTransfer(to, message),
      chunkBytesMax: fetchLimits.chunkBytes,
      readsMax: limits.snapshotReadsMax,
    });
    this.#puller = new SnapshotPuller({
      sink: snapshots.sink,
      send: (to, message) => options.peers.sendTransfer(to, message),
      limits: fetchLimits,
    });
    this.#snapshots = new GroupSnapshots({
      ...options,
      configurationAt: (at) => this.raft.configurationAt(at),
      strong: () => this.strong,
    });
    const log = new StreamLog(store, index, {
      baseOf: (installed) => this.#snapshots.streamBaseOf(installed),
      replaced: () => this.strong.installed(),
    });
    this.#driver = new Driver({
      raft: this.raft,
      log,
      outbox: options.peers,
      fetcher: this.#puller,
      onNotice: (notice) => this.#noticed(notice),
      ...(options.watch ? { onStep: () => options.watch?.began(this.raft.nextRound) } : {}),
      fatal: options.fatal,
    });
    this.#proposals = new ProposalBatch(this.#driver, options.soon);
    this.#feed = new Feed(options.historyId, index, {
      log: store,
      openSnapshot: (done) => this.#snapshots.open(done),
      emptyRdb: Buffer.from(emptyRdb()),
      diverged: (why) => this.strong.diverged(why),
    });
    this.#leases = this.#buildLeases();
    this.reads = this.#buildReads();
    this.strong = new Strong(limits, this.#strongPorts(), index, this.#feed);
    this.#compaction = this.#buildCompaction();
    this.#diskWatch = this.#buildDiskWatch();
    this.#divergenceWatch = this.#buildDivergenceWatch();
    this.#changes = new MemberChanges({
      id: options.id,
      isLeader: () => this.isLeader,
      handle: (event) => this.#driver.handle(event),
      handOver: (done) => this.handOver(null, done),
    });
    server.listen(this.strong);
  }

  get feed(): Feed {
    return this.#feed;
  }

  get isLeader(): boolean {
    return this.raft.role === 'leader';
  }

  /**
   * How many other nodes at least hold whatever was answered, since a majority does: of the members
   * before as well, until a change of them is committed.
   */
  get replicasHolding(): number {
    const { configuration, committed } = this.raft;
    const agreed = this.raft.configurationAt(committed) ?? configuration;
    const voters = Math.min(agreed.voters.length, configuration.voters.length);
    return Math.floor(voters / 2);
  }

  get committedOffset(): ReplOffset {
    return this.strong.committedOffset;
  }

  get syncs(): number {
    return this.#o.opened.store.syncs;
  }

  get logBytes(): number {
    return this.#o.opened.store.bytes;
  }

  /** Why the own server cannot load the newest snapshot, for people; null when it can. */
  get snapshotProblem(): string | null {
    return this.#snapshots.problem;
  }

  get snapshot(): { readonly bytes: number; readonly offset: number } {
    const { bytes, offset } = this.#snapshots.newest;
    return { bytes, offset };
  }

  /** Snapshots in this life of the node: of the own server, and of peers. */
  get snapshotCounts(): { readonly taken: number; readonly fetched: number } {
    const { taken, fetched } = this.#snapshots;
    return { taken, fetched };
  }

  start(): void {
    this.strong.start();
  }

  /** Nothing is served after this; the log is closed by whoever opened it. */
  stop(): void {
    this.strong.stop();
  }

  tick(): void {
    const newest = this.#snapshots.newest;
    this.#driver.handle({ kind: 'tick' });
    this.strong.tick();
    this.reads.tick();
    this.#puller.tick();
    this.#compaction.tick({
      isLeader: this.isLeader,
      canTake: this.#canTakeSnapshot(),
      logBytes: this.#o.opened.store.closedBytes,
      sinceSnapshotBytes: this.index.endOffset - newest.offset,
      newestIndex: newest.index,
      committedIndex: this.strong.committedIndex,
      snapshotBytes: newest.bytes,
    });
    this.#diskWatch.tick({
      isOpen: this.strong.isOpen,
      hasPeers: !this.raft.isSoleVoter,
      diskWaitTicks: this.raft.diskWaitTicks,
      unpersistedBytes: this.raft.unpersistedBytes,
    });
    this.#divergenceWatch.tick();
    this.#snapshots.tick();
    this.#settleTicks += 1;
    if (this.#settleTicks % SETTLE_TICKS === 0) this.#o.opened.store.settle();
  }

  received(from: NodeId, message: Message): void {
    this.#driver.handle({ kind: 'received', from, message });
  }

  transferred(from: NodeId, message: TransferMessage): void {
    if (message.kind === 'chunkWanted') this.#giver.received(from, message);
    else this.#puller.received(from, message);
  }

  peerFound(peer: NodeId): void {
    this.#driver.handle({ kind: 'peerFound', peer });
  }

  peerLost(peer: NodeId): void {
    this.#driver.handle({ kind: 'peerLost', peer });
  }

  witnessesKnown(witnesses: readonly NodeId[]): void {
    this.#driver.handle({ kind: 'witnessesKnown', witnesses });
  }

  copiesKnown(copies: readonly NodeId[]): void {
    this.#driver.handle({ kind: 'copiesKnown', copies });
  }

  snapshotOffered(from: NodeId, snapshot: SnapshotMeta): void {
    this.#compaction.offered(from, snapshot);
  }

  /** A round numbered so, or higher, begins after now: the ticket of a command that arrives. */
  get nextRound(): number {
    return this.raft.nextRound;
  }

  wantRound(round: number): void {
    this.#driver.handle({ kind: 'roundWanted', round });
  }

  /** Hands leadership over and tells how it ended. */
  handOver(to: NodeId | null, done: (ok: boolean, why: string) => void): void {
    this.strong.handOver(to, done);
  }

  /** On the leader: one node more or less, or a learner made a voter; tells how it ended. */
  changeMembers(change: MemberChange, options: ChangeOptions, done: ChangeDone): void {
    this.#changes.change(change, options, done);
  }

  resign(why: string): void {
    this.#driver.handle({ kind: 'resignWanted', why });
  }

  #strongPorts(): StrongPorts {
    const { server, relay, watch, note } = this.#o;
    const leases = this.#leases;
    return {
      server,
      raft: this.#raftPort(),
      relay,
      reads: this.reads.follower,
      ...(watch ? { watch } : {}),
      ...(leases ? { newLease: () => leases.next() } : {}),
      note: (event, facts) => note(event === 'server.down' ? 'warn' : 'info', event, facts),
    };
  }

  #buildReads(): GroupReads {
    const parts = { raft: this.raft, feed: this.#feed, strong: () => this.strong };
    return new GroupReads({ ...this.#o, ...parts, handle: (event) => this.#driver.handle(event) });
  }

  #buildLeases(): GroupLeases | null {
    const { leases, limits, watch = null } = this.#o;
    const { electionTicksMin } = limits;
    return leases ? new GroupLeases({ ...leases, raft: this.raft, electionTicksMin, watch }) : null;
  }

  /** While one from the leader is being installed, the stream is ahead of what Raft knows. */
  #canTakeSnapshot(): boolean {
    const isServing = this.#feed.isStreaming || this.strong.isOpen;
    return isServing && this.strong.committedIndex <= this.raft.committed;
  }

  #buildCompaction(): Compaction {
    const { logLimitBytes, peers, limits } = this.#o;
    return new Compaction(
      {
        logLimitBytes,
        logHardBytes: Math.max(logLimitBytes * limits.logHardFactor, limits.logHardBytesMin),
        aloneTicks: limits.snapshotAloneTicks,
      },
      {
        take: (done) => this.#snapshots.take(done),
        fetch: (from, wanted, done) => {
          const isBusy = this.#puller.progress !== null;
          if (isBusy || !this.#snapshots.isOfThisLog(wanted)) done(null);
          else this.#puller.fetch(from, wanted, done);
        },
        adopt: (snapshot, keepBytes, done) =>
          this.#snapshots.adopt(
            snapshot,
            keepBytes,
            (base) => this.#driver.handle({ kind: 'compacted', snapshot, base }),
            done,
          ),
        announce: (taken) => peers.announceSnapshot(taken),
        setLogFull: (isFull) => this.strong.pauses.set('logFull', isFull),
      },
    );
  }

  #buildDiskWatch(): DiskWatch {
    const { limits, note } = this.#o;
    return new DiskWatch(
      {
        diskWaitTicksMax: limits.diskWaitTicksMax,
        handOverRetryTicks: limits.diskHandOverRetryTicks,
        unpersistedBytesMax: limits.uncommittedBytesMax,
      },
      {
        setDiskBehind: (isBehind) => this.strong.pauses.set('diskBehind', isBehind),
        handOver: (why) => {
          note('warn', 'disk.stalled', { why });
          this.handOver(null, (ok, how) => note('info', 'disk.handedOver', { ok, why: how }));
        },
      },
    );
  }

  #buildDivergenceWatch(): DivergenceWatch {
    const { server } = this.#o;
    return new DivergenceWatch({
      following: () => {
        const { stage, life } = this.strong;
        return stage.kind === 'following' && this.#feed.isStreaming ? life : null;
      },
      ask: (done) => server.unexpectedErrors(done),
      found: (why) => {
        server.diverged(why);
        this.strong.diverged(why);
      },
    });
  }

  #raftPort(): RaftPort {
    const driver = this.#driver;
    return {
      propose: (payload: Uint8Array) => this.#proposals.add(payload),
      wantRound: (round: number) => driver.handle({ kind: 'roundWanted', round }),
      transfer: (to: NodeId | null) => driver.handle({ kind: 'transferWanted', to }),
      resign: (why: string) => driver.handle({ kind: 'resignWanted', why }),
      setReadiness: (readiness: 'level' | 'reluctant') =>
        driver.handle({ kind: 'readinessChanged', readiness }),
    };
  }

  #noticed(notice: Notice): void {
    this.#o.onNotice(notice);
    this.#leases?.noticed(notice);
    this.#changes.noticed(notice);
    if (notice.kind === 'becameLeader' || notice.kind === 'configurationChanged')
      this.#o.watch?.replicasHolding(this.replicasHolding);
    this.#heard(notice);
    this.reads.noticed(notice);
  }

  #heard(notice: Notice): void {
    const { strong } = this;
    switch (notice.kind) {
      case 'commit':
        strong.committed(notice.upTo);
        return;
      case 'accepted':
        for (let i = notice.first; i <= notice.last; i++) strong.accepted(i as typeof notice.first);
        return;
      case 'refused':
        strong.refused(notice.why);
        return;
      case 'becameLeader':
        strong.becameLeader(notice.term, notice.noop);
        return;
      case 'steppedDown':
        this.#proposals.clear();
        strong.steppedDown(notice.why);
        return;
      case 'leaderChanged':
        strong.leaderChanged(notice.leader);
        return;
      case 'roundConfirmed':
        strong.roundConfirmed(notice.round);
        return;
      case 'transfer':
        if (notice.state === 'abandoned') strong.transferAbandoned(notice.why);
        return;
      case 'configurationChanged':
      case 'changeRefused':
      case 'toldRemoved':
        return;
      case 'installed':
        // The stream log told it when the snapshot took the log's place.
        return;
    }
  }
}

/** Once a second the log notes how far it is synced. */
const SETTLE_TICKS = 40;
