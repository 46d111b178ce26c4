/**
 * Carries out the plan: strikes when it is time, heals when that is over, and keeps a record of
 * what was really done to whom.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Hosts } from './hosts.ts';
import type { LiveNode } from './live-node.ts';
import { type Cut, cutsOf, majorityOf, startingWith } from './partitions.ts';
import { type Fault, type FaultKind, type Strike, type Target, wordsFor } from './plan.ts';

/** What was done to one node, or to several. Milliseconds since the run began. */
export interface Band {
  readonly kind: FaultKind;
  readonly words: string;
  readonly nodes: readonly number[];
  readonly from: number;
  to: number;
  /** Whether a node that led was among them. */
  readonly hitLeader: boolean;
}

export interface NemesisOptions {
  readonly nodes: readonly LiveNode[];
  readonly hosts: Hosts;
  /** Who leads, as far as somebody knows. */
  readonly leader: () => number | null;
  readonly now: () => number;
  readonly onFinding: (words: string) => void;
}

/** What an isolated leader is asked: each of these must not be done, or not be said to be done. */
const FORBIDDEN_ORDERS: readonly (readonly [path: string, what: string])[] = [
  ['/switchover', 'a hand-over'],
];

export class Nemesis {
  readonly bands: Band[] = [];
  readonly #options: NemesisOptions;
  readonly #cuts = new Map<Band, readonly Cut[]>();
  readonly #paused = new Map<number, Band>();
  readonly #running = new Set<Promise<void>>();
  #isOver = false;

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  /** Resolves when the last strike has been struck; `heal` ends those that last. */
  async run(strikes: readonly Strike[]): Promise<void> {
    for (const strike of strikes) {
      const waitMs = strike.atMs - this.#options.now();
      if (waitMs > 0) await sleep(waitMs);
      if (this.#isOver) return;
      const done = this.#strike(strike).catch((error: Error) => {
        this.#options.onFinding(`nemesis, ${wordsFor(strike.fault)}: ${error.message}`);
      });
      this.#running.add(done);
      void done.then(() => this.#running.delete(done));
    }
  }

  /** Everything is as it should be again, once the strikes under way are through. */
  async heal(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    for (const node of this.#options.nodes) {
      node.resume();
      node.start();
    }
    this.#cuts.clear();
    await this.#options.hosts.setCuts([]);
  }

  async #strike({ forMs, fault }: Strike): Promise<void> {
    switch (fault.kind) {
      case 'kill':
        return this.#kill(fault, forMs);
      case 'pause':
        return this.#pause(fault, forMs);
      case 'partition': {
        const first = this.#resolve(fault.on);
        return this.#cut(
          fault,
          cutsOf(fault.shape, startingWith(first, fault.order)),
          [first],
          forMs,
        );
      }
      case 'island':
        return this.#island(fault, forMs);
      case 'restart-storm':
        return this.#storm(fault, forMs);
      default:
        throw new Error('not built yet');
    }
  }

  async #kill(fault: Fault & { kind: 'kill' }, forMs: number): Promise<void> {
    const nodes = fault.on === 'all' ? [...this.#options.nodes] : [this.#node(fault.on)];
    const band = this.#begin(fault, nodes);
    await Promise.all(nodes.map((node) => node.kill(fault.part)));
    await sleep(forMs);
    for (const node of nodes) {
      // Killed, it is not paused any more.
      if (fault.part !== 'server') node.start();
    }
    this.#end(band);
  }

  async #pause(fault: Fault & { kind: 'pause' }, forMs: number): Promise<void> {
    const { nodes: all } = this.#options;
    const wanted =
      fault.on === 'majority' ? all.slice(0, majorityOf(all.length)) : [this.#node(fault.on)];
    const nodes = wanted.filter((node) => !this.#paused.has(node.index) && node.pause(fault.part));
    const band = this.#begin(fault, nodes);
    for (const node of nodes) this.#paused.set(node.index, band);
    await sleep(forMs);
    for (const node of nodes) {
      node.resume();
      this.#paused.delete(node.index);
    }
    this.#end(band);
  }

  async #cut(
    fault: Fault,
    cuts: readonly Cut[],
    on: readonly number[],
    forMs: number,
  ): Promise<void> {
    const nodes = on.map((i) => this.#options.nodes[i] as LiveNode);
    const band = this.#begin(fault, nodes);
    this.#cuts.set(band, cuts);
    await this.#applyCuts();
    await sleep(forMs);
    this.#cuts.delete(band);
    await this.#applyCuts();
    this.#end(band);
  }

  /** The leader alone, and asked by its own doors for what it can no longer do. */
  async #island(fault: Fault, forMs: number): Promise<void> {
    const leader = this.#options.leader();
    if (leader === null) return;
    const { nodes, hosts, onFinding } = this.#options;
    const others = hosts.indices.filter((i) => i !== leader);
    const cutting = this.#cut(fault, cutsOf('one', [leader, ...others]), [leader], forMs);
    await sleep(100);
    const node = nodes[leader] as LiveNode;
    while (this.#isIsland(leader, others)) {
      for (const [path, what] of FORBIDDEN_ORDERS) {
        const to = nodes[others[0] as number] as LiveNode;
        const answer = await node.post(path, { to: to.name });
        if (answer.code === 200 && this.#isIsland(leader, others))
          onFinding(`${node.name} is cut off and says yes to ${what}: ${answer.text.trim()}`);
      }
      await sleep(500);
    }
    await cutting;
  }

  #isIsland(leader: number, others: readonly number[]): boolean {
    const { hosts } = this.#options;
    return others.every((other) => hosts.isCut(leader, other) && hosts.isCut(other, leader));
  }

  async #storm(fault: Fault & { kind: 'restart-storm' }, forMs: number): Promise<void> {
    const { nodes, now } = this.#options;
    const end = now() + forMs;
    for (const victim of fault.victims) {
      if (now() >= end) return;
      const node = nodes[victim] as LiveNode;
      const band = this.#begin(fault, [node]);
      await node.kill('agent');
      node.start();
      this.#end(band);
      await sleep(fault.gapMs);
    }
  }

  #applyCuts(): Promise<void> {
    return this.#options.hosts.setCuts([...this.#cuts.values()].flat());
  }

  #resolve(target: Target): number {
    const { leader, nodes } = this.#options;
    const leading = leader() ?? 0;
    if (target === 'leader') return leading;
    return target === 'follower' ? (leading + 1) % nodes.length : target;
  }

  #node(target: Target): LiveNode {
    return this.#options.nodes[this.#resolve(target)] as LiveNode;
  }

  #begin(fault: Fault, nodes: readonly LiveNode[]): Band {
    const from = this.#options.now();
    const leader = this.#options.leader();
    const band: Band = {
      kind: fault.kind,
      words: wordsFor(fault),
      nodes: nodes.map(({ index }) => index),
      from,
      to: from,
      hitLeader: nodes.some(({ index }) => index === leader),
    };
    this.bands.push(band);
    return band;
  }

  #end(band: Band): void {
    band.to = this.#options.now();
  }
}
