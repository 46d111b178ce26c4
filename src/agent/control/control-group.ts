/**
 * The control group on this node: its Raft node, log, snapshots and the agreed state, joined.
 *
 * Everything runs on events; what decides is pure (`core/raft`, `core/control`, `core/plan`).
 */
import type { Answer } from '../../core/control/applied.ts';
import { type Command, encodeCommand } from '../../core/control/command.ts';
import type { ControlState } from '../../core/control/state.ts';
import { CONTROL_VOTERS_MAX, votersWanted } from '../../core/plan/control-voters.ts';
import { Driver, type Notice } from '../../core/raft/driver.ts';
import { type FetchLimits, SnapshotPuller, type TransferMessage } from '../../core/raft/fetch.ts';
import { SnapshotGiver } from '../../core/raft/give.ts';
import type { RaftLimits } from '../../core/raft/options.ts';
import type { Configuration, EntryId, MemberChange, Message } from '../../core/raft/protocol.ts';
import { Raft } from '../../core/raft/raft.ts';
import { groupId, type LogIndex, logIndex, type NodeId, sorted } from '../../core/scalars.ts';
import { type ChangeDone, MemberChanges } from '../shard/member-changes.ts';
import type { Note, ShardFiles } from '../shard/ports.ts';
import { Applier } from './applier.ts';
import { ControlSnapshots, SNAPSHOT_BYTES } from './control-snapshots.ts';
import { type OpenedControl, readStand } from './open-control.ts';
import { type AnswerDone, PROPOSALS_MAX, Proposals } from './proposals.ts';

export const CONTROL_GROUP = groupId('control');
/** Chunks of snapshots being read for peers; a state is one chunk or a few. */
const SNAPSHOT_READS_MAX = 4;
/** Once a second the log notes how far it is synced. */
const SETTLE_TICKS = 40;

/** What of the opened files is used here. */
export type ControlFiles = Pick<OpenedControl, 'stand' | 'configurations'> & {
  readonly opened: ShardFiles;
};

export interface ControlGroupOptions {
  readonly id: NodeId;
  /** Of the charter: the first configuration follows from it on every node alike. */
  readonly founders: readonly NodeId[];
  readonly files: ControlFiles;
  readonly peers: {
    send(to: NodeId, message: Message): void;
    sendTransfer(to: NodeId, message: TransferMessage): void;
  };
  readonly limits: RaftLimits;
  readonly fetchLimits: FetchLimits;
  /** Unsigned 32-bit numbers. */
  readonly entropy: () => number;
  readonly note: Note;
  readonly onNotice: (notice: Notice) => void;
  /** The state is another. */
  readonly changed: () => void;
  /** The disk failed, or the log says what this version does not know: this node ends. */
  readonly fatal: (error: Error) => void;
}

/** As the charter has it: so many voters as are wanted of them, the others learn. */
export function controlFounded(founders: readonly NodeId[]): Configuration {
  const all = sorted(founders);
  const voters = all.slice(0, Math.min(CONTROL_VOTERS_MAX, votersWanted(all.length)));
  return { voters, learners: all.slice(voters.length), decision: 0 };
}

export class ControlGroup {
  readonly raft: Raft;
  readonly #o: ControlGroupOptions;
  readonly #driver: Driver;
  readonly #applier: Applier;
  readonly #snapshots: ControlSnapshots;
  readonly #puller: SnapshotPuller;
  readonly #giver: SnapshotGiver;
  readonly #changes: MemberChanges;
  readonly #proposals = new Proposals();
  #noop: LogIndex = logIndex(0);
  #handOver: ChangeDone | null = null;
  #ticks = 0;

  constructor(options: ControlGroupOptions) {
    const { id, founders, files, peers, entropy, limits, fetchLimits, fatal } = options;
    const { opened, stand, configurations } = files;
    const { hardState, base, heads, snapshot, store, snapshots } = opened;
    this.#o = options;
    const found = { hardState, base, heads, snapshot, configurations };
    const configuration = controlFounded(founders);
    this.raft = new Raft({ id, configuration, ...found, entropy, limits });
    const send = (to: NodeId, message: TransferMessage) => peers.sendTransfer(to, message);
    this.#puller = new SnapshotPuller({ sink: snapshots.sink, send, limits: fetchLimits });
    const { chunkBytes: chunkBytesMax } = fetchLimits;
    this.#giver = new SnapshotGiver({
      source: snapshots,
      send,
      chunkBytesMax,
      readsMax: SNAPSHOT_READS_MAX,
    });
    this.#driver = new Driver({
      raft: this.raft,
      log: store,
      outbox: peers,
      fetcher: this.#puller,
      onNotice: (notice) => this.#noticed(notice),
      fatal,
    });
    this.#applier = new Applier({
      stand,
      log: store,
      readStand: (done) => readStand(snapshots, done),
      applied: (entry, answer) => this.#proposals.applied(entry, answer),
      caughtUp: () => this.#caughtUp(),
      fatal,
    });
    this.#snapshots = new ControlSnapshots({
      ...options,
      opened,
      configurationAt: (index) => this.raft.configurationAt(index),
      compacted: (taken, from) =>
        this.#driver.handle({ kind: 'compacted', snapshot: taken, base: from }),
    });
    this.#changes = new MemberChanges({
      id,
      isLeader: () => this.isLeader,
      handle: (event) => this.#driver.handle(event),
      handOver: (done) => this.handOver(null, done),
    });
  }

  get state(): ControlState {
    return this.#applier.state;
  }

  /** The last entry that the state knows of. */
  get applied(): EntryId {
    return this.#applier.applied;
  }

  get isLeader(): boolean {
    return this.raft.role === 'leader';
  }

  /** It leads, and has applied everything that earlier leaders have committed. */
  get isCurrent(): boolean {
    return this.isLeader && this.#applier.applied.index >= this.#noop;
  }

  tick(): void {
    this.#driver.handle({ kind: 'tick' });
    this.#puller.tick();
    this.#ticks += 1;
    if (this.#ticks % SETTLE_TICKS === 0) this.#o.files.opened.store.settle();
  }

  received(from: NodeId, message: Message): void {
    this.#driver.handle({ kind: 'received', from, message });
  }

  transferred(from: NodeId, message: TransferMessage): void {
    if (message.kind === 'chunkWanted') this.#giver.received(from, message);
    else this.#puller.received(from, message);
  }

  /** Wants it confirmed that this node leads, by a round numbered so or later. */
  wantRound(round: number): void {
    this.#driver.handle({ kind: 'roundWanted', round });
  }

  peerFound(peer: NodeId): void {
    this.#driver.handle({ kind: 'peerFound', peer });
  }

  peerLost(peer: NodeId): void {
    this.#driver.handle({ kind: 'peerLost', peer });
  }

  /** On the leader; answered once, when the command is applied or when nobody can know. */
  propose(command: Command, done: AnswerDone): void {
    if (this.#proposals.count >= PROPOSALS_MAX) {
      const answer: Answer = { ok: false, code: 'NOT_NOW', text: 'too many orders are under way' };
      done(answer);
      return;
    }
    this.#proposals.given(done);
    this.#driver.handle({ kind: 'proposed', payloads: [encodeCommand(command)] });
  }

  /** On the leader: one node more or less, or a learner made a voter; tells how it ended. */
  changeMembers(change: MemberChange, done: ChangeDone): void {
    this.#changes.change(change, {}, done);
  }

  /** To a voter, or to the most level one. Tells how it ended. */
  handOver(to: NodeId | null, done: ChangeDone): void {
    if (!this.isLeader || this.#handOver !== null) {
      done(false, this.isLeader ? 'leadership is being handed over' : 'this node does not lead');
      return;
    }
    this.#handOver = done;
    this.#driver.handle({ kind: 'transferWanted', to });
  }

  #caughtUp(): void {
    const { state, applied } = this.#applier;
    if (this.#applier.bytesSinceSnapshot >= SNAPSHOT_BYTES)
      this.#snapshots.take({ state, applied }, () => {
        this.#applier.bytesSinceSnapshot = 0;
      });
    this.#o.changed();
  }

  #handedOver(ok: boolean, why: string): void {
    const done = this.#handOver;
    this.#handOver = null;
    done?.(ok, why);
  }

  #noticed(notice: Notice): void {
    this.#o.onNotice(notice);
    this.#changes.noticed(notice);
    switch (notice.kind) {
      case 'commit':
        this.#applier.committed(notice.upTo);
        return;
      case 'accepted':
        this.#proposals.accepted(notice.first, this.raft.term);
        return;
      case 'refused':
        this.#proposals.refused(notice.why);
        return;
      case 'becameLeader':
        this.#noop = notice.noop.index;
        return;
      case 'steppedDown':
        this.#proposals.lost();
        this.#handedOver(true, notice.why);
        return;
      case 'transfer':
        if (notice.state === 'abandoned') this.#handedOver(false, notice.why);
        return;
      case 'installed':
        this.#applier.installed();
        return;
      case 'leaderChanged':
      case 'roundConfirmed':
      case 'configurationChanged':
      case 'changeRefused':
      case 'toldRemoved':
        return;
    }
  }
}
