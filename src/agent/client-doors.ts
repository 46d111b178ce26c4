/**
 * Where clients come in, and where their commands go now: the main thread's relay, and the threads
 * that serve clients where there are any.
 *
 * Without threads the relay has the client port, and nothing else is here. With threads they share
 * the port, and the relay has what followers pass through to this node.
 */

import type { ListedCommand } from '../core/lanes/command-rules.ts';
import type { Route } from '../core/lanes/ports.ts';
import type { ReadsMode } from '../core/reads-mode.ts';
import type { Hello } from '../io/peers/hello.ts';
import { MESH_LIMITS } from '../io/peers/mesh-limits.ts';
import { ClientListener } from '../io/relay/listener.ts';
import { RELAY_BOUNDS } from '../io/relay/options.ts';
import type { RelayPorts } from '../io/relay/ports.ts';
import { Relay } from '../io/relay/relay.ts';
import { CONF_LIMITS } from '../io/server/conf.ts';
import { commandRules } from './command-rules.ts';
import type { NodeConfig } from './config.ts';
import { LIMITS } from './limits.ts';
import { RelayThreads } from './relay-threads.ts';
import type { ReignWatch } from './strong/ports.ts';
import type { RouteDoor } from './strong/relay-route.ts';
import {
  type RelayTarget,
  sumOf,
  type ThreadCounters,
  type ThreadOpening,
} from './thread-messages.ts';
import { shareOf } from './thread-shares.ts';
import { Seats } from './threads/seats.ts';

export interface ClientDoorsOptions {
  readonly config: Pick<NodeConfig, 'bind' | 'ports' | 'relayThreads' | 'leaseReads' | 'secret'>;
  readonly ports: RelayPorts;
  /** How many other nodes hold whatever was answered. */
  readonly replicasHolding: () => number;
  readonly serverDoor: () => Pick<ThreadOpening, 'socketPath' | 'auth'>;
  readonly wantRound: (round: number) => void;
  readonly reignFailed: (why: string) => void;
  readonly acceptFailed: (error: Error) => void;
  readonly fatal: (error: Error) => void;
}

export class ClientDoors implements RouteDoor {
  readonly relay: Relay;
  /** What one of the threads, the main one among them, may hold of replies. */
  readonly heldBytesMax: number;
  readonly #o: ClientDoorsOptions;
  readonly #seats = Seats.memory();
  #threads: RelayThreads | null = null;
  #listener: ClientListener | null = null;

  constructor(options: ClientDoorsOptions) {
    const { relayThreads } = options.config;
    this.#o = options;
    this.heldBytesMax = Math.floor(LIMITS.heldBytesMax / (relayThreads + 1));
    const { bounds } = this;
    this.relay = new Relay({
      ports: options.ports,
      rules: commandRules(options.replicasHolding),
      bounds,
      ...(relayThreads > 0 ? { seats: new Seats(this.#seats, bounds.sessionsMax) } : {}),
    });
  }

  get bounds() {
    const bounds = {
      ...RELAY_BOUNDS,
      sessionsMax: LIMITS.clientsMax,
      waitMs: LIMITS.leaderWaitMsMax,
      bulkBytesMax: CONF_LIMITS.bulkBytesMax,
    };
    const { relayThreads } = this.#o.config;
    return relayThreads === 0 ? bounds : shareOf(bounds, relayThreads + 1);
  }

  /** Resolves when clients can connect; rejects with a `RelayError` when the port is not there. */
  async open(): Promise<void> {
    const { config, acceptFailed } = this.#o;
    if (config.relayThreads > 0) this.#threads = await this.#startThreads();
    else
      this.#listener = await ClientListener.open({
        host: config.bind.client,
        port: config.ports.client,
        keepAliveMs: RELAY_BOUNDS.keepAliveMs,
        onClient: (client) => this.relay.admit(client),
        onError: acceptFailed,
      });
  }

  /** To be told what decides over replies; null where no other thread holds any. */
  get watch(): ReignWatch | null {
    return this.#threads?.watch ?? null;
  }

  /** Null when every thread has done what it was told. */
  get settled(): Promise<void> | null {
    return this.#threads?.settled ?? null;
  }

  setRoute(route: Route): void {
    this.#threads?.setRoute(route);
    this.relay.setRoute(route);
  }

  endReign(why: string): void {
    this.#threads?.endReign(why);
    this.relay.endReign(why);
  }

  pauseReads(): void {
    this.#threads?.pauseReads();
    this.relay.pauseReads();
  }

  resumeReads(): void {
    this.#threads?.resumeReads();
    this.relay.resumeReads();
  }

  setSpell(spell: number | null): void {
    this.#threads?.setSpell(spell);
    this.relay.setSpell(spell);
  }

  /** Who answers reads that come in while another node leads. */
  setReads(reads: ReadsMode): void {
    this.#threads?.setReads(reads);
    this.relay.setReads(reads);
  }

  learn(commands: readonly ListedCommand[]): void {
    this.#threads?.learn(commands);
    this.relay.learn(commands);
  }

  /** What this node says of itself, or who is up, has changed. */
  know(hello: Hello, targets: readonly RelayTarget[]): void {
    this.#threads?.know(hello, targets);
  }

  tick(): void {
    this.relay.tick();
  }

  /** Of all threads; what this one holds of replies is its reign's to say. */
  stats(): ThreadCounters {
    const own = { ...this.relay.stats(), heldBytes: 0 };
    return this.#threads === null ? own : sumOf([own, this.#threads.counters()]);
  }

  /** Accepts nobody any more. */
  close(): void {
    this.#listener?.close();
  }

  /** Closes every session. */
  async stop(): Promise<void> {
    this.relay.close();
    await this.#threads?.stop();
  }

  #startThreads(): Promise<RelayThreads> {
    const { config, serverDoor } = this.#o;
    const { relayThreads: count, secret } = config;
    return RelayThreads.start({
      ...this.#o,
      count,
      opening: serverDoor,
      readPoint: (reached) => this.#o.ports.readPoint(reached),
      start: {
        host: config.bind.client,
        port: config.ports.client,
        bounds: this.bounds,
        reignLimits: { ...LIMITS, heldBytesMax: this.heldBytesMax },
        tickMs: LIMITS.tickMs,
        leaseReads: config.leaseReads,
        // A copy of its own: what a buffer is a part of would be given to the threads with it.
        secret: secret === null ? null : Uint8Array.from(secret),
        // A leader takes only so many strangers, from all threads of all nodes.
        openingsMax: Math.max(1, Math.floor(MESH_LIMITS.openingsMax / count)),
        seats: this.#seats,
      },
    });
  }
}
