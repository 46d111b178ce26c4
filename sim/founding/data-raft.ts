/**
 * The data group of the founding world: Raft over a real log, and nothing in it but its members.
 * What it carries, and the server behind it, are the other world's.
 */
import type { DataLead } from '../../src/agent/control/data-members.ts';
import {
  type ChangeDone,
  type ChangeOptions,
  MemberChanges,
} from '../../src/agent/shard/member-changes.ts';
import type { ShardFiles } from '../../src/agent/shard/ports.ts';
import { decodeConfiguration, founded } from '../../src/core/raft/configuration.ts';
import { Driver, type Notice } from '../../src/core/raft/driver.ts';
import { RAFT_LIMITS } from '../../src/core/raft/options.ts';
import type { ConfigurationAt, MemberChange, Message } from '../../src/core/raft/protocol.ts';
import { Raft } from '../../src/core/raft/raft.ts';
import type { NodeId } from '../../src/core/scalars.ts';
import {
  type OpenGroupOptions,
  type OpenGroupResult,
  openGroup,
} from '../../src/io/storage/recovery.ts';
import type { SimDisk } from '../disk.ts';

export interface DataRaftOptions {
  readonly id: NodeId;
  readonly founders: readonly NodeId[];
  readonly files: ShardFiles;
  readonly configurations: readonly ConfigurationAt[];
  readonly send: (to: NodeId, message: Message) => void;
  readonly entropy: () => number;
  readonly onNotice: (notice: Notice) => void;
  readonly fatal: (error: Error) => void;
}

/** Like `openControl`: beside the files the configurations of the entries held. */
export function openDataRaft(
  disk: SimDisk,
  directory: string,
  options: OpenGroupOptions,
  done: (result: OpenGroupResult, configurations: readonly ConfigurationAt[]) => void,
): void {
  const configurations: ConfigurationAt[] = [];
  openGroup(
    disk,
    directory,
    options,
    ({ index, payload }) => {
      const configuration = decodeConfiguration(payload);
      if (configuration !== null) configurations.push({ index, configuration });
    },
    (result) => done(result, configurations),
  );
}

export class DataRaft {
  readonly raft: Raft;
  readonly #o: DataRaftOptions;
  readonly #driver: Driver;
  readonly #changes: MemberChanges;
  #handOver: ChangeDone | null = null;

  constructor(options: DataRaftOptions) {
    const { id, founders, files, configurations, entropy, send, fatal } = options;
    const { hardState, base, heads, snapshot, store } = files;
    const found = { hardState, base, heads, snapshot, configurations };
    this.#o = options;
    this.raft = new Raft({
      id,
      configuration: founded(founders),
      ...found,
      entropy,
      limits: RAFT_LIMITS,
    });
    this.#driver = new Driver({
      raft: this.raft,
      log: store,
      outbox: { send },
      // The log is never compacted: whoever comes gets all of it.
      fetcher: { fetch: (_from, _snapshot, done) => done(null) },
      onNotice: (notice) => this.#noticed(notice),
      fatal,
    });
    this.#changes = new MemberChanges({
      id,
      isLeader: () => this.isLeader,
      handle: (event) => this.#driver.handle(event),
      handOver: (done) => this.handOver(null, done),
    });
  }

  get isLeader(): boolean {
    return this.raft.role === 'leader';
  }

  /** As `agent/data-lead.ts` has it. */
  get lead(): DataLead {
    const { id } = this.#o;
    const peers = this.isLeader ? this.raft.view().peers : [];
    const silence = (node: NodeId) => peers.find(({ peer }) => peer === node)?.silentTicks;
    const { electionTicksMin } = RAFT_LIMITS;
    return {
      isLeader: this.isLeader,
      configuration: this.raft.configuration,
      isHeard: (node) => node === id || (silence(node) ?? electionTicksMin) < electionTicksMin,
      changeMembers: (change, options, done) => this.changeMembers(change, options, done),
      handOver: (to, done) => this.handOver(to, done),
    };
  }

  tick(): void {
    this.#driver.handle({ kind: 'tick' });
  }

  received(from: NodeId, message: Message): void {
    this.#driver.handle({ kind: 'received', from, message });
  }

  peerFound(peer: NodeId): void {
    this.#driver.handle({ kind: 'peerFound', peer });
  }

  peerLost(peer: NodeId): void {
    this.#driver.handle({ kind: 'peerLost', peer });
  }

  changeMembers(change: MemberChange, options: ChangeOptions, done: ChangeDone): void {
    this.#changes.change(change, options, done);
  }

  handOver(to: NodeId | null, done: ChangeDone): void {
    if (!this.isLeader || this.#handOver !== null) {
      done(false, this.isLeader ? 'leadership is being handed over' : 'this node does not lead');
      return;
    }
    this.#handOver = done;
    this.#driver.handle({ kind: 'transferWanted', to });
  }

  #noticed(notice: Notice): void {
    this.#o.onNotice(notice);
    this.#changes.noticed(notice);
    if (notice.kind === 'steppedDown') this.#handedOver(true, notice.why);
    if (notice.kind === 'transfer' && notice.state === 'abandoned')
      this.#handedOver(false, notice.why);
  }

  #handedOver(ok: boolean, why: string): void {
    const done = this.#handOver;
    this.#handOver = null;
    done?.(ok, why);
  }
}
