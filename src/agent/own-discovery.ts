/**
 * Where this node looks for others, and where others reach this one: the typed list of peers, and
 * the sources of `io/discovery`, as one list of addresses for the address book.
 */
import { networkInterfaces } from 'node:os';
import { isLoopback } from '../doors/access.ts';
import type { SourceView } from '../doors/view.ts';
import { Discovery } from '../io/discovery/discovery.ts';
import { FoundingRecord } from '../io/discovery/founding-record.ts';
import { KubernetesApi, kubernetesPlace } from '../io/discovery/kubernetes-api.ts';
import { DISCOVERY_LIMITS } from '../io/discovery/limits.ts';
import { ownCandidate } from '../io/discovery/own-candidate.ts';
import type { PeerAddresses } from '../io/discovery/peers.ts';
import { sourceLabel } from '../io/discovery/specification.ts';
import { systemPorts } from '../io/discovery/system.ts';
import type { NodeConfig } from './config.ts';
import { nodesExpected } from './config-discovery.ts';
import type { Journal } from './journal.ts';
import { findOwnAddress } from './own-address.ts';
import { OwnRecord } from './own-record.ts';

/** A start waits so long for sources: one that is late names this node's address later. */
const FIRST_MS_MAX = 2_000;

interface Node {
  /** Others reach this node elsewhere than was thought. */
  announce(): void;
  onFatal: (error: Error) => void;
}

export class OwnDiscovery {
  readonly #config: NodeConfig;
  readonly #node: Node;
  /** Null where nothing but the typed list is given. */
  readonly #discovery: Discovery | null;
  /** Of the founding; null outside of a pod, and where pods are not asked for. */
  readonly record: OwnRecord | null;
  /** This node's entry of the typed list; what a source names is found out beside it. */
  #listed: string | null = null;
  #found: string | null = null;
  #tell: ((addresses: readonly string[]) => void) | null = null;

  constructor(config: NodeConfig, journal: Journal, node: Node) {
    this.#config = config;
    this.#node = node;
    this.record = buildRecord(config, journal, node);
    if (config.discover.length === 0) {
      this.#discovery = null;
      return;
    }
    // Nodes are alike: where this one's HTTP is for its own machine only, so is that of others.
    const isAsking = !isLoopback(config.bind.http);
    this.#discovery = new Discovery({
      specs: config.discover,
      peers: isAsking ? { name: config.name, httpPort: config.ports.http } : null,
      kubernetes: kubernetesPlace(process.env),
      ports: systemPorts(),
      onChange: () => this.#changed(),
      log: (level, event, facts) => journal[level](event, facts),
      fatal: (error) => node.onFatal(error),
    });
  }

  /** Resolves when the own address is known, as far as it can be soon. Rejects for our bugs. */
  async start(): Promise<void> {
    const { peers, ports, announce } = this.#config;
    this.#discovery?.start();
    this.#listed = await findOwnAddress(peers, ports.peers, announce);
    await this.#discovery?.firstHeard(FIRST_MS_MAX);
    this.#found = this.#ownFound();
  }

  /** `host:port` of this node's peer port as others know it; null: nothing names it. */
  get ownAddress(): string | null {
    return this.#listed ?? this.#found;
  }

  get nodesExpected(): number | null {
    const { joinsOnly, expect, discover, peers } = this.#config;
    const { size } = new Set(peers);
    if (this.record?.mayFound === false) return null;
    return joinsOnly ? null : nodesExpected(expect, discover, this.#listed ? size : size + 1);
  }

  /** Every place that is looked at, as it was written. */
  get places(): readonly string[] {
    const { peers, discover } = this.#config;
    const sources = discover.filter(({ kind }) => kind !== 'static').map(sourceLabel);
    const fixed = discover.some(({ kind }) => kind === 'static')
      ? (this.#discovery?.candidates() ?? []).filter((c) => c.sources.includes('static'))
      : [];
    return [...peers, ...fixed.map(({ text }) => text), ...sources];
  }

  /** Calls `tell` now, and whenever the list is another. */
  follow(tell: (addresses: readonly string[]) => void): void {
    this.#tell = tell;
    this.#changed();
  }

  /** As `OwnRecord.claim`; where there is no record nothing holds a founding up. */
  claim(deployment: string, done: (() => void) | null): void {
    if (this.record === null) done?.();
    else this.record.claim(deployment, done);
  }

  /** Calls `tell` whenever the record changes how many found. */
  followRecord(tell: (nodesExpected: number | null) => void): void {
    this.record?.start(() => tell(this.nodesExpected));
  }

  learn(addresses: PeerAddresses): void {
    this.#discovery?.learn(addresses).catch((error: Error) => this.#node.onFatal(error));
  }

  status(): readonly SourceView[] {
    return this.#discovery?.status() ?? [];
  }

  async stop(): Promise<void> {
    this.#tell = null;
    await this.record?.stop();
    await this.#discovery?.stop();
  }

  #changed(): void {
    const found = (this.#discovery?.candidates() ?? []).map(({ text }) => text);
    this.#tell?.([...this.#config.peers, ...found]);
    // Once it is known it stays: a source that leaves it out for a while moves nobody.
    if (this.#tell === null || this.ownAddress !== null) return;
    this.#found = this.#ownFound();
    if (this.#found !== null) this.#node.announce();
  }

  #ownFound(): string | null {
    const candidates = this.#discovery?.candidates() ?? [];
    const { ports } = this.#config;
    return ownCandidate(candidates, ports.peers, networkInterfaces())?.text ?? null;
  }
}

function buildRecord(config: NodeConfig, journal: Journal, node: Node): OwnRecord | null {
  const source = config.discover.find(({ kind }) => kind === 'kubernetes');
  const place = kubernetesPlace(process.env);
  if (source?.kind !== 'kubernetes' || place === null) return null;
  const ports = systemPorts();
  const { namespace } = source;
  const options = { name: config.name, namespace, limits: DISCOVERY_LIMITS };
  return new OwnRecord({
    record: new FoundingRecord(new KubernetesApi(place, ports), options),
    clock: ports.clock,
    warn: (event, facts) => journal.warn(event, facts),
    fatal: (error) => node.onFatal(error),
  });
}
