/**
 * Where nodes may be: several sources, each asked for ever, and what they said put together.
 *
 * It yields addresses and nothing more. Nothing here decides who is a member, who is alive, or
 * whether two addresses are one node. A source that fails takes nothing away from what it said
 * before, and does not hold up the others.
 */
import { assert } from '../../assert.ts';
import { pauseMs } from './backoff.ts';
import { type Candidate, Candidates, type Change, type SourceStatus } from './candidates.ts';
import { dnsSource, srvSource } from './dns.ts';
import { DiscoveryError } from './errors.ts';
import { KubernetesSource } from './kubernetes.ts';
import { KubernetesApi, type KubernetesPlace } from './kubernetes-api.ts';
import { DISCOVERY_LIMITS, type DiscoveryLimits } from './limits.ts';
import {
  type AskingPeers,
  PEERS_LABEL,
  type PeerAddresses,
  PeersSource,
  peerPlaces,
} from './peers.ts';
import type { DiscoveryPorts } from './ports.ts';
import type { Source } from './source.ts';
import { type SourceSpec, sourceLabel } from './specification.ts';
import { staticSource } from './static.ts';

export interface DiscoveryOptions {
  readonly specs: readonly SourceSpec[];
  /** Candidates are asked for their peers over HTTP; null: only `learn` brings any. */
  readonly peers: AskingPeers | null;
  /** Null outside of a pod: a source that needs it says so in the status. */
  readonly kubernetes: KubernetesPlace | null;
  readonly ports: DiscoveryPorts;
  /** Addresses came or went. Never called inside a call of a method. */
  readonly onChange: (change: Change) => void;
  /** The state of a source changed, in words. */
  readonly log: (
    level: 'info' | 'warn',
    event: string,
    facts: Readonly<Record<string, unknown>>,
  ) => void;
  /** Our bug. */
  readonly fatal: (error: Error) => void;
  readonly limits?: Partial<DiscoveryLimits>;
}

export class Discovery {
  readonly #o: DiscoveryOptions;
  readonly #limits: DiscoveryLimits;
  readonly #candidates: Candidates;
  readonly #sources: readonly Source[];
  readonly #ending = new AbortController();
  /** Sources that have neither answered nor failed yet, and who waits for them. */
  readonly #unheard = new Set<string>();
  readonly #waiters = new Set<() => void>();
  /** Aborted when a written source has found something since peers were last asked. */
  #found = new AbortController();
  #runs: Promise<unknown> | null = null;

  constructor(options: DiscoveryOptions) {
    const { specs, peers, ports } = options;
    this.#o = options;
    this.#limits = { ...DISCOVERY_LIMITS, ...options.limits };
    this.#candidates = new Candidates(this.#limits.sourceAddressesMax);
    const sources = specs.map((spec) => this.#build(spec));
    for (const { label, keepMs } of sources) {
      this.#candidates.add(label, keepMs);
      this.#unheard.add(label);
    }
    this.#candidates.add(PEERS_LABEL, this.#limits.learnedKeepMs);
    const asking =
      peers === null ? [] : [new PeersSource(peers, () => this.candidates(), ports, this.#limits)];
    this.#sources = [...sources, ...asking];
  }

  start(): void {
    assert(this.#runs === null, 'discovery starts once');
    const runs = this.#sources.map((source) => this.#run(source).catch(this.#o.fatal));
    this.#runs = Promise.all(runs);
  }

  /** No callback comes after the call; resolves once nothing is asked any more. */
  async stop(): Promise<void> {
    this.#ending.abort();
    for (const done of [...this.#waiters]) done();
    await this.#runs;
  }

  /** Sorted by address; the own one is among them when a source names it. */
  candidates(): readonly Candidate[] {
    return this.#candidates.list();
  }

  /** One line per source: what it says, what is wrong with it, when it is asked again. */
  status(): readonly SourceStatus[] {
    return this.#candidates.status(this.#o.ports.clock.nowMs());
  }

  /** Resolves when every written source has answered or failed once, or after `msMax`. */
  async firstHeard(msMax: number): Promise<void> {
    if (this.#unheard.size === 0 || this.#ending.signal.aborted) return;
    const over = new AbortController();
    const done = () => over.abort();
    this.#waiters.add(done);
    await this.#o.ports.clock.sleep(msMax, over.signal);
    this.#waiters.delete(done);
  }

  /**
   * What a peer says of itself in a hello, or a member in the log: remembered like what peers tell.
   * A name is looked up; one that cannot be is left out.
   */
  async learn(addresses: PeerAddresses): Promise<void> {
    const { ports } = this.#o;
    const places = await peerPlaces(ports, addresses).catch((error: unknown) => {
      if (error instanceof DiscoveryError) return [];
      throw error;
    });
    if (this.#ending.signal.aborted) return;
    for (const place of places)
      this.#changed(this.#candidates.heard(PEERS_LABEL, place, ports.clock.nowMs()));
  }

  #build(spec: SourceSpec): Source {
    const { ports, kubernetes } = this.#o;
    const limits = this.#limits;
    const label = sourceLabel(spec);
    switch (spec.kind) {
      case 'static':
        return staticSource(label, spec.addresses);
      case 'dns':
        return dnsSource(label, spec, ports, limits);
      case 'srv':
        return srvSource(label, spec, ports, limits);
      case 'kubernetes': {
        const api = new KubernetesApi(kubernetes, ports);
        return new KubernetesSource(label, spec, api, { clock: ports.clock, limits });
      }
    }
  }

  /** One source, for ever. */
  async #run(source: Source): Promise<void> {
    const { clock, chance } = this.#o.ports;
    const { signal } = this.#ending;
    let failures = 0;
    while (!signal.aborted) {
      this.#candidates.rests(source.label, null);
      if (source.label === PEERS_LABEL) this.#found = new AbortController();
      failures = (await this.#look(source, signal)) ? 0 : failures + 1;
      if (signal.aborted) return;
      this.#changed(this.#candidates.age(clock.nowMs()));
      if (source.everyMs === null) return;
      const ms = pauseMs(source.everyMs, failures, chance(), this.#limits);
      this.#candidates.rests(source.label, clock.nowMs() + ms);
      const isPeers = source.label === PEERS_LABEL;
      const awake = isPeers ? AbortSignal.any([signal, this.#found.signal]) : signal;
      await clock.sleep(ms, awake);
    }
  }

  /** False when it failed. */
  async #look(source: Source, signal: AbortSignal): Promise<boolean> {
    const { label } = source;
    const { clock } = this.#o.ports;
    try {
      for await (const answer of source.look(signal)) {
        if (signal.aborted) return true;
        const before = this.#candidates.errorOf(label);
        const change = this.#candidates.answered(label, answer, clock.nowMs());
        this.#tell(label, before);
        this.#heard(label);
        this.#changed(change);
      }
      return true;
    } catch (error) {
      if (!(error instanceof DiscoveryError)) throw error;
      if (signal.aborted) return true;
      const before = this.#candidates.errorOf(label);
      this.#candidates.failed(label, error.message, clock.nowMs());
      this.#tell(label, before);
      this.#heard(label);
      return false;
    }
  }

  #heard(label: string): void {
    this.#unheard.delete(label);
    if (this.#unheard.size === 0) for (const done of [...this.#waiters]) done();
  }

  #tell(source: string, before: string | null): void {
    const text = this.#candidates.errorOf(source);
    if (text === before) return;
    if (text === null) this.#o.log('info', 'discovery.answered', { source });
    else this.#o.log('warn', 'discovery.failed', { source, text });
  }

  #changed(change: Change): void {
    if (change.added.length === 0 && change.removed.length === 0) return;
    this.#o.log('info', 'discovery.changed', {
      added: change.added.map(({ text, sources }) => `${text} (${sources.join(', ')})`),
      removed: change.removed.map(({ text }) => text),
    });
    // Not for what peers told: one that names new addresses for ever would be asked without a rest.
    if (change.added.some(({ sources }) => sources.some((source) => source !== PEERS_LABEL)))
      this.#found.abort();
    this.#o.onChange(change);
  }
}
