/**
 * The composition root: builds every part of a node, top to bottom, and connects them. Reading
 * `start` is reading the architecture.
 */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { founded } from '../core/raft/configuration.ts';
import { FETCH_LIMITS } from '../core/raft/fetch.ts';
import type { NodeId } from '../core/scalars.ts';
import { httpToken } from '../doors/access.ts';
import { HttpDoor } from '../doors/http/server.ts';
import { Mesh } from '../io/peers/mesh.ts';
import { CONF_LIMITS } from '../io/server/conf.ts';
import { type LocatedServer, locateServer } from '../io/server/locate.ts';
import { findSetpriv } from '../io/server/process.ts';
import { RealDisk } from '../io/storage/disk.ts';
import { type DirectoryLock, lockDirectory } from '../io/storage/lock.ts';
import type { OpenedGroup } from '../io/storage/recovery.ts';
import { AgentOrders } from './agent-orders.ts';
import { AgentView } from './agent-view.ts';
import { ClientDoors } from './client-doors.ts';
import type { NodeConfig } from './config.ts';
import { FeedListener } from './feed-listener.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import { Membership } from './membership.ts';
import { monotonicMs } from './monotonic.ts';
import { journalNotice } from './notice-journal.ts';
import { openDataGroup } from './open-data-group.ts';
import { findOwnAddress, reachableHost } from './own-address.ts';
import { OwnIdentity } from './own-identity.ts';
import { OwnServer } from './own-server.ts';
import { RelayRoute } from './relay-route.ts';
import { settingLines } from './server-settings.ts';
import { DATA_GROUP, DataGroup } from './shard/data-group.ts';
import { relayHold } from './strong/relay-hold.ts';
import { Ticker } from './ticker.ts';

const FEED_USER = 'althing-feed';

export class Agent {
  readonly config: NodeConfig;
  readonly journal: Journal;
  onFatal: (error: Error) => void = () => undefined;
  group: DataGroup | null = null;
  readonly clients: ClientDoors;
  readonly route: RelayRoute;
  /** This node's entry of `peers`. */
  #ownAddress: string | null = null;
  #identity: OwnIdentity | null = null;
  #membership: Membership | null = null;
  #mesh: Mesh | null = null;
  #server: OwnServer | null = null;
  #located: LocatedServer | null = null;
  #lock: DirectoryLock | null = null;
  #http: HttpDoor | null = null;
  #feedListener: FeedListener | null = null;
  #opened: OpenedGroup | null = null;
  #ticker: Ticker | null = null;
  readonly #disk = new RealDisk();
  #isStopping = false;

  constructor(config: NodeConfig, journal: Journal) {
    this.config = config;
    this.journal = journal;
    this.clients = new ClientDoors({
      config,
      ports: {
        connectServer: () => this.server.connect(),
        connectLeader: (node, signal) => this.mesh.openRelay(node, signal),
        nextRound: () => this.group?.nextRound ?? 0,
        hold: relayHold(() => this.group?.strong.hold ?? null),
      },
      replicasHolding: () => this.group?.replicasHolding ?? 0,
      serverDoor: () => this.server.door,
      wantRound: (round) => this.group?.wantRound(round),
      reignFailed: (why) => this.group?.strong.detached(this.group.strong.life, why),
      acceptFailed: (error) => journal.warn('clients.acceptFailed', { error }),
      fatal: (error) => this.onFatal(error),
    });
    this.route = new RelayRoute(this.clients, () => this.membership.id);
  }

  get mesh(): Mesh {
    return present(this.#mesh);
  }

  get server(): OwnServer {
    return present(this.#server);
  }

  get serverVersion(): string {
    const flavor = this.#located?.flavor;
    return flavor === undefined
      ? ''
      : `${flavor.product} ${flavor.major}.${flavor.minor}.${flavor.patch}`;
  }

  get identity(): OwnIdentity {
    return present(this.#identity);
  }

  get membership(): Membership {
    return present(this.#membership);
  }

  /** What the view asks of the server; answers also while there is none. */
  get serverState() {
    const server = this.#server;
    return {
      pid: server?.pid ?? null,
      lastDown: server?.lastDown ?? null,
      diverged: server?.lastDivergence ?? null,
      info: async () => (await server?.call(['INFO', 'everything'])) ?? null,
    };
  }

  /** Addresses whose last answer was no: wrong secret, name, deployment. */
  refusedPeers(): { readonly address: string; readonly code: string; readonly text: string }[] {
    const views = this.#mesh?.peers() ?? [];
    return views.flatMap(({ address, refusal }) =>
      refusal === null || HARMLESS.has(refusal.code) ? [] : [{ address, ...refusal }],
    );
  }

  /** By the log once that is open: whoever was there at the founding may be gone. */
  get voters(): readonly NodeId[] {
    return this.group?.raft.configuration.voters ?? this.#membership?.voters ?? [];
  }

  get clientAddress(): string {
    return this.#announced(this.config.bind.client, this.config.ports.client);
  }

  async start(): Promise<void> {
    const { config, journal } = this;
    this.#located = await locateServer({
      explicit: config.serverPath,
      path: process.env['PATH'] ?? '',
      cacheDir: process.env['ALTHING_CACHE'] ?? null,
    });
    const lines = await settingLines(config.server, this.#located);
    await mkdir(config.dir, { recursive: true, mode: 0o700 });
    const locked = lockDirectory(config.dir);
    if (!locked.ok) throw locked.error;
    this.#lock = locked.lock;
    this.#identity = await OwnIdentity.open(
      this.#disk,
      `${config.dir}/identity`,
      config.name,
      config.node,
    );
    const { now } = this.#identity;
    this.#ownAddress = await findOwnAddress(config.peers, config.ports.peers, config.announce);
    this.#membership = this.#buildMembership(this.#identity);
    this.#server = await this.#buildServer(lines);
    this.#mesh = this.#buildMesh();
    this.#http = this.#buildHttp();
    // The group is opened as soon as peers are heard: the threads must be there by then.
    await this.clients.open();
    await this.#mesh.start();
    await this.#http.start();
    this.#ticker = new Ticker(
      LIMITS,
      () => this.#tick(),
      (ms) => journal.warn('agent.stalled', { ms }),
    );
    this.#membership.start();
    journal.info('agent.started', {
      directory: now.directory,
      incarnation: this.identity.now.incarnation,
      server: this.serverVersion,
      ports: config.ports,
    });
  }

  /** `isPlanned`: hands over first what this node leads. Leaves no process behind. */
  async stop(isPlanned: boolean): Promise<void> {
    if (this.#isStopping) return;
    if (isPlanned) await this.#handOverFirst();
    this.#isStopping = true;
    this.#ticker?.stop();
    this.clients.close();
    this.group?.stop();
    await this.clients.stop();
    await this.#http?.stop();
    await this.#mesh?.stop();
    await this.#server?.end();
    await this.#feedListener?.stop();
    const opened = this.#opened;
    if (opened !== null && opened.store.failure === null)
      await new Promise<void>((resolve) => opened.store.close(() => resolve()));
    this.#lock?.release();
  }

  async #handOverFirst(): Promise<void> {
    const { group } = this;
    if (group === null || !group.strong.isOpen || group.raft.isSoleVoter) return;
    const over = new Promise<void>((resolve) => {
      setTimeout(resolve, LIMITS.stopMsMax).unref();
      group.handOver(null, (ok, why) => {
        this.journal.info('agent.handedOver', { ok, why });
        resolve();
      });
    });
    await over;
  }

  #buildMembership(identity: OwnIdentity): Membership {
    const { config, journal } = this;
    return new Membership({
      identity,
      introduction: {
        leaseReads: this.config.leaseReads,
        name: config.name,
        clientAddress: this.clientAddress,
        httpAddress: this.#announced(config.bind.http, config.ports.http),
        peerAddress: this.#announced(config.bind.peers, config.ports.peers),
        serverVersion: this.serverVersion,
      },
      nodesExpected: this.#countNodes(),
      journal,
      announce: () => {
        this.#mesh?.announce();
        this.#peersChanged();
      },
      joined: () => {
        this.#openGroup().catch((error: Error) => this.onFatal(error));
      },
      peerFound: (peer) => {
        this.#peersChanged();
        this.group?.peerFound(peer);
      },
      peerLost: (peer) => {
        this.#peersChanged();
        this.group?.peerLost(peer);
      },
      copiesKnown: (copies) => this.group?.copiesKnown(copies),
      fatal: (error) => this.onFatal(error),
    });
  }

  /** Threads open streams to the leader by themselves. */
  #peersChanged(): void {
    const { clients, membership } = this;
    if (clients.watch !== null) clients.know(membership.hello, this.mesh.addressesUp());
  }

  #countNodes(): number {
    const { size } = new Set(this.config.peers);
    return this.#ownAddress === null ? size + 1 : size;
  }

  /** Where others reach what listens on `bind`. */
  #announced(bind: string, port: number): string {
    return `${this.config.announce ?? reachableHost(bind, this.#ownAddress)}:${port}`;
  }

  async #buildServer(lines: readonly string[]): Promise<OwnServer> {
    const { config, journal } = this;
    const feedPassword = randomBytes(32).toString('hex');
    const listener = new FeedListener({
      auth: { user: FEED_USER, password: feedPassword },
      onWanted: (wire, replid, offset) => {
        if (this.group === null) wire.close();
        else this.group.feed.wanted(wire, replid, offset);
      },
      onAcknowledged: (offset) => this.group?.feed.acknowledged(offset),
      onHeard: () => this.group?.feed.heard(),
      onDrained: () => this.group?.feed.drained(),
      onGone: () => this.group?.feed.disconnected(),
      onRefused: (why) => journal.warn('feed.refused', { why }),
    });
    this.#feedListener = listener;
    const port = await listener.start();
    const setpriv = await findSetpriv();
    if (setpriv === null)
      journal.warn('server.unguarded', {
        why: 'no setpriv with --pdeathsig here: a server may outlive an agent that is killed',
        todo: 'install util-linux 2.33 or newer',
      });
    const located = present(this.#located);
    // Each thread has a fence of its own.
    const connectionsMax = LIMITS.clientsMax + SERVER_CLIENTS_SPARE + config.relayThreads;
    return new OwnServer({
      program: located.path,
      flavor: located.flavor,
      setpriv,
      runDir: `${config.dir}/server`,
      clientPassword: config.password,
      settingLines: lines,
      confLimits: { ...CONF_LIMITS, clientsMax: connectionsMax },
      feed: { port, user: FEED_USER, password: feedPassword },
      historyId: () => this.identity.historyId,
      journal,
      onCommands: (commands) => this.clients.learn(commands),
      settled: () => this.clients.settled,
    });
  }

  #buildMesh(): Mesh {
    const { config, journal } = this;
    return new Mesh({
      hello: () => this.membership.hello,
      peers: config.peers,
      listen: { host: config.bind.peers, port: config.ports.peers },
      secret: config.secret,
      admit: (hello, done) => this.membership.admit(hello, done),
      onMessage: (group, from, message) => {
        if (group === DATA_GROUP) this.group?.received(from, message);
      },
      onTransfer: (group, from, message) => {
        if (group === DATA_GROUP) this.group?.transferred(from, message);
      },
      onNote: (from, topic, body) => this.orders.noted(from, topic, body),
      onPeerUp: (hello) => this.membership.seen(hello),
      onPeerUpdate: (hello) => this.membership.seen(hello),
      onPeerDown: (peer) => this.membership.gone(peer),
      onRelay: (stream: Duplex) => this.clients.relay.accept(stream),
      onRefused: (refused) => journal.warn('peer.refused', { ...refused }),
      log: (event, facts) => journal.info(event, facts),
    });
  }

  readonly orders = new AgentOrders(this);
  readonly view = new AgentView(this);

  #buildHttp(): HttpDoor {
    const { config, journal } = this;
    return new HttpDoor({
      view: this.view,
      orders: this.orders,
      host: config.bind.http,
      port: config.ports.http,
      token: config.secret === null ? null : httpToken(config.secret),
      journal,
    });
  }

  async #openGroup(): Promise<void> {
    if (this.group !== null || this.#isStopping) return;
    const { opened, index, configurations } = await openDataGroup({
      disk: this.#disk,
      directory: `${this.config.dir}/data0`,
      identity: this.identity,
      logLimitBytes: this.config.logLimitBytes,
      journal: this.journal,
      onFailure: (error) => this.onFatal(error),
    });
    this.#opened = opened;
    const { server, mesh, journal } = this;
    this.group = new DataGroup({
      id: this.membership.id,
      configuration: founded(this.membership.voters),
      configurations,
      opened,
      index,
      historyId: this.identity.historyId,
      server,
      peers: {
        send: (to, message) => mesh.send(DATA_GROUP, to, message),
        sendTransfer: (to, message) => mesh.sendTransfer(DATA_GROUP, to, message),
        announceSnapshot: (snapshot) => this.orders.announceSnapshot(snapshot),
      },
      relay: this.route,
      watch: this.clients.watch,
      logLimitBytes: this.config.logLimitBytes,
      limits: { ...LIMITS, heldBytesMax: this.clients.heldBytesMax },
      fetchLimits: FETCH_LIMITS,
      leases: this.config.leaseReads ? { nowMs: monotonicMs, tickMs: LIMITS.tickMs } : null,
      entropy: () => randomBytes(4).readUInt32BE(),
      soon: setImmediate,
      note: (level, event, facts) => journal[level](event, facts),
      onNotice: (notice) => journalNotice(journal, notice),
      fatal: (error) => this.onFatal(error),
    });
    this.group.start();
    for (const peer of this.membership.up.keys()) this.group.peerFound(peer);
    this.membership.tellCopies();
  }

  #tick(): void {
    this.group?.tick();
    this.clients.tick();
  }
}

/** Connections of the agent's own beside those of its clients. */
const SERVER_CLIENTS_SPARE = 64;

/** The own address among the peers, and a second address of one that is connected. */
const HARMLESS: ReadonlySet<string> = new Set(['SELF', 'SAME_PEER']);

function present<T>(part: T | null): T {
  if (part === null) throw new Error('a part of the agent is used before it was built');
  return part;
}
