/**
 * One life of a node, from recovery to crash: the production shard over the model of a server,
 * with taps in between.
 */

import { DataGroup } from '../src/agent/shard/data-group.ts';
import type { DataGroupOptions } from '../src/agent/shard/group-options.ts';
import type { ReadMessage } from '../src/agent/shard/group-reads.ts';
import type { OpenedShard } from '../src/agent/shard/open-shard.ts';
import type { ShardLimits } from '../src/agent/shard/ports.ts';
import type { ShardMember } from '../src/agent/shard/shard-member.ts';
import { WitnessGroup } from '../src/agent/shard/witness-group.ts';
import type { Feed } from '../src/agent/strong/feed.ts';
import { unreachable } from '../src/assert.ts';
import { founded, isSameConfiguration } from '../src/core/raft/configuration.ts';
import type { Notice } from '../src/core/raft/driver.ts';
import type { TransferMessage } from '../src/core/raft/fetch.ts';
import type { Message, SnapshotMeta } from '../src/core/raft/protocol.ts';
import type { NodeId, Term } from '../src/core/scalars.ts';
import { PIECE_BYTES_MAX } from './channel.ts';
import type { Invariants } from './invariants.ts';
import type { Given } from './ledger.ts';
import { describeNotice, showMembers } from './notice-words.ts';
import type { PassOptions } from './pass-wire.ts';
import { type Plan, TICK_US } from './plan.ts';
import type { Power } from './power.ts';
import { SimRelay } from './relay.ts';
import type { ClientPort, Session } from './session.ts';
import type { Shadow } from './shadow.ts';
import type { SimServer } from './sim-server.ts';
import { type TapOptions, TappedLog, TappedOutbox } from './taps.ts';
import type { Chance } from './time.ts';
import { must } from './violation.ts';

export type Packet =
  | { readonly kind: 'raft'; readonly message: Message }
  | { readonly kind: 'transfer'; readonly message: TransferMessage }
  | { readonly kind: 'offer'; readonly snapshot: SnapshotMeta }
  | { readonly kind: 'read'; readonly message: ReadMessage };

/** The one history of the simulated deployment. */
export const HISTORY_ID = 'a17417'.padEnd(40, '0');

export interface LifeOptions {
  readonly id: NodeId;
  readonly voters: readonly NodeId[];
  readonly shard: OpenedShard;
  readonly plan: Plan;
  readonly power: Power;
  readonly shadow: Shadow;
  readonly invariants: Invariants;
  readonly entropy: Chance;
  /** Null: a witness. */
  readonly server: SimServer | null;
  /** What the present life of the server executed is what was agreed on, up to this offset. */
  readonly isAgreed: (offset: number) => boolean;
  /** Once what came in together was dealt with. */
  readonly soon: (run: () => void) => void;
  readonly later: (us: number, run: () => void) => void;
  /** The node's monotonic clock. */
  readonly nowMs: () => number;
  readonly passing: PassOptions;
  readonly send: (to: NodeId, packet: Packet) => void;
  readonly sendAll: (packet: Packet) => void;
  readonly onFatal: (error: Error) => void;
  readonly onNotice: (notice: Notice) => void;
  readonly note: ((what: string) => void) | null;
}

const CHUNKS_AHEAD = 3;
const RETRY_TICKS = 20;
const GIVE_UP_TICKS = 200;
/** A transaction of the workload is far below it. */
const UNIT_BYTES_MAX = 8_192;

export class Life {
  readonly #o: LifeOptions;
  readonly group: ShardMember;
  /** The same where there is a server. */
  readonly data: DataGroup | null;
  readonly relay: SimRelay | null;
  /** In which this node leads, as far as it knows. */
  #leads: Term | null = null;
  compactions = 0;

  constructor(options: LifeOptions) {
    this.#o = options;
    const { server, soon } = options;
    const parts = this.#parts();
    if (server === null) {
      this.relay = null;
      this.data = null;
      this.group = new WitnessGroup({ ...parts, setLeader: () => undefined });
    } else {
      const relay = this.#buildRelay(server);
      this.relay = relay;
      this.data = new DataGroup({ ...parts, historyId: HISTORY_ID, server, relay, soon });
      this.group = this.data;
    }
  }

  #parts() {
    const options = this.#o;
    const { id, voters, shard, plan, entropy, note } = options;
    const { opened, index } = shard;
    const taps: TapOptions = { ...options, onCompacted: () => this.#compacted() };
    const outbox = new TappedOutbox(taps, (to, message) =>
      options.send(to, { kind: 'raft', message }),
    );
    return {
      id,
      configuration: founded(voters),
      configurations: shard.configurations,
      opened: { ...opened, store: new TappedLog(opened.store, taps) },
      index,
      peers: {
        send: (to, message) => outbox.send(to, message),
        sendTransfer: (to, message) => options.send(to, { kind: 'transfer', message }),
        sendRead: (to, message) => options.send(to, { kind: 'read', message }),
        announceSnapshot: (snapshot) => options.sendAll({ kind: 'offer', snapshot }),
      },
      logLimitBytes: plan.logLimitBytes,
      limits: shardLimits(plan),
      fetchLimits: {
        chunkBytes: plan.chunkBytes,
        chunksAhead: CHUNKS_AHEAD,
        retryTicks: RETRY_TICKS,
        giveUpTicks: GIVE_UP_TICKS,
      },
      leases: plan.leases ? { nowMs: options.nowMs, tickMs: TICK_US / 1_000 } : null,
      entropy: () => entropy.uint32(),
      note: (_level, event, facts) => note?.(`${event} ${describeFacts(facts)}`),
      onNotice: (notice) => this.#notice(notice),
      fatal: options.onFatal,
    } satisfies Partial<DataGroupOptions>;
  }

  #compacted(): void {
    this.compactions += 1;
    const { id, shard, invariants } = this.#o;
    const extra = shard.opened.snapshots.latest?.extra ?? {};
    const [offset, lastOffset] = [extra['offset'], extra['lastOffset']].map((end) =>
      Number(end ?? 0),
    ) as [number, number];
    const { length } = invariants.truth;
    must(offset <= length, 'a snapshot covers only what is committed', () => {
      return `${id} has one at ${offset} of ${length}`;
    });
    must(lastOffset <= offset, 'a snapshot replaces no more than it holds', () => {
      return `${id} has one at ${offset} in place of all up to ${lastOffset}`;
    });
  }

  #buildRelay(server: SimServer): SimRelay {
    const { id, plan, soon, later, invariants, nowMs, passing } = this.#o;
    return new SimRelay({
      id,
      strong: () => (this.data as DataGroup).strong,
      nextRound: () => (this.data as DataGroup).nextRound,
      openLine: (ends, onReply) => server.openClient(ends, onReply),
      soon,
      later,
      travels: invariants.travels,
      lanesMax: plan.lanesMax,
      ownConnectionsMax: plan.ownConnectionsMax,
      replyBytesMax: plan.replyBytesMax,
      gatherBytesMax: plan.gatherBytesMax,
      nowMs,
      passing,
      reads: plan.reads,
      readPoint: (reached) => this.data?.reads.follower.point(reached),
      given: (given) => this.#given(given),
    });
  }

  get isOpen(): boolean {
    return this.data?.strong.isOpen === true;
  }

  get feed(): Feed {
    return (this.data as DataGroup).feed;
  }

  tick(): void {
    this.group.tick();
    this.relay?.tick();
    this.#watchBounds();
    this.#watchMembers();
  }

  stop(done: () => void): void {
    this.group.stop();
    this.#o.shard.opened.store.close(() => done());
  }

  receive(from: NodeId, packet: Packet): void {
    switch (packet.kind) {
      case 'raft':
        this.group.received(from, packet.message);
        return;
      case 'transfer':
        this.group.transferred(from, packet.message);
        return;
      case 'offer':
        this.group.snapshotOffered(from, packet.snapshot);
        return;
      case 'read':
        this.data?.reads.received(from, packet.message);
        return;
      default:
        unreachable(packet);
    }
  }

  /** A witness serves nobody. */
  admit(client: ClientPort): Session | null {
    const { entropy, plan } = this.#o;
    return this.relay?.admit(client, entropy.permille(plan.lanesPermille)) ?? null;
  }

  /** The same for a client of another node, which takes this one for the leader. */
  accept(client: ClientPort): Session | null {
    const { entropy, plan } = this.#o;
    return this.relay?.accept(client, entropy.permille(plan.lanesPermille)) ?? null;
  }

  #given({ offset, by, asked, isGreeting }: Given): void {
    const { id, plan, invariants, isAgreed, note } = this.#o;
    // It has left the node that leads, and was judged there.
    if (by === 'leader') return;
    if (by === 'follower') {
      note?.(`reads here at ${offset}`);
      const isOld = isGreeting || asked.isLocal === true || plan.reads === 'local';
      const least = isOld ? 0 : asked.acknowledged;
      invariants.readOnFollower(id, offset, isAgreed(offset), least);
      return;
    }
    note?.(`answers from ${offset}`);
    const term = this.#leads;
    must(term !== null, 'only a leader answers', () => id);
    invariants.released(id, term, offset, isAgreed(offset), asked);
  }

  #notice(notice: Notice): void {
    const { id, invariants, note } = this.#o;
    note?.(describeNotice(notice));
    switch (notice.kind) {
      case 'becameLeader':
        this.#leads = notice.term;
        invariants.becameLeader(id, notice.term);
        break;
      case 'steppedDown':
        this.#leads = null;
        break;
      case 'commit':
        invariants.committed(
          id,
          notice.upTo,
          this.#leads !== null,
          this.#leads ?? this.group.raft.term,
        );
        break;
      case 'installed':
        invariants.installed(id, notice.snapshot.last);
        break;
      case 'accepted':
      case 'roundConfirmed':
      case 'refused':
      case 'leaderChanged':
      case 'configurationChanged':
      case 'changeRefused':
      case 'toldRemoved':
      case 'transfer':
        break;
      default:
        unreachable(notice);
    }
    this.#o.onNotice(notice);
  }

  /** Rolled back with its entry, restored with its snapshot, found again at a start. */
  #watchMembers(): void {
    const { id, invariants, shadow } = this.#o;
    const { raft } = this.group;
    // A snapshot that is being installed counts once it is on disk.
    if (raft.base.index !== shadow.base.index) return;
    const { configuration: logs } = invariants.configurations.inForce(shadow);
    must(isSameConfiguration(raft.configuration, logs), 'what is in force is the log’s', () => {
      return `${id} goes by ${showMembers(raft.configuration)}, not ${showMembers(logs)}`;
    });
  }

  #watchBounds(): void {
    const { id, plan } = this.#o;
    const strong = this.data?.strong;
    if (strong?.isOpen !== true) return;
    const ahead = strong.executedOffset - strong.committedOffset;
    const most = plan.uncommittedBytes + UNIT_BYTES_MAX + PIECE_BYTES_MAX;
    must(ahead <= most, 'uncommitted bytes keep their bound', () => {
      return `${id} has ${ahead} of ${plan.uncommittedBytes}`;
    });
  }
}

/** The agent's limits, shrunk so that each of them is reached. */
function shardLimits(plan: Plan): ShardLimits {
  return {
    heartbeatTicks: 4,
    electionTicksMin: 30,
    electionTicksMax: plan.electionTicksMax,
    appendBytesMax: plan.batchBytes,
    appendWindowBytes: plan.windowBytes,
    uncommittedBytesMax: plan.uncommittedBytes,
    unitBytesMax: UNIT_BYTES_MAX,
    heldBytesMax: plan.heldBytes,
    levelSlackBytes: plan.levelSlackBytes,
    openTicksMax: 100,
    stepTicksMax: 60,
    fenceTicksMax: 80,
    busyTicksMax: 160,
    handOverTicksMax: 40,
    diskWaitTicksMax: 40,
    diskHandOverRetryTicks: 100,
    snapshotReadsMax: CHUNKS_AHEAD,
    snapshotAloneTicks: plan.aloneTicks,
    logHardFactor: 8,
    logHardBytesMin: plan.logHardBytesMin,
  };
}

function describeFacts(facts: Readonly<Record<string, unknown>>): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name}=${value instanceof Error ? value.message : String(value)}`)
    .join(' ');
}
