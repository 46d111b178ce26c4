/**
 * One machine of the founding world: a disk, a power switch, a clock of its own rate, and the node
 * on it, which comes late, is paused, dies, moves to another address, loses its directory.
 */

import { KeptIdentity } from '../../src/agent/founding/kept-identity.ts';
import { mismatchOf } from '../../src/core/charter/founding.ts';
import type { NodeId } from '../../src/core/scalars.ts';
import { type Hello, helloNodeId } from '../../src/io/peers/hello.ts';
import { Backlog } from '../backlog.ts';
import { HostDisk } from '../host-disk.ts';
import { TICK_US } from '../plan.ts';
import { Power, PowerCut, type Promised } from '../power.ts';
import { Chance, type Timeline } from '../time.ts';
import { must } from '../violation.ts';
import type { Flags } from './flags.ts';
import type { FoundingLaw } from './law.ts';
import { Life } from './life.ts';
import type { Packet } from './packets.ts';

const BACKLOG_MAX = 500;
const DEPLOYMENT = 'orders';
/** Whoever runs it empties its directory after that: it was removed for good. */
const EMPTIED_US = 1_000_000;

export interface MachineOptions {
  readonly name: string;
  readonly seed: number;
  readonly timeline: Timeline;
  readonly law: FoundingLaw;
  readonly mayFound: boolean;
  readonly flags: Flags;
  readonly isEphemeral: boolean;
  readonly forgetAfterMs: number | null;
  readonly slowPermille: number;
  readonly syncMaxUs: number;
  readonly findMaxUs: number;
  /** All that there are. */
  readonly machines: () => readonly string[];
  /** Whether one more may be in no deployment now. */
  readonly mayEmpty: (machine: Machine) => boolean;
  readonly send: (to: string, packet: Packet) => void;
  readonly note: ((who: string, what: string) => void) | null;
}

export class Machine {
  readonly #o: MachineOptions;
  readonly #power = new Power();
  readonly #chance: Chance;
  readonly #backlog: Backlog;
  readonly disk: HostDisk;
  /** With which it is started next; only an empty directory as another kind of node. */
  flags: Flags;
  /** What the node on it is called. */
  nodeName: string;
  #life: Life | null = null;
  /** Counts starts and deaths: what belongs to an earlier one is ignored. */
  #turn = 0;
  #isUp = false;
  #isPaused = false;
  #findsAllUs = 0;
  /** What its directory says, as far as that has been seen. */
  #known: Hello | null = null;
  /** It was removed for good, and emptied it might found another deployment. */
  waitsForOthers = false;
  /** Nobody starts it any more. */
  isRetired = false;
  deaths = 0;
  wipes = 0;

  constructor(options: MachineOptions) {
    const { name, seed, timeline, syncMaxUs, law, mayFound } = options;
    this.#o = options;
    this.nodeName = name;
    this.flags = options.flags;
    this.#chance = new Chance(seed, `machine ${name}`);
    this.#backlog = new Backlog(this.#chance);
    this.disk = new HostDisk({
      timeline,
      chance: this.#chance,
      syncMaxUs,
      complete: (run) => this.#run('disk', run),
    });
    if (mayFound) law.born += 1;
  }

  get name(): string {
    return this.#o.name;
  }

  get isEphemeral(): boolean {
    return this.#o.isEphemeral;
  }

  get mayFound(): boolean {
    return this.#o.mayFound;
  }

  /** Of its present directory; null while that is not known. */
  get id(): NodeId | null {
    const hello = this.#hello;
    return hello === null ? null : helloNodeId(hello);
  }

  /** It belongs to a deployment, and would not found another one. */
  get isIn(): boolean {
    const phase = this.#hello?.phase;
    return phase === 'member' || phase === 'joined';
  }

  /** It has told of no signature; there may be one on its disk. */
  get isEmpty(): boolean {
    return (this.#hello?.phase ?? 'empty') === 'empty';
  }

  get life(): Life | null {
    return this.#life;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  start(): void {
    if (this.#isUp || this.isRetired) return;
    this.#isUp = true;
    this.#turn += 1;
    const turn = this.#turn;
    this.#note('starts');
    this.disk.opened();
    const { disk } = this.disk;
    this.#guard(() =>
      disk.makeDirectory('/node', () => {
        KeptIdentity.open(
          {
            disk,
            path: '/node/identity',
            name: DEPLOYMENT,
            node: this.nodeName,
            randomHex: (bytes) => randomHex(this.#chance, bytes),
          },
          (error, identity) => {
            if (turn !== this.#turn) return;
            if (identity === null) this.#end(turn, error ?? new Error('no identity'));
            else this.#begin(identity);
          },
        );
      }),
    );
  }

  /** `isPower` false: only the process dies, and what it wrote stays in the system's cache. */
  crash(isPower: boolean): void {
    if (!this.#isUp) return;
    this.#note(isPower ? 'loses power' : 'is killed');
    if (isPower) this.disk.disk.crash();
    this.#die();
  }

  /** Another directory: another node. */
  wipe(): void {
    this.crash(true);
    this.#note('loses its directory');
    this.wipes += 1;
    this.disk.renew();
    this.#known = null;
    if (this.#o.mayFound) this.#o.law.born += 1;
  }

  pause(): void {
    if (this.#isUp) this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    const turn = this.#turn;
    this.#backlog.drain((run) => {
      this.#guard(run);
      return turn === this.#turn;
    });
  }

  cutAtEffect(effects: number): void {
    if (this.#isUp) this.#power.cutAtEffect(effects);
  }

  cutAfter(promise: Promised): void {
    if (this.#isUp) this.#power.cutAfter(promise);
  }

  disarm(): void {
    this.#power.disarm();
  }

  /** Does something in the node's process, now or when it is no longer paused. */
  enter(source: string, run: (life: Life) => void): void {
    const life = this.#life;
    if (life === null) return;
    const turn = this.#turn;
    this.#run(source, () => {
      if (turn === this.#turn) run(life);
    });
  }

  get #hello(): Hello | null {
    return this.#life?.membership.hello ?? this.#known;
  }

  #begin(identity: KeptIdentity): void {
    const { timeline, law, seed, name } = this.#o;
    const { now } = identity;
    this.#note(
      `is ${now.node} ${now.directory.slice(0, 8)}, ${now.phase}, start ${now.incarnation}`,
    );
    law.recovered(now);
    const turn = this.#turn;
    if (now.phase === 'removed') {
      this.#emptyLater(turn);
      return;
    }
    const witness = this.flags.isWitness;
    const options = { name: DEPLOYMENT, self: { ...now, witness }, nodesExpected: null };
    const { phase, charter } = now;
    const saved = charter === null ? null : { phase, charter };
    if (mismatchOf({ ...options, saved })?.code === 'WITNESS_CHANGED') {
      this.#note('has signed as another kind of node, and is started as that');
      this.flags = { ...this.flags, isWitness: !witness };
    }
    this.#findsAllUs = timeline.nowUs + this.#chance.between(0, this.#o.findMaxUs);
    const life = new Life({
      deploymentName: DEPLOYMENT,
      // As a pod has it: another one after each start.
      address: `${name}-${turn}`,
      isEphemeral: this.#o.isEphemeral,
      flags: this.flags,
      forgetAfterMs: this.#o.forgetAfterMs,
      identity,
      disk: this.disk.disk,
      power: this.#power,
      law,
      chance: new Chance(seed, `life ${name} ${turn}`),
      nowUs: () => timeline.nowUs,
      nowMs: () => timeline.nowUs / (1_000 + this.#o.slowPermille),
      later: (us, run) => this.#later(us, turn, run),
      found: () => this.#found(),
      send: this.#o.send,
      retired: () => this.#emptyLater(turn),
      fatal: (error) => this.#end(turn, error),
      note: this.#o.note === null ? null : (what) => this.#note(what),
    });
    this.#life = life;
    this.#guard(() => life.start());
    this.#tickLater(turn);
  }

  /** Discovery: some at first, and all of them in the end. */
  #found(): readonly string[] {
    const others = this.#o.machines().filter((name) => name !== this.name);
    if (this.#o.timeline.nowUs >= this.#findsAllUs) return others;
    return others.filter(() => this.#chance.permille(500));
  }

  #emptyLater(turn: number): void {
    this.#later(EMPTIED_US, turn, () => {
      this.waitsForOthers = !this.#o.mayEmpty(this);
      if (this.waitsForOthers) return this.#emptyLater(turn);
      this.wipe();
      this.start();
    });
  }

  #later(us: number, turn: number, run: () => void): void {
    this.#o.timeline.after(us, () => {
      if (turn === this.#turn)
        this.#run('soon', () => {
          if (turn === this.#turn) run();
        });
    });
  }

  #tickLater(turn: number): void {
    const us = Math.floor((TICK_US * (1000 + this.#o.slowPermille)) / 1000);
    this.#o.timeline.after(us, () => {
      const life = this.#life;
      if (turn !== this.#turn || life === null) return;
      // Timers of a stopped process do not pile up.
      if (!this.#isPaused) this.#guard(() => life.tick());
      this.#tickLater(turn);
    });
  }

  #run(source: string, run: () => void): void {
    if (!this.#isPaused) this.#guard(run);
    else if (source !== 'peer' || this.#backlog.lengthOf(source) < BACKLOG_MAX)
      this.#backlog.add(source, run);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.#note(`power cut ${error.message}`);
      this.disk.disk.crash();
      this.#die();
    }
  }

  /** The disk failed: the node must end, and must have had a reason. */
  #end(turn: number, error: Error): void {
    if (turn !== this.#turn) return;
    this.#note(`ends: ${error.message}`);
    must(this.disk.explains(error), 'a node ends only when its disk fails', () => {
      return `${this.name}: ${error}`;
    });
    this.#die();
  }

  #die(): void {
    this.#known = this.#hello;
    this.waitsForOthers = false;
    this.disk.disk.kill();
    this.#power.disarm();
    this.#turn += 1;
    this.#isUp = false;
    this.#life = null;
    this.#isPaused = false;
    this.#backlog.clear();
    this.deaths += 1;
  }

  #note(what: string): void {
    this.#o.note?.(this.name, what);
  }
}

function randomHex(chance: Chance, bytes: number): string {
  return Array.from({ length: bytes }, () => chance.below(256).toString(16).padStart(2, '0')).join(
    '',
  );
}
