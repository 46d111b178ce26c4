/**
 * Who is there, as a node finds out: it tells its hello to every machine that it knows of, again
 * and again, and takes whoever it has not heard for a while for gone.
 *
 * Weaker than connections are: one direction is enough to be seen, hellos come late, twice and in
 * any order, and nobody knows whether it was heard. What judges them is the product's.
 */
import type { NodeId } from '../../src/core/scalars.ts';
import {
  encodeHello,
  type Hello,
  helloNodeId,
  judgeHello,
  judgeIncarnation,
  type Refusal,
} from '../../src/io/peers/hello.ts';
import type { Chance } from '../time.ts';

const GREET_MAX_US = 400_000;
const SILENCE_MIN_US = 1_200_000;
const SILENCE_MAX_US = 3_000_000;

export interface PresenceOptions {
  readonly chance: Chance;
  readonly nowUs: () => number;
  readonly later: (us: number, run: () => void) => void;
  readonly own: () => Hello;
  /** Machines that discovery yields now. */
  readonly found: () => readonly string[];
  readonly send: (host: string, body: Buffer) => void;
  readonly refuse: (host: string, run: string, refusal: Refusal) => void;
  readonly admit: (hello: Hello, done: (refusal: Refusal | null) => void) => void;
  readonly seen: (hello: Hello) => void;
  readonly gone: (peer: NodeId) => void;
}

interface Peer {
  hello: Hello;
  host: string;
  revision: number;
  heardUs: number;
  isUp: boolean;
}

export class Presence {
  readonly #o: PresenceOptions;
  /** By directory: the newest run that was let in. */
  readonly #peers = new Map<string, Peer>();
  readonly #callers = new Set<string>();
  #revision = 0;

  constructor(options: PresenceOptions) {
    this.#o = options;
  }

  begin(): void {
    this.announce();
    this.#expire();
    this.#o.later(this.#o.chance.between(1, GREET_MAX_US), () => this.begin());
  }

  announce(): void {
    const { own, found, send } = this.#o;
    this.#revision += 1;
    const hello = own();
    const { parts } = encodeHello({ purpose: 'raft', revision: this.#revision, hello });
    const body = Buffer.concat(parts);
    for (const host of new Set([...found(), ...this.#callers])) send(host, body);
  }

  /** Where a node runs that is up, and as which run. */
  placeOf(peer: NodeId): { readonly host: string; readonly run: string } | null {
    for (const { hello, host, isUp } of this.#peers.values())
      if (isUp && helloNodeId(hello) === peer) return { host, run: hello.run };
    return null;
  }

  isUp(peer: NodeId, run: string): boolean {
    return this.placeOf(peer)?.run === run;
  }

  heard(host: string, body: Buffer): void {
    const { own, refuse } = this.#o;
    this.#callers.add(host);
    const verdict = judgeHello(body, own());
    if (!verdict.ok) {
      this.#refused(host, verdict.refusal);
      return;
    }
    const { hello, revision } = verdict.greeting;
    const known = this.#peers.get(hello.directory);
    if (known?.hello.run === hello.run) {
      this.#news(known, host, hello, revision);
      return;
    }
    const old = known === undefined ? null : judgeIncarnation(known.hello, hello);
    if (old !== null) {
      refuse(host, hello.run, old);
      return;
    }
    this.#o.admit(hello, (refusal) => {
      const newest = this.#peers.get(hello.directory);
      const late = refusal ?? (newest ? judgeIncarnation(newest.hello, hello) : null);
      if (late !== null) refuse(host, hello.run, late);
      else if (newest?.hello.run !== hello.run) this.#replace(newest, host, hello, revision);
    });
  }

  expel(peer: NodeId, refusal: Refusal): void {
    for (const known of this.#peers.values()) {
      if (!known.isUp || helloNodeId(known.hello) !== peer) continue;
      this.#o.refuse(known.host, known.hello.run, refusal);
      this.#lose(known);
    }
  }

  /** Somebody there wants no more of this node. */
  refused(host: string): void {
    this.#refused(host, null);
  }

  #news(known: Peer, host: string, hello: Hello, revision: number): void {
    Object.assign(known, { host, heardUs: this.#o.nowUs() });
    const isNews = revision > known.revision;
    if (isNews) Object.assign(known, { hello, revision });
    if (!known.isUp || isNews) {
      known.isUp = true;
      this.#o.seen(known.hello);
    }
  }

  #replace(before: Peer | undefined, host: string, hello: Hello, revision: number): void {
    if (before !== undefined) this.#lose(before);
    const peer = { hello, host, revision, heardUs: this.#o.nowUs(), isUp: true };
    this.#peers.set(hello.directory, peer);
    this.#o.seen(hello);
  }

  #refused(host: string, refusal: Refusal | null): void {
    for (const peer of this.#peers.values()) {
      if (peer.host !== host || !peer.isUp) continue;
      if (refusal !== null) this.#o.refuse(host, peer.hello.run, refusal);
      this.#lose(peer);
    }
  }

  #expire(): void {
    const { nowUs, chance } = this.#o;
    const patienceUs = chance.between(SILENCE_MIN_US, SILENCE_MAX_US);
    for (const peer of this.#peers.values())
      if (peer.isUp && nowUs() - peer.heardUs > patienceUs) this.#lose(peer);
  }

  #lose(peer: Peer): void {
    if (!peer.isUp) return;
    peer.isUp = false;
    this.#o.gone(helloNodeId(peer.hello));
  }
}
