/**
 * One life of a node, from recovery to crash: the production core, driver, puller, giver and log
 * store, with taps in between.
 */
import { unreachable } from '../src/assert.ts';
import { Driver, type Notice } from '../src/core/raft/driver.ts';
import { SnapshotPuller, type TransferMessage } from '../src/core/raft/fetch.ts';
import { SnapshotGiver } from '../src/core/raft/give.ts';
import { RAFT_LIMITS, type RaftOptions } from '../src/core/raft/options.ts';
import type { LogStore } from '../src/core/raft/ports.ts';
import type { Message, RaftEvent } from '../src/core/raft/protocol.ts';
import { Raft } from '../src/core/raft/raft.ts';
import type { NodeId } from '../src/core/scalars.ts';
import type { OpenedGroup } from '../src/io/storage/recovery.ts';
import { proposedValue } from './application.ts';
import { Applier } from './applier.ts';
import type { Plan } from './faults.ts';
import { type Invariants, must, type ReadTicket } from './invariants.ts';
import type { Power } from './power.ts';
import { Sessions } from './sessions.ts';
import type { Shadow } from './shadow.ts';
import { TappedLog, TappedOutbox } from './taps.ts';
import type { Chance } from './time.ts';

export type Packet =
  | { readonly kind: 'raft'; readonly message: Message }
  | { readonly kind: 'transfer'; readonly message: TransferMessage };

/** Deliberate faults in our own code, for tests that prove that the checks can fail. */
export interface Sabotage {
  readonly log?: (log: LogStore, defer: (run: () => void) => void) => LogStore;
  readonly raft?: (options: RaftOptions) => Raft;
}

export interface LifeOptions {
  readonly id: NodeId;
  readonly voters: readonly NodeId[];
  readonly group: OpenedGroup;
  readonly plan: Plan;
  readonly power: Power;
  readonly shadow: Shadow;
  readonly invariants: Invariants;
  readonly entropy: Chance;
  readonly sabotage: Sabotage;
  readonly defer: (run: () => void) => void;
  readonly send: (to: NodeId, packet: Packet) => void;
  readonly onFatal: (error: Error) => void;
  readonly onNotice: (notice: Notice) => void;
  readonly note: ((what: string) => void) | null;
}

/** The log is settled once a second, as the agent does it. */
const SETTLE_TICKS = 40;
const CHUNKS_AHEAD = 3;
const RETRY_TICKS = 20;
const GIVE_UP_TICKS = 200;

export class Life {
  readonly #o: LifeOptions;
  readonly raft: Raft;
  readonly #driver: Driver;
  readonly #puller: SnapshotPuller;
  readonly #giver: SnapshotGiver;
  readonly #applier: Applier;
  readonly sessions: Sessions;
  #ticks = 0;
  /** What the step under way was asked to take. */
  #offered: readonly Uint8Array[] = [];

  constructor(options: LifeOptions) {
    this.#o = options;
    const { id, voters, group, plan, invariants, note, sabotage } = options;
    const configuration = { voters };
    const raftOptions = raftOptionsOf(options);
    this.raft = sabotage.raft?.(raftOptions) ?? new Raft(raftOptions);
    this.sessions = new Sessions(id, invariants);
    const store = sabotage.log?.(group.store, options.defer) ?? group.store;
    const log = new TappedLog(store, options);
    const sendTransfer = (to: NodeId, message: TransferMessage): void =>
      options.send(to, { kind: 'transfer', message });
    this.#puller = new SnapshotPuller({
      sink: group.snapshots.sink,
      send: sendTransfer,
      limits: {
        chunkBytes: plan.chunkBytes,
        chunksAhead: CHUNKS_AHEAD,
        retryTicks: RETRY_TICKS,
        giveUpTicks: GIVE_UP_TICKS,
      },
    });
    this.#giver = new SnapshotGiver({
      source: group.snapshots,
      send: sendTransfer,
      chunkBytesMax: plan.chunkBytes,
      readsMax: CHUNKS_AHEAD,
    });
    this.#driver = new Driver({
      raft: this.raft,
      log,
      outbox: new TappedOutbox(options, (to, message) =>
        options.send(to, { kind: 'raft', message }),
      ),
      fetcher: this.#puller,
      onNotice: (notice) => this.#notice(notice),
      fatal: options.onFatal,
    });
    this.#applier = new Applier({
      id,
      configuration,
      group,
      log,
      invariants,
      logLimitBytes: plan.logLimitBytes,
      keepBytes: plan.keepBytes,
      onCompacted: (snapshot, base) => {
        options.shadow.compacted(base, snapshot.last);
        this.handle({ kind: 'compacted', snapshot, base });
      },
      note,
    });
  }

  get application(): Applier['application'] {
    return this.#applier.application;
  }

  get compactions(): number {
    return this.#applier.compactions;
  }

  handle(event: RaftEvent): void {
    this.#driver.handle(event);
  }

  tick(): void {
    this.#ticks += 1;
    this.handle({ kind: 'tick' });
    this.#puller.tick();
    if (this.#ticks % SETTLE_TICKS === 0) this.#o.group.store.settle();
  }

  stop(done: () => void): void {
    this.#o.group.store.close(() => done());
  }

  receive(from: NodeId, packet: Packet): void {
    switch (packet.kind) {
      case 'raft':
        this.handle({ kind: 'received', from, message: packet.message });
        return;
      case 'transfer':
        this.#puller.received(from, packet.message);
        this.#giver.received(from, packet.message);
        return;
      default:
        unreachable(packet);
    }
  }

  propose(payloads: readonly Uint8Array[]): void {
    this.#offered = payloads;
    this.handle({ kind: 'proposed', payloads });
    this.#offered = [];
  }

  read(ticket: ReadTicket): void {
    if (this.sessions.reign === null) return;
    const round = this.raft.nextRound;
    this.sessions.read(round, ticket);
    this.handle({ kind: 'roundWanted', round });
  }

  #notice(notice: Notice): void {
    const { id, invariants, note } = this.#o;
    note?.(describeNotice(notice));
    switch (notice.kind) {
      case 'becameLeader':
        this.sessions.begin(notice.term, notice.noop);
        invariants.becameLeader(id, notice.term);
        break;
      case 'steppedDown':
        this.sessions.end();
        break;
      case 'accepted':
        this.#accepted(notice.first, notice.last);
        break;
      case 'commit': {
        const reign = this.sessions.reign;
        invariants.committed(id, notice.upTo, reign !== null, reign?.term ?? this.raft.term);
        this.sessions.committed(notice.upTo);
        this.#applier.committed(notice.upTo);
        break;
      }
      case 'installed':
        invariants.installed(id, notice.snapshot.last);
        this.#applier.installed(notice.snapshot.last);
        break;
      case 'roundConfirmed':
        this.sessions.confirmed(notice.term, notice.round);
        break;
      case 'refused':
      case 'leaderChanged':
      case 'transfer':
        break;
      default:
        unreachable(notice);
    }
    this.#o.onNotice(notice);
  }

  #accepted(first: number, last: number): void {
    const { id, plan, shadow } = this.#o;
    let bytes = 0;
    for (const [at, payload] of this.#offered.entries()) {
      bytes += payload.length;
      const value = proposedValue(payload);
      must(value !== null, 'clients propose values', () => id);
      this.sessions.accepted((first + at) as Parameters<Sessions['accepted']>[0], value);
    }
    must(last - first + 1 === this.#offered.length, 'all of a proposal is taken', () => id);
    const ahead = shadow.bytesAfter(shadow.committed);
    must(ahead === 0 || ahead + bytes <= plan.uncommittedBytes, 'uncommitted bytes', () => {
      return `${id} takes ${bytes} over ${ahead}, the cap is ${plan.uncommittedBytes}`;
    });
  }
}

function raftOptionsOf({ id, voters, group, plan, entropy }: LifeOptions): RaftOptions {
  return {
    id,
    configuration: group.snapshot?.configuration ?? { voters },
    hardState: group.hardState,
    base: group.base,
    heads: group.heads,
    snapshot: group.snapshot,
    entropy: () => entropy.uint32(),
    limits: {
      ...RAFT_LIMITS,
      appendBytesMax: plan.batchBytes,
      windowBytesMax: plan.windowBytes,
      uncommittedBytesMax: plan.uncommittedBytes,
    },
  };
}

function describeNotice(notice: Notice): string {
  switch (notice.kind) {
    case 'commit':
      return `commit ${notice.upTo.index}/${notice.upTo.term}`;
    case 'accepted':
      return `accepted ${notice.first}..${notice.last}`;
    case 'refused':
      return `refused: ${notice.why}`;
    case 'becameLeader':
      return `leads term ${notice.term} from ${notice.noop.index}`;
    case 'steppedDown':
      return `no longer leads term ${notice.term}: ${notice.why}`;
    case 'leaderChanged':
      return `follows ${notice.leader ?? 'nobody'} in term ${notice.term}`;
    case 'roundConfirmed':
      return `round ${notice.round} confirmed`;
    case 'transfer':
      return `transfer ${notice.state} to ${notice.to ?? '?'}: ${notice.why}`;
    case 'installed':
      return `installed ${notice.snapshot.id}`;
  }
}
