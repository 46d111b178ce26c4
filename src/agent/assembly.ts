/**
 * This node in the assembly of all nodes: the control group here, what it sees and reports, the
 * orders that it passes on, and its own coming and leaving.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerSettings } from '../core/control/spec.ts';
import { type ControlState, memberOf, NOTHING_AGREED } from '../core/control/state.ts';
import type { Observation } from '../core/plan/observation.ts';
import { isMember } from '../core/raft/configuration.ts';
import { FETCH_LIMITS, type TransferMessage } from '../core/raft/fetch.ts';
import { RAFT_LIMITS } from '../core/raft/options.ts';
import type { Message } from '../core/raft/protocol.ts';
import type { ReadsMode } from '../core/reads-mode.ts';
import type { NodeId } from '../core/scalars.ts';
import type { OrderResult } from '../doors/orders.ts';
import type { Mesh } from '../io/peers/mesh.ts';
import type { Disk } from '../io/storage/ports.ts';
import type { AddressBook } from './address-book.ts';
import type { NodeConfig } from './config.ts';
import { CONTROL_GROUP, ControlGroup } from './control/control-group.ts';
import { ControlLoop, PRIMARY_ROUND_TICKS, ROUND_TICKS } from './control/control-loop.ts';
import { DataMembers } from './control/data-members.ts';
import type { OpenedControl } from './control/open-control.ts';
import { isOut, observationOf, reportOf } from './control/outlook.ts';
import { type Report, reportFrom } from './control/report.ts';
import { Sightings } from './control/sightings.ts';
import { ControlOrders } from './control-orders.ts';
import { dataLeadOf } from './data-lead.ts';
import type { Membership } from './founding/membership.ts';
import { type Journal, timeForPeopleMs } from './journal.ts';
import { LIMITS } from './limits.ts';
import { monotonicMs } from './monotonic.ts';
import { journalNotice } from './notice-journal.ts';
import { openControlGroup } from './open-groups.ts';
import type { OwnIdentity } from './own-identity.ts';
import { foundedOtherwise, type RolesPlayed } from './roles-played.ts';
import type { ShardMember } from './shard/shard-member.ts';
import type { Wanted } from './wanted.ts';

const LOOK_AGAIN_MS = 50;

export interface AssemblyOptions {
  readonly config: Pick<NodeConfig, 'dir' | 'forgetAfterMs' | 'reads' | 'server' | 'sharded'>;
  readonly disk: Disk;
  readonly identity: OwnIdentity;
  readonly membership: Membership;
  readonly mesh: Mesh;
  readonly journal: Journal;
  readonly data: () => ShardMember | null;
  /** Null in a strong deployment. */
  readonly roles: RolesPlayed | null;
  /** Where clients go while the data group's own Raft cannot tell: this node is not in it. */
  readonly leaderKnown: (leader: NodeId | null) => void;
  /** Who answers reads on followers, as far as this node has heard. */
  readonly readsWanted: (reads: ReadsMode) => void;
  /** Where members were last, and where a peer says that others are; none when it is gone. */
  readonly addresses: Pick<AddressBook, 'setMembers' | 'setTold'>;
  /** What servers should have; resolves once the own one would start so. */
  readonly settingsAgreed: (settings: ServerSettings) => Promise<void>;
  /** This node was removed for good, and has left both groups. */
  readonly removed: () => void;
  readonly fatal: (error: Error) => void;
}

export class Assembly {
  readonly #o: AssemblyOptions;
  readonly #sightings = new Sightings(monotonicMs);
  readonly #orders: ControlOrders;
  readonly #dataMembers: DataMembers;
  #files: OpenedControl | null = null;
  #group: ControlGroup | null = null;
  #loop: ControlLoop | null = null;
  #isLeaving = false;
  #isStopped = false;
  #ticks = 0;
  #reported = '';
  #leaderTold: NodeId | null = null;
  #readsTold: ReadsMode = 'leader';
  #leaderlessSinceMs: number | null = monotonicMs();
  #unsettledSinceMs: number | null = null;

  constructor(options: AssemblyOptions) {
    this.#o = options;
    this.#orders = new ControlOrders({
      id: this.id,
      note: (to, topic, body) => options.mesh.note(to, topic, body),
      group: () => this.#group,
      leader: () => this.leaderInReach,
    });
    this.#dataMembers = new DataMembers({
      id: this.id,
      data: () => dataLeadOf(options.data(), this.id),
      state: () => this.state,
    });
  }

  get id(): NodeId {
    return this.#o.membership.id;
  }

  get group(): ControlGroup | null {
    return this.#group;
  }

  get state(): ControlState {
    return this.#group?.state ?? NOTHING_AGREED;
  }

  get sightings(): Sightings {
    return this.#sightings;
  }

  /** Why the data group is not as it was decided, as its leader says; empty when it is. */
  get waits(): string {
    return this.#sightings.dataLeader()?.report.waits ?? '';
  }

  /** Who leads the data group, where this node is not in it; null else. */
  get leaderReported(): NodeId | null {
    return this.#leaderTold;
  }

  /** For how long the data group has not been as it was decided, ms. */
  get unsettledMs(): number {
    return this.#unsettledSinceMs === null ? 0 : monotonicMs() - this.#unsettledSinceMs;
  }

  /** For how long nobody here has known who leads the control group, ms. */
  get leaderlessMs(): number {
    return this.#leaderlessSinceMs === null ? 0 : monotonicMs() - this.#leaderlessSinceMs;
  }

  /** Who leads the control group, as far as it is known here. */
  get leader(): NodeId | null {
    const known = this.#group?.raft.leader ?? null;
    if (known !== null) return known;
    const told = [...this.#sightings.fresh().values()].map(({ report }) => report.controlLeader);
    return told.find((node) => node !== null) ?? null;
  }

  /** The same, where an order can be given to it from here now. */
  get leaderInReach(): NodeId | null {
    const { leader } = this;
    if (leader === null || leader === this.id) return leader;
    return this.#o.membership.up.has(leader) ? leader : null;
  }

  /** Its directory is refused from now on; it has heard so, or cannot. */
  isRemoved(node: NodeId): boolean {
    const group = this.#group;
    if (group === null) return false;
    return isOut(group.state, [group.raft, this.#o.data()?.raft ?? null], node);
  }

  /** Once this node belongs to a deployment. Rejects with an error that names the file. */
  async open(): Promise<void> {
    const { config, disk, identity, journal, membership, mesh, fatal, roles } = this.#o;
    const directory = `${config.dir}/control`;
    const files = await openControlGroup({ disk, directory, identity, journal, onFailure: fatal });
    this.#files = files;
    const otherwise = foundedOtherwise(files.spec, roles);
    if (otherwise !== null) throw otherwise;
    await this.#o.settingsAgreed(files.spec?.server ?? {});
    if (this.#isStopped) return;
    const { founders } = membership;
    const group = new ControlGroup({
      id: this.id,
      founders,
      files,
      peers: {
        send: (to, message) => mesh.send(CONTROL_GROUP, to, message),
        sendTransfer: (to, message) => mesh.sendTransfer(CONTROL_GROUP, to, message),
      },
      limits: RAFT_LIMITS,
      fetchLimits: FETCH_LIMITS,
      entropy: () => randomBytes(4).readUInt32BE(),
      note: (level, event, facts) => journal[level](event, facts),
      onNotice: (notice) => {
        if (notice.kind === 'becameLeader') this.#sightings.begin();
        this.#o.roles?.noticed(notice);
        journalNotice(journal, notice, 'control.');
      },
      changed: () => {
        this.#changed();
        this.#settingsChanged();
        this.#o.roles?.changed();
      },
      fatal,
    });
    this.#group = group;
    this.#loop = new ControlLoop({
      group,
      roundTicks: roles === null ? ROUND_TICKS : PRIMARY_ROUND_TICKS,
      founding: {
        founders,
        witnesses: membership.foundingWitnesses,
        ...(membership.importer === null ? {} : { importer: membership.importer }),
        forgetAfterMs: config.forgetAfterMs,
        reads: config.reads,
        server: config.server,
        ...(roles === null ? {} : { eventual: roles.founding }),
        ...(config.sharded === null ? {} : { replicas: config.sharded.replicas }),
      },
      observe: () => this.observe(),
      note: (level, event, facts) => journal[level](event, facts),
    });
    roles?.opened(group);
    for (const peer of membership.up.keys()) group.peerFound(peer);
    this.#o.addresses.setTold(this.id, files.addresses);
    this.#changed();
  }

  tick(): void {
    this.#group?.tick();
    this.#dataMembers.tick();
    this.#loop?.tick();
    this.#ticks += 1;
    const isDue = this.#ticks % LIMITS.reportTicks === 0;
    if (isDue || this.#urgent() !== this.#reported) this.#report();
    if (this.leader !== null) this.#leaderlessSinceMs = null;
    else this.#leaderlessSinceMs ??= monotonicMs();
    if (this.state.data.isSettled) this.#unsettledSinceMs = null;
    else this.#unsettledSinceMs ??= monotonicMs();
    this.#tellLeader();
    this.#noticeRemoval();
  }

  peerFound(peer: NodeId): void {
    this.#group?.peerFound(peer);
    if (this.#group !== null) this.#o.mesh.note(peer, 'report', this.#ownReport());
  }

  peerLost(peer: NodeId): void {
    this.#group?.peerLost(peer);
    this.#sightings.lost(peer);
    this.#o.addresses.setTold(peer, []);
  }

  received(from: NodeId, message: Message): void {
    this.#group?.received(from, message);
  }

  transferred(from: NodeId, message: TransferMessage): void {
    this.#group?.transferred(from, message);
  }

  noted(from: NodeId, topic: string, fields: Readonly<Record<string, unknown>>): void {
    this.#orders.noted(from, topic, fields);
    const report = topic === 'report' ? reportFrom(fields) : null;
    if (report === null) return;
    this.#sightings.reported(from, report);
    this.#o.addresses.setTold(from, report.addresses);
  }

  /** Passes it on to the control leader, wherever that is, and tells what came of it. */
  order(wanted: Wanted): Promise<OrderResult> {
    return this.#orders.order(wanted);
  }

  /** Leaves the deployment, as far as that goes within the bound; for good only for others. */
  async leave(): Promise<void> {
    const deadlineMs = monotonicMs() + LIMITS.leaveMsMax;
    this.#isLeaving = true;
    this.#report();
    let told = '';
    while (monotonicMs() < deadlineMs && this.#isIn()) {
      if (memberOf(this.state, this.id)?.leaving === null) {
        const why = 'it is stopped and keeps no data';
        const result = await this.order({
          kind: 'dismiss',
          atMs: timeForPeopleMs(),
          node: this.id,
          by: 'itself',
          why,
        });
        if (result.text !== told) this.#o.journal.info('assembly.leaving', { ...result });
        told = result.text;
        if (!result.ok && result.code === 'LAST_NODE') return;
      }
      await sleep(LOOK_AGAIN_MS);
    }
    this.#o.journal.info('assembly.left', { isIn: this.#isIn() });
  }

  /** A planned stop: another should lead what this node leads. */
  handOver(): Promise<void> {
    const group = this.#group;
    if (group?.isLeader !== true || group.raft.isSoleVoter) return Promise.resolve();
    return new Promise((resolve) => group.handOver(null, () => resolve()));
  }

  /** Nothing is decided or followed here any more. */
  stop(): void {
    this.#isStopped = true;
    this.#group = null;
    this.#loop = null;
  }

  /** The files, after `stop`. */
  async close(): Promise<void> {
    const store = this.#files?.opened.store;
    if (store !== undefined && store.failure === null)
      await new Promise<void>((resolve) => store.close(() => resolve()));
  }

  observe(): Observation {
    const { membership, data, roles } = this.#o;
    if (data() !== null) this.#sightings.reported(this.id, this.#ownReport());
    const seen = observationOf({
      self: this.id,
      nowMs: timeForPeopleMs(),
      own: membership.hello,
      isLeaving: this.#isLeaving,
      peers: membership.peersIn,
      sightings: this.#sightings,
      control: this.#group?.raft.configuration ?? null,
    });
    return roles?.observe(seen) ?? seen;
  }

  #ownReport(): Report {
    return reportOf({
      raft: this.#o.data()?.raft ?? null,
      dataMembers: this.#dataMembers,
      controlLeader: this.#group?.raft.leader ?? null,
      peers: this.#o.membership.peersIn,
      isLeaving: this.#isLeaving,
    });
  }

  /** What others should know at once. */
  #urgent(): string {
    const raft = this.#o.data()?.raft;
    const { carriedOut } = this.#dataMembers;
    return `${raft?.role === 'leader'} ${raft?.leader ?? ''} ${carriedOut} ${this.#isLeaving}`;
  }

  #report(): void {
    this.#reported = this.#urgent();
    if (this.#group === null) return;
    const { membership, mesh } = this.#o;
    const report = this.#ownReport();
    this.#sightings.reported(this.id, report);
    for (const peer of membership.peersIn.keys()) mesh.note(peer, 'report', report);
    for (const [peer, refusal] of membership.removedButUp) mesh.expel(peer, refusal);
  }

  /** Who is in no configuration of the data group hears nothing of its Raft. */
  #tellLeader(): void {
    const raft = this.#o.data()?.raft;
    if (raft === undefined) return;
    const isOut = !isMember(raft.configuration, this.id) && raft.leader === null;
    const leader = isOut ? (this.#sightings.dataLeader()?.node ?? null) : null;
    if (leader === this.#leaderTold) return;
    this.#leaderTold = leader;
    if (isOut) this.#o.leaderKnown(leader);
  }

  #noticeRemoval(): void {
    if (!this.#isStopped && this.isRemoved(this.id)) this.#o.removed();
  }

  #changed(): void {
    const { members, spec } = this.state;
    const otherwise = foundedOtherwise(spec, this.#o.roles);
    if (otherwise !== null) this.#o.fatal(otherwise);
    if (spec !== null && spec.reads !== this.#readsTold) {
      this.#readsTold = spec.reads;
      this.#o.readsWanted(spec.reads);
    }
    this.#o.addresses.setMembers(members.map(({ facts }) => facts.peerAddress));
    // What the files said is old now.
    if (this.#group?.raft.leader !== null && members.length > 0)
      this.#o.addresses.setTold(this.id, []);
  }

  /** By what is committed: the files may have said more, or less. */
  #settingsChanged(): void {
    const { spec } = this.state;
    if (spec !== null) this.#o.settingsAgreed(spec.server).catch(this.#o.fatal);
  }

  #isIn(): boolean {
    const groups = [this.#group?.raft, this.#o.data()?.raft];
    if (memberOf(this.state, this.id) !== null) return true;
    return groups.some((raft) => raft !== undefined && isMember(raft.configuration, this.id));
  }
}
