/**
 * Peers learned from peers: every candidate is asked over HTTP whom it is connected to.
 *
 * An answer names the answering node first. So an address that leads to some node of many, as the
 * virtual IP of a service does, brings all of them, however few it names at a time. A node names
 * only peers that are up, never what it has merely heard: an address that is gone dies out.
 *
 * Nobody proves here who they are, and nothing secret is sent. What a liar can cause is that this
 * node dials an address; who is there is for the hello to say.
 */
import { type Address, addressText, isLoopbackHost, parseHostPort, placeHost } from './address.ts';
import { textOf } from './body.ts';
import { placesOf } from './dns.ts';
import { DiscoveryError } from './errors.ts';
import type { DiscoveryLimits } from './limits.ts';
import type { DiscoveryPorts } from './ports.ts';
import type { Answer, Place, Source } from './source.ts';
import { within } from './within.ts';

export const PEERS_LABEL = 'peers';
export const PEERS_PATH = '/peers';

export interface AskingPeers {
  /** Of the deployment: what peers of another one say is left aside. */
  readonly name: string;
  /** Where a candidate is asked whose HTTP port nobody told: the same on every node by default. */
  readonly httpPort: number;
}

/** What a node says of itself and of every peer: `GET /peers` has a list of these. */
export interface PeerAddresses {
  /** `host:port`; empty where it is not known. */
  readonly peerAddress: string;
  readonly httpAddress: string;
}

export class PeersSource implements Source {
  readonly label = PEERS_LABEL;
  readonly everyMs: number;
  readonly keepMs: number;
  readonly #asking: AskingPeers;
  readonly #candidates: () => readonly Place[];
  readonly #ports: Pick<DiscoveryPorts, 'clock' | 'names' | 'web'>;
  readonly #limits: DiscoveryLimits;
  #asked = 0;

  constructor(
    asking: AskingPeers,
    candidates: () => readonly Place[],
    ports: Pick<DiscoveryPorts, 'clock' | 'names' | 'web'>,
    limits: DiscoveryLimits,
  ) {
    this.everyMs = limits.lookEveryMs;
    this.keepMs = limits.learnedKeepMs;
    this.#asking = asking;
    this.#candidates = candidates;
    this.#ports = ports;
    this.#limits = limits;
  }

  async *look(signal: AbortSignal): AsyncIterable<Answer> {
    const targets = this.#targets();
    const complaints: string[] = [];
    let silent = 0;
    const told = await Promise.all(
      targets.map(async (target) => {
        try {
          const { places, complaint } = await this.#ask(target, signal);
          if (complaint !== null) complaints.push(`${addressText(target)}: ${complaint}`);
          return places;
        } catch (error) {
          if (!(error instanceof DiscoveryError)) throw error;
          silent += 1;
          complaints.push(`${addressText(target)}: ${error.message}`);
          return [];
        }
      }),
    );
    const [first] = complaints.toSorted();
    const text = `${complaints.length} of ${targets.length} tell no peers, or not all; ${first}`;
    if (targets.length > 0 && silent === targets.length)
      throw new DiscoveryError('NO_ANSWER', text);
    yield { places: told.flat(), complaint: complaints.length === 0 ? null : text };
  }

  /** At most `askedMax`, going round, so that all have their turn. */
  #targets(): Address[] {
    const all = new Map<string, Address>();
    for (const { address, http } of this.#candidates()) {
      const target = http ?? { host: address.host, port: this.#asking.httpPort };
      all.set(addressText(target), target);
    }
    const targets = [...all.values()];
    if (targets.length <= this.#limits.askedMax) return targets;
    const from = this.#asked % targets.length;
    this.#asked = from + this.#limits.askedMax;
    return [...targets.slice(from), ...targets.slice(0, from)].slice(0, this.#limits.askedMax);
  }

  async #ask(target: Address, signal: AbortSignal): Promise<Answer> {
    const { askMsMax: msMax, peersBytesMax, targetsMax } = this.#limits;
    const answer = await this.#ports.web.get({
      url: `http://${addressText(target)}${PEERS_PATH}`,
      headers: { accept: 'application/json' },
      ca: null,
      msMax,
      signal,
    });
    const text = await textOf(answer.body, peersBytesMax);
    if (answer.status !== 200)
      throw new DiscoveryError('REFUSED', `HTTP ${answer.status} for ${PEERS_PATH}`);
    const told = peersIn(text, this.#asking.name).slice(0, targetsMax);
    const bound = { clock: this.#ports.clock, msMax, signal };
    let complaint: string | null = null;
    const found = told.map((each) =>
      within(peerPlaces(this.#ports, each), bound).catch((error: unknown) => {
        if (!(error instanceof DiscoveryError)) throw error;
        complaint = error.message;
        return [];
      }),
    );
    const places = (await Promise.all(found)).flat();
    return { places: places.filter(({ address }) => isNear(target, address.host)), complaint };
  }
}

/** Nothing where an address is not known; `DiscoveryError` where a name cannot be looked up. */
export async function peerPlaces(
  ports: Pick<DiscoveryPorts, 'names'>,
  { peerAddress, httpAddress }: PeerAddresses,
): Promise<Place[]> {
  const peer = parseHostPort(peerAddress);
  const http = parseHostPort(httpAddress);
  if (peer === null || peer.port === null) return [];
  const places = await placesOf(ports, peer.host, peer.port);
  const httpPort = http?.port ?? null;
  if (http === null || httpPort === null) return places;
  // The same name means the same machine; another address is taken only if it is one.
  const fixed = placeHost(http.host);
  return places.map(({ address }) => {
    const host = http.host === peer.host ? address.host : fixed;
    const isThere = host !== null && isNear(address, host);
    return { address, http: isThere ? { host, port: httpPort } : null };
  });
}

/** What a node on another machine calls loopback is not this machine's. */
function isNear(asked: Address, host: string): boolean {
  return isLoopbackHost(asked.host) || !isLoopbackHost(host);
}

function peersIn(text: string, name: string): PeerAddresses[] {
  const answer = objectIn(text);
  const peers = answer?.['peers'];
  if (!Array.isArray(peers)) throw new DiscoveryError('NOT_UNDERSTOOD', 'no agent answers there');
  if (answer?.['name'] !== name) {
    const other = JSON.stringify(answer?.['name'])?.slice(0, QUOTED_LENGTH_MAX);
    throw new DiscoveryError('REFUSED', `it is of a deployment called ${other}, not ${name}`);
  }
  return peers.filter(isPeerAddresses);
}

const QUOTED_LENGTH_MAX = 80;

function objectIn(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function isPeerAddresses(value: unknown): value is PeerAddresses {
  if (typeof value !== 'object' || value === null) return false;
  const { peerAddress, httpAddress } = value as Partial<Record<keyof PeerAddresses, unknown>>;
  return typeof peerAddress === 'string' && typeof httpAddress === 'string';
}
