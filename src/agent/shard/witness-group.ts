/**
 * One strong shard on a witness: a full voter of its Raft group, with the log and the snapshots of
 * everybody else, and without a server (`facts/holes.md` H5).
 *
 * It keeps the entries' bytes, since whoever it voted for, or whoever lags, may have to get them
 * from here: of two data nodes and a witness, one data node and the witness may be the only ones
 * that hold what was acknowledged. It lets data nodes campaign first. Where only its log is long
 * enough it leads, opens to nobody, and hands over as soon as a data node has all of it.
 *
 * A log over its limit ends in a snapshot here too: a data node's, fetched as it is and never read.
 */
import { Driver, type Notice } from '../../core/raft/driver.ts';
import { SnapshotPuller, type TransferMessage } from '../../core/raft/fetch.ts';
import { SnapshotGiver } from '../../core/raft/give.ts';
import type { MemberChange, Message, PeerView, SnapshotMeta } from '../../core/raft/protocol.ts';
import type { Raft } from '../../core/raft/raft.ts';
import { type LogIndex, logIndex, type NodeId, type ReplOffset } from '../../core/scalars.ts';
import { Compaction } from '../strong/compaction.ts';
import type { StreamIndex } from '../strong/stream-index.ts';
import { StreamLog } from '../strong/stream-log.ts';
import type { DataGroupOptions } from './group-options.ts';
import { raftOf } from './group-raft.ts';
import { KeptSnapshots } from './kept-snapshots.ts';
import { type ChangeDone, type ChangeOptions, MemberChanges } from './member-changes.ts';
import type { ShardMember } from './shard-member.ts';

export interface WitnessOptions
  extends Omit<DataGroupOptions, 'server' | 'historyId' | 'relay' | 'watch' | 'soon'> {
  /** Where clients are passed to; null: nowhere. */
  readonly setLeader: (leader: NodeId | null) => void;
}

/** Once a second the log notes how far it is synced. */
const SETTLE_TICKS = 40;

export class WitnessGroup implements ShardMember {
  readonly raft: Raft;
  readonly index: StreamIndex;
  readonly #o: WitnessOptions;
  readonly #driver: Driver;
  readonly #puller: SnapshotPuller;
  readonly #giver: SnapshotGiver;
  readonly #snapshots: KeptSnapshots;
  readonly #compaction: Compaction;
  readonly #changes: MemberChanges;
  #witnesses: readonly NodeId[] = [];
  #handOver: ChangeDone | null = null;
  #ticks = 0;

  constructor(options: WitnessOptions) {
    const { opened, index, limits, fetchLimits, peers, fatal } = options;
    this.#o = options;
    this.index = index;
    this.raft = raftOf(options);
    const send = (to: NodeId, message: TransferMessage) => peers.sendTransfer(to, message);
    this.#giver = new SnapshotGiver({
      source: opened.snapshots,
      send,
      chunkBytesMax: fetchLimits.chunkBytes,
      readsMax: limits.snapshotReadsMax,
    });
    this.#puller = new SnapshotPuller({ sink: opened.snapshots.sink, send, limits: fetchLimits });
    this.#snapshots = new KeptSnapshots({
      ...options,
      configurationAt: (at) => this.raft.configurationAt(at),
    });
    this.#driver = new Driver({
      raft: this.raft,
      log: new StreamLog(opened.store, index, {
        baseOf: (installed) => this.#snapshots.streamBaseOf(installed),
        replaced: () => undefined,
      }),
      outbox: peers,
      fetcher: this.#puller,
      onNotice: (notice) => this.#noticed(notice),
      fatal,
    });
    this.#compaction = this.#buildCompaction();
    this.#changes = new MemberChanges({
      id: options.id,
      isLeader: () => this.isLeader,
      handle: (event) => this.#driver.handle(event),
      handOver: (done) => this.handOver(null, done),
    });
  }

  get isLeader(): boolean {
    return this.raft.role === 'leader';
  }

  get committedOffset(): ReplOffset {
    return this.index.endAt(this.#committed);
  }

  get logBytes(): number {
    return this.#o.opened.store.bytes;
  }

  get syncs(): number {
    return this.#o.opened.store.syncs;
  }

  get snapshot(): { readonly bytes: number; readonly offset: number } {
    const { bytes, offset } = this.#snapshots.newest;
    return { bytes, offset };
  }

  start(): void {
    this.#driver.handle({ kind: 'readinessChanged', readiness: 'reluctant' });
  }

  stop(): void {
    this.#driver.handle({ kind: 'readinessChanged', readiness: 'barred' });
  }

  tick(): void {
    this.#driver.handle({ kind: 'tick' });
    this.#puller.tick();
    this.#compact();
    this.#passOn();
    this.#ticks += 1;
    if (this.#ticks % SETTLE_TICKS === 0) this.#o.opened.store.settle();
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
    this.#witnesses = witnesses;
    this.#driver.handle({ kind: 'witnessesKnown', witnesses });
  }

  snapshotOffered(from: NodeId, snapshot: SnapshotMeta): void {
    this.#compaction.offered(from, snapshot);
  }

  handOver(to: NodeId | null, done: ChangeDone): void {
    if (!this.isLeader || this.#handOver !== null) {
      done(false, this.isLeader ? 'leadership is being handed over' : 'this node does not lead');
      return;
    }
    this.#handOver = done;
    this.#driver.handle({ kind: 'transferWanted', to });
  }

  resign(why: string): void {
    this.#driver.handle({ kind: 'resignWanted', why });
  }

  changeMembers(change: MemberChange, options: ChangeOptions, done: ChangeDone): void {
    this.#changes.change(change, options, done);
  }

  /** While a snapshot is being installed the index is ahead of what Raft knows. */
  get #committed(): LogIndex {
    return logIndex(Math.max(this.raft.committed, this.index.baseIndex));
  }

  /** What it leads for: that somebody who can serve has everything. It lasts as long as that. */
  #passOn(): void {
    if (!this.isLeader || this.#handOver !== null) return;
    const heir = this.raft.view().peers.find((peer) => this.#isLevelData(peer));
    if (heir === undefined) return;
    this.handOver(heir.peer, (ok, why) =>
      this.#o.note('info', 'witness.handedOver', { to: heir.peer, ok, why }),
    );
  }

  #isLevelData({ peer, standing, state, match, silentTicks }: PeerView): boolean {
    if (standing !== 'voter' || this.#witnesses.includes(peer)) return false;
    const isThere = state === 'streaming' && silentTicks < this.#o.limits.electionTicksMin;
    return isThere && match === this.raft.last.index;
  }

  #compact(): void {
    const { bytes, offset, index } = this.#snapshots.newest;
    this.#compaction.tick({
      // Like a leader it waits for what others take.
      isLeader: true,
      canTake: false,
      logBytes: this.#o.opened.store.closedBytes,
      sinceSnapshotBytes: this.index.endOffset - offset,
      newestIndex: index,
      committedIndex: this.raft.committed,
      snapshotBytes: bytes,
    });
  }

  #buildCompaction(): Compaction {
    const { logLimitBytes, limits } = this.#o;
    return new Compaction(
      {
        logLimitBytes,
        logHardBytes: Math.max(logLimitBytes * limits.logHardFactor, limits.logHardBytesMin),
        aloneTicks: limits.snapshotAloneTicks,
      },
      {
        take: (done) => done(null),
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
        announce: () => undefined,
        // Nobody writes here: the leader keeps the bound for all.
        setLogFull: () => undefined,
      },
    );
  }

  #noticed(notice: Notice): void {
    this.#o.onNotice(notice);
    this.#changes.noticed(notice);
    if (notice.kind === 'leaderChanged') this.#o.setLeader(notice.leader);
    else if (notice.kind === 'steppedDown') this.#handedOver(true, notice.why);
    else if (notice.kind === 'transfer' && notice.state === 'abandoned')
      this.#handedOver(false, notice.why);
  }

  #handedOver(ok: boolean, why: string): void {
    const done = this.#handOver;
    this.#handOver = null;
    done?.(ok, why);
  }
}
