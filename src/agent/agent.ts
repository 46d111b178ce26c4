/**
 * The composition root: builds every part of a node, top to bottom, and connects them. Reading
 * `start` is reading the architecture.
 */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import type { NodeId } from '../core/scalars.ts';
import type { PodLabel } from '../io/discovery/pod-label.ts';
import { Mesh } from '../io/peers/mesh.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import { RealDisk } from '../io/storage/disk.ts';
import { type DirectoryLock, lockDirectory } from '../io/storage/lock.ts';
import type { OpenedGroup } from '../io/storage/recovery.ts';
import { AddressBook } from './address-book.ts';
import { AgentOrders } from './agent-orders.ts';
import { AgentView } from './agent-view.ts';
import type { AgreedSettings } from './agreed-settings.ts';
import { Assembly } from './assembly.ts';
import { buildAgreedSettings } from './build-agreed-settings.ts';
import { buildClientDoors } from './build-client-doors.ts';
import { buildDataGroup, buildWitness } from './build-data-group.ts';
import { importOwnData, openEventualPart } from './build-eventual-shard.ts';
import { type BuiltServer, buildOwnServer } from './build-own-server.ts';
import type { ClientDoors } from './client-doors.ts';
import type { NodeConfig } from './config.ts';
import { CONTROL_GROUP } from './control/control-group.ts';
import type { EventualPart } from './eventual-part.ts';
import { Membership } from './founding/membership.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import { openDataGroup } from './open-groups.ts';
import { OwnDiscovery } from './own-discovery.ts';
import { OwnDoors } from './own-doors.ts';
import { OwnIdentity } from './own-identity.ts';
import { announcedAt, introductionOf } from './own-introduction.ts';
import { labelledRole, ownPodLabel } from './own-label.ts';
import { findOwnProgram, programVersion } from './own-program.ts';
import type { OwnServer } from './own-server.ts';
import { handOverFirst } from './planned-stop.ts';
import { DATA_GROUP, type DataGroup } from './shard/data-group.ts';
import type { ShardMember } from './shard/shard-member.ts';
import { RelayRoute } from './strong/relay-route.ts';
import { Ticker } from './ticker.ts';
import { votersKnown } from './voters-known.ts';

export class Agent {
  readonly config: NodeConfig;
  readonly journal: Journal;
  onFatal: (error: Error) => void = () => undefined;
  /** This node's part of the data: with a server, or as a witness. */
  shard: ShardMember | null = null;
  /** The same where it has a server. */
  group: DataGroup | null = null;
  /** This node's part of an eventual deployment, which has no data group. */
  eventual: EventualPart | null = null;
  readonly clients: ClientDoors;
  readonly route: RelayRoute;
  readonly discovery: OwnDiscovery;
  #identity: OwnIdentity | null = null;
  #membership: Membership | null = null;
  #mesh: Mesh | null = null;
  #assembly: Assembly | null = null;
  readonly #addresses = new AddressBook((all) => this.#mesh?.dial(all));
  #built: BuiltServer | null = null;
  #settings: AgreedSettings | null = null;
  /** Null for a witness. */
  #located: LocatedServer | null = null;
  #lock: DirectoryLock | null = null;
  #doors: OwnDoors | null = null;
  #podLabel: PodLabel | null = null;
  #opened: OpenedGroup | null = null;
  #ticker: Ticker | null = null;
  readonly disk = new RealDisk();
  #isStopping = false;
  #isRemoved = false;
  /** It has data that are to be a deployment's first. */
  #isImporting = false;

  constructor(config: NodeConfig, journal: Journal) {
    this.config = config;
    this.journal = journal;
    this.clients = buildClientDoors(this, config, journal);
    this.discovery = new OwnDiscovery(config, journal, this);
    this.route = new RelayRoute({
      relay: this.clients,
      ownId: () => this.membership.id,
      nowMs: () => performance.now(),
      leaderWaitMs: LIMITS.leaderWaitMsMax,
    });
  }

  get mesh(): Mesh {
    return present(this.#mesh);
  }

  get server(): OwnServer {
    return present(this.#built).server;
  }

  /** Null for a witness, which has none. */
  get ownServer(): OwnServer | null {
    return this.#built?.server ?? null;
  }

  /** Strong or eventual: for questions that change nothing. */
  get observedServer(): Pick<OwnServer, 'pid' | 'call'> | null {
    return this.ownServer ?? this.eventual?.server ?? null;
  }

  /** Why the server's own port for clients is not as it should be, in words. */
  get localProblem(): string | null {
    return this.#built?.serverClients.problem ?? null;
  }

  get settings(): AgreedSettings | null {
    return this.#settings;
  }

  get serverVersion(): string {
    return programVersion(this.#located);
  }

  get identity(): OwnIdentity {
    return present(this.#identity);
  }

  get membership(): Membership {
    return present(this.#membership);
  }

  get assembly(): Assembly {
    return present(this.#assembly);
  }

  /** This node was removed for good: it takes part in nothing, and says so. */
  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  /** Who counts for the data, as far as this node knows. */
  get voters(): readonly NodeId[] {
    return votersKnown(this.shard, this.assembly.state, this.membership);
  }

  /**
   * Who leads the data group, by its own Raft or, where this node is not in it, by report; in an
   * eventual deployment whoever was appointed.
   */
  get dataLeader(): NodeId | null {
    if (this.#isRemoved) return null;
    if (this.eventual !== null) return this.eventual.primary?.node ?? null;
    return this.shard?.raft.leader ?? this.assembly.leaderReported;
  }

  get clientAddress(): string {
    return announcedAt(this.config, 'client', this.discovery.ownAddress);
  }

  async start(): Promise<void> {
    const { config, journal } = this;
    this.#located = await findOwnProgram(config);
    if (this.#located !== null)
      this.#settings = buildAgreedSettings(this, this.#located, () => this.observedServer);
    await mkdir(config.dir, { recursive: true, mode: 0o700 });
    const locked = lockDirectory(config.dir);
    if (!locked.ok) throw locked.error;
    this.#lock = locked.lock;
    const path = `${config.dir}/identity`;
    this.#identity = await OwnIdentity.open(this.disk, path, config.name, config.node);
    const { now } = this.#identity;
    await this.discovery.start();
    this.#isImporting = await importOwnData(this, this.#located);
    this.#membership = this.#buildMembership(this.#identity);
    await this.#prepareData();
    this.#mesh = this.#buildMesh();
    this.#assembly = this.#buildAssembly(this.#identity, this.#mesh);
    this.#doors = new OwnDoors({ config, view: this.view, orders: this.orders, journal });
    // The group is opened as soon as peers are heard: the threads must be there by then.
    await (this.eventual?.start() ?? this.clients.open());
    this.#isRemoved = now.phase === 'removed';
    if (!this.#isRemoved) await this.#mesh.start();
    await this.#doors.start();
    this.#podLabel = ownPodLabel({ journal, onFatal: (error) => this.onFatal(error) });
    if (!this.#isRemoved) {
      this.#ticker = new Ticker(
        LIMITS,
        () => this.#tick(),
        (ms) => journal.warn('agent.stalled', { ms }),
      );
      this.membership.start();
      this.discovery.followRecord((expected) => this.membership.expects(expected));
      this.discovery.follow((all) => this.#addresses.setCandidates(all));
    }
    journal.info('agent.started', {
      directory: now.directory,
      incarnation: this.identity.now.incarnation,
      server: this.serverVersion,
      ports: config.ports,
    });
  }

  /** Nothing of it runs yet but the door at which a strong node's server is fed. */
  async #prepareData(): Promise<void> {
    const { config, journal, clients } = this;
    const [located, settings] = [this.#located, this.#settings];
    const isStrong = config.eventual === null;
    if (!isStrong) this.eventual = await openEventualPart(this, { located, settings });
    if (!isStrong || located === null || settings === null) return;
    const historyId = () => this.identity.historyId;
    const group = () => this.group;
    const parts = { config, located, settings, historyId, clients, group, journal };
    this.#built = await buildOwnServer(parts);
  }

  /** `isPlanned`: hands over first what this node leads. Leaves no process behind. */
  async stop(isPlanned: boolean): Promise<void> {
    if (this.#isStopping) return;
    if (isPlanned && !this.#isRemoved) await handOverFirst(this, this.#assembly);
    this.#isStopping = true;
    this.#ticker?.stop();
    this.clients.close();
    this.shard?.stop();
    this.#assembly?.stop();
    await this.clients.stop();
    await this.#doors?.stop();
    await this.#podLabel?.stop();
    await this.#mesh?.stop();
    await this.discovery.stop();
    await this.#built?.server.end();
    await this.eventual?.end();
    await this.#built?.feedListener.stop();
    await this.#assembly?.close();
    const opened = this.#opened;
    if (opened !== null && opened.store.failure === null)
      await new Promise<void>((resolve) => opened.store.close(() => resolve()));
    this.#lock?.release();
  }

  #buildMembership(identity: OwnIdentity): Membership {
    const { journal } = this;
    return new Membership({
      identity: identity.kept,
      sha256Hex: (text) => createHash('sha256').update(text).digest('hex'),
      note: (level, event, facts) => journal[level](event, facts),
      introduction: () => introductionOf(this),
      imports: this.#isImporting,
      nodesExpected: this.discovery.nodesExpected,
      announce: () => this.announce(),
      claim: (deployment, done) => this.discovery.claim(deployment, done),
      joined: () => {
        this.discovery.claim(this.membership.hello.deployment, null);
        this.#openGroups().catch((error: Error) => this.onFatal(error));
      },
      peerFound: (peer, hello) => {
        this.#peersChanged();
        this.discovery.learn(hello);
        this.shard?.peerFound(peer);
        this.#assembly?.peerFound(peer);
      },
      peerLost: (peer) => {
        this.#peersChanged();
        this.shard?.peerLost(peer);
        this.#assembly?.peerLost(peer);
        this.eventual?.peerLost(peer);
      },
      isRemoved: (peer) => this.#assembly?.isRemoved(peer) ?? false,
      fatal: (error) => this.onFatal(error),
    });
  }

  /** Threads open streams to the leader by themselves. */
  #peersChanged(): void {
    const { clients, membership } = this;
    this.#tellWitnesses();
    if (clients.watch !== null) clients.know(membership.hello, this.mesh.addressesUp());
  }

  /** One that is not there is no heir anyway. */
  #tellWitnesses(): void {
    const { hello, up, id } = this.membership;
    const here = [[id, hello] as const, ...up];
    const witnesses = here.flatMap(([node, { witness }]) => (witness === true ? [node] : []));
    this.shard?.witnessesKnown(witnesses);
  }

  /** What this node says of itself is another. */
  announce(): void {
    this.#mesh?.announce();
    this.#peersChanged();
  }

  #buildMesh(): Mesh {
    const { config, journal } = this;
    return new Mesh({
      hello: () => this.membership.hello,
      listen: { host: config.bind.peers, port: config.ports.peers },
      secret: config.secret,
      admit: (hello, done) => this.membership.admit(hello, done),
      onMessage: (group, from, message) => {
        if (group === DATA_GROUP) this.shard?.received(from, message);
        else if (group === CONTROL_GROUP) this.assembly.received(from, message);
      },
      onTransfer: (group, from, message) => {
        if (group === DATA_GROUP) this.shard?.transferred(from, message);
        else if (group === CONTROL_GROUP) this.assembly.transferred(from, message);
      },
      onNote: (from, topic, body) => this.orders.noted(from, topic, body),
      onPeerUp: (hello) => this.membership.seen(hello),
      onPeerUpdate: (hello) => this.membership.seen(hello),
      onPeerDown: (peer) => this.membership.gone(peer),
      onCall: (hello, isOver) => {
        if (isOver) this.#addresses.callEnded(hello);
        else this.#addresses.called(hello);
      },
      onRelay: (stream: Duplex) => this.clients.relay.accept(stream),
      onRefused: (refused) => {
        journal.warn('peer.refused', { ...refused });
        if (refused.by === 'peer' && refused.code === 'REMOVED') this.#retire();
      },
      log: (event, facts) => journal.info(event, facts),
    });
  }

  #buildAssembly(identity: OwnIdentity, mesh: Mesh): Assembly {
    const { config, journal, membership } = this;
    return new Assembly({
      config,
      disk: this.disk,
      identity,
      membership,
      mesh,
      journal,
      data: () => this.shard,
      roles: this.eventual,
      leaderKnown: (leader) => this.route.setLeader(leader),
      readsWanted: (reads) => this.clients.setReads(reads),
      addresses: this.#addresses,
      settingsAgreed: async (settings) => this.settings?.agree(settings),
      removed: () => this.#retire(),
      fatal: (error) => this.onFatal(error),
    });
  }

  /** Removed for good: durable first, so that no later start takes part again. */
  #retire(): void {
    if (this.#isRemoved || this.#isStopping) return;
    this.#isRemoved = true;
    this.journal.warn('membership.removed', { directory: this.identity.now.directory });
    this.#podLabel?.want('removed');
    this.#ticker?.stop();
    this.route.endReign('this node was removed');
    this.route.setLeader(null);
    this.shard?.stop();
    this.assembly.stop();
    this.eventual?.end().catch((error: Error) => this.onFatal(error));
    const stopped = this.identity.update(() => ({ phase: 'removed' })).then(() => this.mesh.stop());
    stopped.catch((error: Error) => this.onFatal(error));
  }

  readonly orders = new AgentOrders(this);
  readonly view = new AgentView(this);

  async #openGroups(): Promise<void> {
    if (this.shard !== null || this.#isStopping) return;
    const { config, disk, identity, membership, mesh, route, clients, journal } = this;
    const fatal = (error: Error) => this.onFatal(error);
    if (this.eventual !== null) return this.assembly.open();
    const directory = `${config.dir}/data0`;
    const open = { disk, directory, identity, journal, onFailure: fatal };
    const files = await openDataGroup(open, config.logLimitBytes);
    this.#opened = files.opened;
    // Its files say with which settings the server is to start.
    await this.assembly.open();
    if (this.#isStopping) return;
    const announceSnapshot = this.orders.announceSnapshot.bind(this.orders);
    const parts = { config, files, membership, mesh, route, journal, announceSnapshot, fatal };
    const { historyId } = identity;
    if (config.witness) this.shard = buildWitness(parts);
    else this.group = buildDataGroup({ ...parts, historyId, server: this.server, clients });
    this.shard ??= this.group;
    this.#tellWitnesses();
  }

  #tick(): void {
    this.membership.tick();
    this.shard?.tick();
    this.assembly.tick();
    this.eventual?.tick();
    this.clients.tick();
    this.settings?.tick();
    this.route.tick();
    this.#podLabel?.want(labelledRole(this));
  }
}

function present<T>(part: T | null): T {
  if (part === null) throw new Error('a part of the agent is used before it was built');
  return part;
}
