/**
 * Carries out the plan: strikes when it is time, heals when that is over, and keeps a record of
 * what was really done to whom.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from '../sim/time.ts';
import type { Hosts } from './hosts.ts';
import type { LiveNode } from './live-node.ts';
import { MemberFaults } from './member-faults.ts';
import type { NodeShim } from './node-shim.ts';
import { type Cut, cutsOf, majorityOf, startingWith } from './partitions.ts';
import { type Fault, type FaultKind, type Strike, type Target, wordsFor } from './plan.ts';
import { RIGHT_CLOCK } from './shims/control.ts';

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
  /** Per node, where there are any. */
  readonly shims: readonly NodeShim[];
  /** What a disk loses when its power goes. */
  readonly chance: Chance;
  readonly hosts: Hosts;
  /** Who leads, as far as somebody knows. */
  readonly leader: () => number | null;
  readonly now: () => number;
  readonly onFinding: (words: string) => void;
}

/** A power cut comes when so many slow syncs have been waited for. */
const SYNCS_BEFORE = 3;
const STROBE_MS = 100;
/** The fastest drift that the shim has, in millionths. */
const DRIFT_PPM = 1_000;
/** What a bad disk did to an agent may show a moment after it is well. */
const EXCUSED_MS = 3_000;

/** What an isolated leader is asked: each of these must not be done, or not be said to be done. */
const FORBIDDEN_ORDERS: readonly (readonly [
  path: string,
  what: string,
  body: (other: string) => object,
])[] = [
  ['/switchover', 'a hand-over', (to) => ({ to })],
  ['/spec', 'another spec', () => ({ replicas: 0 })],
  ['/remove', 'the removal of another', (node) => ({ node })],
];

export class Nemesis {
  readonly bands: Band[] = [];
  /** Changes that power cuts took back. */
  lostWrites = 0;
  readonly #options: NemesisOptions;
  readonly #cuts = new Map<Band, readonly Cut[]>();
  readonly #paused = new Map<number, Band>();
  readonly #running = new Set<Promise<void>>();
  readonly #members: MemberFaults;
  #isOver = false;

  constructor(options: NemesisOptions) {
    this.#options = options;
    this.#members = new MemberFaults(options);
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
    this.#members.end();
    await Promise.all(this.#running);
    for (const node of this.#options.nodes) {
      node.resume();
      node.start();
    }
    this.#cuts.clear();
    await this.#options.hosts.setCuts([]);
    await this.#members.heal();
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
      case 'clock':
        return this.#shiftClock(fault, forMs);
      case 'disk-unsynced':
        return this.#losePower(fault, forMs);
      case 'disk-slow':
        return this.#slowDisks(fault, forMs);
      case 'member-wipe':
      case 'member-remove':
      case 'scale':
        return this.#reshape(fault, forMs);
      default:
        return this.#spoilDisk(fault, forMs);
    }
  }

  async #reshape(
    fault: Fault & { kind: 'member-wipe' | 'member-remove' | 'scale' },
    forMs: number,
  ): Promise<void> {
    const members = this.#members;
    const node = fault.kind === 'scale' ? null : this.#node(fault.on);
    let band: Band | null = null;
    const began = (): void => {
      band = this.#begin(fault, node === null ? this.#options.nodes : [node]);
    };
    if (fault.kind === 'scale') await members.scale(fault.replicas, forMs, began);
    else if (node === null) return;
    else if (fault.kind === 'member-wipe') await members.wipe(node, began);
    else await members.remove(node, forMs, began);
    if (band !== null) this.#end(band);
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
      for (const [path, what, body] of FORBIDDEN_ORDERS) {
        const other = nodes[others[0] as number] as LiveNode;
        const answer = await node.order(path, body(other.name));
        const { status } = await node.status();
        // The last of a deployment that was made smaller is a majority wherever it stands.
        const needsOthers = (status?.control.voters.length ?? 0) > 1;
        if (answer.code === 200 && needsOthers && this.#isIsland(leader, others))
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

  async #shiftClock(fault: Fault & { kind: 'clock' }, forMs: number): Promise<void> {
    const { now } = this.#options;
    const node = this.#node(fault.on);
    const { control } = this.#shim(node);
    const band = this.#begin(fault, [node]);
    const end = now() + forMs;
    const sign = Math.sign(fault.byMs);
    const drift = { offsetMs: 0, ppm: sign * DRIFT_PPM, monotonicPpm: sign * DRIFT_PPM };
    const shifted = { ...RIGHT_CLOCK, offsetMs: fault.byMs };
    control.setClock(fault.how === 'drift' ? drift : shifted);
    for (let isRight = true; fault.how === 'strobe' && now() < end; isRight = !isRight) {
      control.setClock(isRight ? RIGHT_CLOCK : shifted);
      await sleep(STROBE_MS);
    }
    await sleep(Math.max(0, end - now()));
    control.setClock(RIGHT_CLOCK);
    this.#end(band);
  }

  /** The machine's power goes: processes and everything that was not synced. */
  async #losePower(fault: Fault & { kind: 'disk-unsynced' }, forMs: number): Promise<void> {
    const nodes = fault.on === 'all' ? [...this.#options.nodes] : [this.#node(fault.on)];
    const band = this.#begin(fault, nodes);
    for (const node of nodes) this.#shim(node).control.slowDisk(fault.syncMs);
    await sleep(fault.syncMs * SYNCS_BEFORE);
    await Promise.all(nodes.map((node) => node.kill('both')));
    for (const node of nodes) this.#shim(node).control.slowDisk(0);
    for (const node of nodes) {
      // Another strike may have started it again while the others were still dying.
      if (node.isRunning) continue;
      const { writes, names } = this.#shim(node).losePower(this.#options.chance);
      this.lostWrites += writes + names;
    }
    await sleep(forMs);
    for (const node of nodes) node.start();
    this.#end(band);
  }

  async #slowDisks(fault: Fault & { kind: 'disk-slow' }, forMs: number): Promise<void> {
    const nodes = fault.on === 'all' ? [...this.#options.nodes] : [this.#node(fault.on)];
    const band = this.#begin(fault, nodes);
    for (const node of nodes) this.#shim(node).control.slowDisk(fault.byMs);
    await sleep(forMs / 2);
    const victim = fault.kills ? this.#node('leader') : null;
    await victim?.kill('both');
    await sleep(forMs / 2);
    for (const node of nodes) this.#shim(node).control.slowDisk(0);
    victim?.start();
    this.#end(band);
  }

  /** An agent that cannot write stops, and says why. */
  async #spoilDisk(
    fault: Fault & { kind: 'disk-full' | 'disk-failing' },
    forMs: number,
  ): Promise<void> {
    const node = this.#node(fault.on);
    const { control } = this.#shim(node);
    const band = this.#begin(fault, [node]);
    node.excuse(true);
    if (fault.kind === 'disk-full') control.failDisk('ENOSPC', null);
    else control.failDisk('EIO', 'EIO');
    await sleep(forMs);
    control.failDisk(null, null);
    this.#end(band);
    await sleep(EXCUSED_MS);
    node.excuse(false);
  }

  #shim(node: LiveNode): NodeShim {
    const shim = this.#options.shims[node.index];
    if (shim === undefined) throw new Error('there is no shim');
    return shim;
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
