/**
 * All connections between this agent and its peers.
 *
 * Every node dials every address that it was given, for as long as it is given, and sends on what
 * it dialled; what it accepted it reads. A peer is up while the outgoing connection to it stands.
 * Groups share connections.
 * Sending keeps the Outbox contract of core/raft: it may drop, and never blocks.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TransferMessage } from '../../core/raft/fetch.ts';
import type { Message } from '../../core/raft/protocol.ts';
import type { GroupId, NodeId } from '../../core/scalars.ts';
import { encodeNote, encodeRaft, encodeTransfer, type Frame } from './codec.ts';
import { Connection, type ConnectionEvents } from './connection.ts';
import type { Lane } from './frame-pieces.ts';
import { ProtocolError } from './frame-reader.ts';
import type { Gate } from './greeting.ts';
import {
  encodeHello,
  type Greeting,
  type Hello,
  helloNodeId,
  isSameLife,
  judgeHello,
  type Purpose,
  type Refusal,
} from './hello.ts';
import { KnownPeers } from './known-peers.ts';
import { Link, type LinkView } from './link.ts';
import { Listener } from './listener.ts';
import { MESH_LIMITS, type MeshLimits } from './mesh-limits.ts';
import { RelayOpenings } from './relay-openings.ts';
import { type Address, isLoopback, PeersError, Transport } from './transport.ts';

/** What may go before the pieces of a large frame. */
const SMALL_BYTES_MAX = 16 * 1024;

export interface Refused extends Refusal {
  readonly address: string;
  /** Who refused whom. */
  readonly by: 'us' | 'peer';
}

export interface MeshOptions {
  /** What this node says of itself now; `announce` tells everybody that it changed. */
  readonly hello: () => Hello;
  readonly listen: Address;
  /** Null: plain TCP, and then only on loopback. */
  readonly secret: Buffer | null;
  /**
   * Asked once per run of a peer, before anything of it is believed. A newer incarnation should
   * be recorded durably before the answer (holes.md H9). Null admits.
   */
  readonly admit: (hello: Hello, done: (refusal: Refusal | null) => void) => void;
  readonly onMessage: (group: GroupId, from: NodeId, message: Message) => void;
  readonly onTransfer: (group: GroupId, from: NodeId, message: TransferMessage) => void;
  /** `body` is whatever the peer sent. */
  readonly onNote: (from: NodeId, topic: string, body: unknown) => void;
  readonly onPeerUp: (hello: Hello) => void;
  readonly onPeerDown: (peer: NodeId) => void;
  /** A peer has dialled this node, or ended such a connection: it may be dialled in turn. */
  readonly onCall: (hello: Hello, isOver: boolean) => void;
  /** News of a peer that is up. */
  readonly onPeerUpdate: (hello: Hello) => void;
  /** A peer opened a stream; this side may end or destroy it. Paused until it is read. */
  readonly onRelay: (stream: Duplex, hello: Hello) => void;
  /** Repeated at most every `refusedAgainMs` for the same address and code. */
  readonly onRefused: (refused: Refused) => void;
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void;
  readonly limits?: Partial<MeshLimits>;
}

export class Mesh {
  readonly #o: MeshOptions;
  readonly #limits: MeshLimits;
  readonly #listener: Listener;
  readonly #relays: RelayOpenings;
  readonly #transport: Transport;
  readonly #gate: Gate;
  /** By address. */
  readonly #links = new Map<string, Link>();
  readonly #known: KnownPeers;
  /** Outgoing connections by peer. */
  readonly #up = new Map<NodeId, { link: Link; connection: Connection }>();
  readonly #connections = new Set<Connection>();
  readonly #refusedAtMs = new Map<string, number>();
  #revision = 0;
  #beats: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: MeshOptions) {
    this.#o = options;
    this.#limits = { ...MESH_LIMITS, ...options.limits };
    this.#known = new KnownPeers(options.admit, this.#limits.knownPeersMax);
    const transport = new Transport(options.secret);
    const gate: Gate = {
      greeting: (purpose) => this.#greeting(purpose),
      admit: (hello, done) => this.#known.admit(hello, done),
    };
    this.#transport = transport;
    this.#gate = gate;
    const { greetingMsMax, strangersMax, connectionsMax } = this.#limits;
    this.#listener = new Listener({
      transport,
      gate,
      strangersMax,
      greetingMsMax,
      connectionsMax,
      onPeer: ({ socket, greeting }) => this.#accept(socket, greeting),
      onRefused: (address, by, refusal) => this.#refused(address, by, refusal),
    });
    const { openingsMax, waitersMax } = this.#limits;
    this.#relays = new RelayOpenings({ transport, gate, greetingMsMax, openingsMax, waitersMax });
  }

  /** Resolves once peers can connect. */
  async start(): Promise<void> {
    const { listen, secret } = this.#o;
    if (secret === null && !isLoopback(listen.host)) {
      throw new PeersError(
        'SECRET_NEEDED',
        `without a secret, peers may only listen on loopback, not on ${listen.host}`,
      );
    }
    await this.#listener.start(listen);
    this.#beats = setInterval(() => {
      for (const connection of [...this.#connections]) connection.beat();
    }, this.#limits.beatMs);
  }

  /**
   * From now on these `host:port` are dialled for ever; the own address may be among them. A
   * connection to one that is not among them any more lasts as long as it lasts. At most
   * `addressesMax` are dialled, the first ones; one that cannot be read is left out, and told.
   */
  dial(addresses: readonly string[]): void {
    if (this.#isStopped) return;
    const wanted = new Set(addresses.slice(0, this.#limits.addressesMax));
    for (const [address, link] of this.#links)
      if (!wanted.has(address) && link.retire()) this.#links.delete(address);
    for (const address of wanted) {
      const link = this.#links.get(address);
      if (link !== undefined) link.keep();
      else this.#startLink(address);
    }
  }

  /** Also closes every relay stream, on both sides of it. No callback comes after the call. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearInterval(this.#beats);
    for (const link of this.#links.values()) link.stop();
    for (const connection of [...this.#connections]) connection.close('this node stops');
    this.#relays.stop();
    await this.#listener.stop();
  }

  /** The port that was listened on, when 0 was asked for. */
  get port(): number {
    return this.#listener.port;
  }

  peers(): LinkView[] {
    return [...this.#links.values()].map((link) => link.view());
  }

  /** The newest hello of a peer that is up. */
  helloOf(peer: NodeId): Hello | null {
    const up = this.#up.get(peer);
    return up === undefined ? null : this.#known.newest(up.connection.hello);
  }

  /** Peers that are up, and where they listen. */
  addressesUp(): { readonly node: NodeId; readonly address: Address; readonly run: string }[] {
    return [...this.#up].map(([node, { link, connection }]) => {
      return { node, address: link.address, run: connection.hello.run };
    });
  }

  send(group: GroupId, to: NodeId, message: Message): void {
    const connection = this.#up.get(to)?.connection;
    if (connection === undefined) return;
    const frame = encodeRaft(group, message);
    const isData = message.kind === 'append' && message.entries.length > 0;
    connection.send(frame, isData ? laneOf(frame, connection) : 'urgent');
  }

  sendTransfer(group: GroupId, to: NodeId, message: TransferMessage): void {
    const lane = message.kind === 'chunk' ? 'bulk' : 'urgent';
    this.#up.get(to)?.connection.send(encodeTransfer(group, message), lane);
  }

  note(to: NodeId, topic: string, body: unknown): void {
    const connection = this.#up.get(to)?.connection;
    if (connection === undefined) return;
    const frame = encodeNote({ topic, body });
    connection.send(frame, laneOf(frame, connection));
  }

  /** Tells every peer what `hello()` says now. */
  announce(): void {
    const frame = encodeHello(this.#greeting('raft'));
    for (const connection of this.#connections) connection.send(frame, 'urgent');
  }

  /** Tells a peer why nobody here wants it any more, on every connection with it. */
  expel(peer: NodeId, refusal: Refusal): void {
    for (const connection of [...this.#connections])
      if (helloNodeId(connection.hello) === peer) connection.refuse(refusal);
  }

  /**
   * A fresh stream to `to`, whose agent gets it by `onRelay`. The caller ends or destroys it.
   * Aborting `signal` gives up the opening; afterwards it means nothing.
   */
  async openRelay(to: NodeId, signal: AbortSignal): Promise<Duplex> {
    const up = this.#up.get(to);
    if (up === undefined) throw new PeersError('NO_RELAY', `${to} is not connected`);
    return this.#relays.open(to, up.link.address, signal);
  }

  #startLink(address: string): void {
    let link: Link;
    try {
      link = new Link({
        address,
        transport: this.#transport,
        gate: this.#gate,
        greetingMsMax: this.#limits.greetingMsMax,
        onWelcome: (dialled, socket, greeting) => this.#welcome(dialled, socket, greeting),
        onUp: (hello) => this.#o.onPeerUp(this.#known.newest(hello)),
        onRefused: (_link, by, refusal) => this.#refused(address, by, refusal),
      });
    } catch (error) {
      if (!(error instanceof PeersError)) throw error;
      this.#o.log('peer.badAddress', { address, why: error.message });
      return;
    }
    this.#links.set(address, link);
    link.start();
  }

  #greeting(purpose: Purpose): Greeting {
    this.#revision += 1;
    return { purpose, revision: this.#revision, hello: this.#o.hello() };
  }

  #welcome(link: Link, socket: Socket, greeting: Greeting): Connection | Refusal {
    const peer = helloNodeId(greeting.hello);
    if (this.#up.has(peer)) {
      return {
        code: 'SAME_PEER',
        text: `${peer} is already connected at another of its addresses`,
      };
    }
    let refusal: Refusal | null = null;
    const connection = this.#connect(socket, greeting, 'out', {
      refused: (theirs) => {
        refusal = theirs;
      },
      closed: (why) => {
        this.#up.delete(peer);
        this.#relays.drop(peer);
        link.lost(refusal);
        if (link.isRetired) this.#links.delete(link.view().address);
        if (this.#isStopped) return;
        if (refusal !== null) this.#refused(link.view().address, 'peer', refusal);
        this.#o.log('peer.down', { peer, why });
        this.#o.onPeerDown(peer);
      },
    });
    this.#up.set(peer, { link, connection });
    this.#o.log('peer.up', { peer, address: link.view().address });
    return connection;
  }

  #accept(socket: Socket, greeting: Greeting): void {
    if (this.#isStopped) {
      socket.destroy();
    } else if (greeting.purpose === 'relay') {
      this.#o.onRelay(socket, greeting.hello);
    } else {
      const { hello } = greeting;
      this.#connect(socket, greeting, 'in', {
        refused: () => undefined,
        closed: () => {
          if (!this.#isStopped) this.#o.onCall(hello, true);
        },
      });
      this.#o.onCall(hello, false);
      const peer = helloNodeId(greeting.hello);
      if (!this.#up.has(peer)) for (const link of this.#links.values()) link.wake(peer);
    }
  }

  #connect(
    socket: Socket,
    greeting: Greeting,
    direction: 'out' | 'in',
    also: Pick<ConnectionEvents, 'refused' | 'closed'>,
  ): Connection {
    const { hello } = greeting;
    const from = helloNodeId(hello);
    const connection: Connection = new Connection(socket, {
      hello,
      direction,
      limits: this.#limits,
      on: {
        message: (group, message) => this.#o.onMessage(group, from, message),
        transfer: (group, message) => this.#o.onTransfer(group, from, message),
        note: ({ topic, body }) => this.#o.onNote(from, topic, body),
        hello: (body) => this.#takeNews(connection, body),
        refused: also.refused,
        closed: (why) => {
          this.#connections.delete(connection);
          this.#known.disconnected(connection);
          also.closed(why);
        },
      },
    });
    this.#connections.add(connection);
    this.#known.connected(connection, greeting);
    return connection;
  }

  #takeNews(connection: Connection, body: Buffer): void {
    const verdict = judgeHello(body, this.#o.hello());
    if (!verdict.ok) {
      connection.refuse(verdict.refusal);
      this.#refused(connection.hello.peerAddress, 'us', verdict.refusal);
      return;
    }
    const { greeting } = verdict;
    if (!isSameLife(connection.hello, greeting.hello))
      throw new ProtocolError('a hello of another node on the same connection');
    const isNews = this.#known.update(greeting);
    if (isNews && this.#up.has(helloNodeId(greeting.hello))) this.#o.onPeerUpdate(greeting.hello);
  }

  #refused(address: string, by: 'us' | 'peer', refusal: Refusal): void {
    if (this.#isStopped || refusal.code === 'SELF') return;
    const key = `${address} ${by} ${refusal.code}`;
    const nowMs = performance.now();
    const lastMs = this.#refusedAtMs.get(key);
    if (lastMs !== undefined && nowMs - lastMs < this.#limits.refusedAgainMs) return;
    if (this.#refusedAtMs.size >= this.#limits.knownPeersMax) this.#refusedAtMs.clear();
    this.#refusedAtMs.set(key, nowMs);
    this.#o.onRefused({ address, by, ...refusal });
  }
}

/** In order as long as nothing large is under way: an append that overtakes another is refused. */
function laneOf(frame: Frame, connection: Connection): Lane {
  const { isBulkEmpty } = connection;
  return isBulkEmpty && frame.bytes <= SMALL_BYTES_MAX ? 'urgent' : 'bulk';
}
