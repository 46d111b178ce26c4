/**
 * One run: a deployment over fakes, a phase of faults, and a phase in which all must be well.
 *
 * Everything follows from the seed: `simulate` called twice gives the same log, byte for byte.
 */
import type { Notice } from '../src/core/raft/driver.ts';
import type { Readiness } from '../src/core/raft/protocol.ts';
import type { NodeId } from '../src/core/scalars.ts';
import type { Failing } from './disk.ts';
import { Nemesis, type Plan, planFor, type Targets } from './faults.ts';
import { Host, idOn } from './host.ts';
import { Invariants, must } from './invariants.ts';
import type { Packet, Sabotage } from './life.ts';
import { type Delivery, Network } from './network.ts';
import type { Promised } from './power.ts';
import { Report } from './report.ts';
import type { RotKind } from './rot.ts';
import type { Shadow } from './shadow.ts';
import { Chance, Timeline } from './time.ts';
import type { Figures, Verdict } from './verdict.ts';
import { type Server, Workload } from './workload.ts';

/** Events in the phase of faults. */
export const STEPS_DEFAULT = 15_000;
/** Virtual time in which a healed deployment must have all nodes level: some forty elections. */
const HEALED_MAX_US = 60_000_000;
const PROBE_US = 100_000;
const TICK_US = 25_000;
const HINT_MAX_US = 5_000;
const COPIES_US = 1_000_000;
const COPIES_MAX = 2;

export interface SimulateOptions {
  readonly seed: number;
  readonly steps: number;
  readonly log?: boolean;
  readonly print?: ((line: string) => void) | null;
  readonly sabotage?: Sabotage;
}

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly packet: Packet;
}

export function simulate(options: SimulateOptions): Verdict {
  const world = new World(options);
  let failure: string | null = null;
  let stack: string | null = null;
  try {
    world.run(options.steps);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    failure = `${error.name}: ${error.message}`;
    stack = error.stack ?? null;
  }
  return { seed: options.seed, failure, stack, figures: world.figures(), report: world.report };
}

class World implements Targets {
  readonly report: Report;
  readonly network: Network<unknown>;
  readonly #timeline = new Timeline();
  readonly #plan: Plan;
  readonly #options: SimulateOptions;
  readonly #voters: readonly NodeId[];
  readonly #invariants: Invariants;
  readonly #shadows = new Map<NodeId, Shadow>();
  readonly #hosts = new Map<string, Host>();
  readonly #workload: Workload;
  readonly #nemesis: Nemesis;
  readonly #chance: Chance;
  #wipedVoters = 0;
  #reigns = 0;
  #installs = 0;
  #healUs = 0;

  constructor(options: SimulateOptions) {
    const { seed } = options;
    this.#options = options;
    this.report = new Report(options.log ?? false, options.print ?? null);
    this.#chance = new Chance(seed, 'world');
    this.#plan = planFor(new Chance(seed, 'plan'));
    const names = Array.from({ length: this.#plan.voters }, (_, at) => `n${at + 1}`);
    this.#voters = names.map((name) => idOn(name, 1));
    this.#invariants = new Invariants(this.#voters, this.#shadows);
    const network = new Network<Envelope>(
      this.#timeline,
      new Chance(seed, 'network'),
      this.#plan.weather,
      (delivery) => this.#deliver(delivery),
    );
    this.network = network as Network<unknown>;
    for (const [at, name] of names.entries())
      this.#addHost(name, this.#plan.tickUs[at] ?? TICK_US, network);
    this.#workload = new Workload(
      () => this.#servers(),
      this.#timeline,
      new Chance(seed, 'workload'),
      this.#plan,
    );
    this.#nemesis = new Nemesis(
      this,
      this.#timeline,
      new Chance(seed, 'faults'),
      this.#plan,
      (what) => this.#note('nemesis', what),
    );
  }

  get hosts(): readonly string[] {
    return [...this.#hosts.keys()];
  }

  get voterHosts(): readonly string[] {
    return this.#voters.map(hostOf);
  }

  run(steps: number): void {
    this.#note('world', `seed ${this.#options.seed} ${JSON.stringify(this.#plan)}`);
    for (const host of this.#hosts.values()) host.start();
    this.#tellCopiesAlways();
    this.#workload.begin();
    this.#nemesis.begin();
    while (this.#timeline.ran < steps) this.#timeline.step();
    this.#note('world', 'faults end');
    this.#nemesis.stop();
    this.#workload.stop();
    this.#probe();
    this.#heal();
    this.#reopenRotten();
  }

  figures(): Figures {
    let crashes = 0;
    let reads = 0;
    let compactions = 0;
    for (const host of this.#hosts.values()) {
      crashes += host.deaths;
      reads += host.readsDone;
      compactions += host.compactions;
    }
    return {
      events: this.#timeline.ran,
      virtualUs: this.#timeline.nowUs,
      proposed: this.#workload.proposed,
      acknowledged: this.#invariants.acknowledged.size,
      reads,
      reigns: this.#reigns,
      crashes,
      installs: this.#installs,
      compactions,
      packetsPeak: this.network.peak,
      checks: this.#invariants.checks,
      healUs: this.#healUs,
    };
  }

  crash(name: string): void {
    const host = this.#hosts.get(name);
    const dice = this.#chance.below(10);
    if (dice === 0) host?.stop();
    else host?.crash(dice < 8);
  }

  crashAtEffect(host: string, effects: number): void {
    this.#hosts.get(host)?.cutAtEffect(effects);
  }

  crashAfter(host: string, promise: Promised): void {
    this.#hosts.get(host)?.cutAfter(promise);
  }

  leaderHost(): string | null {
    for (const host of this.#hosts.values())
      if (host.life !== null && host.life.sessions.reign !== null) return host.name;
    return null;
  }

  disarm(host: string): void {
    this.#hosts.get(host)?.disarm();
  }

  start(host: string): void {
    this.#hosts.get(host)?.start();
  }

  pause(host: string): void {
    this.#hosts.get(host)?.pause();
  }

  resume(host: string): void {
    this.#hosts.get(host)?.resume();
  }

  slowDisk(host: string, factor: number): void {
    this.#hosts.get(host)?.slowDisk(factor);
  }

  fillDisk(host: string): void {
    this.#hosts.get(host)?.fillDisk();
  }

  freeDisk(host: string): void {
    this.#hosts.get(host)?.freeDisk();
  }

  failDisk(host: string, failing: Failing): void {
    this.#hosts.get(host)?.failDisk(failing);
  }

  wipe(name: string): void {
    const host = this.#hosts.get(name);
    if (host !== undefined && this.#mayLose(host)) host.wipe();
  }

  rot(name: string, kind: RotKind): void {
    const host = this.#hosts.get(name);
    if (host !== undefined && this.#mayLose(host)) host.rot(kind);
  }

  /** What is left must be able to form a majority, or nobody could ask for progress. */
  #mayLose(host: Host): boolean {
    if (!host.isVoter || host.isRotten) return true;
    const majority = Math.floor(this.#voters.length / 2) + 1;
    if (this.#voters.length - this.#wipedVoters - 1 < majority) return false;
    this.#wipedVoters += 1;
    return true;
  }

  peerLost(host: string, peer: string): void {
    const id = this.#hosts.get(peer)?.id;
    if (id === undefined) return;
    const kind = this.#chance.permille(500) ? 'peerLost' : 'peerFound';
    this.#hosts.get(host)?.enter('client', (life) => life.handle({ kind, peer: id }));
  }

  transfer(host: string, to: string | null): void {
    const wanted = to === null ? null : (this.#hosts.get(to)?.id ?? null);
    this.#hosts.get(host)?.enter('client', (life) => {
      if (this.#chance.permille(200)) life.handle({ kind: 'resignWanted', why: 'nemesis' });
      else life.handle({ kind: 'transferWanted', to: wanted });
    });
  }

  readiness(name: string, readiness: Readiness): void {
    const host = this.#hosts.get(name);
    if (host?.isVoter === true)
      host.enter('client', (life) => life.handle({ kind: 'readinessChanged', readiness }));
  }

  copyJoins(): void {
    const copies = this.#hosts.size - this.#voters.length;
    if (copies >= COPIES_MAX) return;
    const host = this.#addHost(`c${copies + 1}`, TICK_US, this.network as Network<Envelope>);
    host.start();
  }

  #addHost(name: string, tickUs: number, network: Network<Envelope>): Host {
    const { seed, sabotage } = this.#options;
    const host = new Host({
      name,
      seed,
      plan: this.#plan,
      tickUs,
      timeline: this.#timeline,
      invariants: this.#invariants,
      shadows: this.#shadows,
      voters: this.#voters,
      sabotage: sabotage ?? {},
      send: (from, to, packet) => network.send(name, hostOf(to), { from, to, packet }),
      onAlive: (alive) => {
        this.#tellCopies();
        if (this.#plan.hints) this.#hint('peerFound', alive.id);
      },
      onDead: (dead) => {
        if (this.#plan.hints) this.#hint('peerLost', dead.id);
      },
      onNotice: (_, notice) => this.#count(notice),
      note: this.report.on ? (who, what) => this.#note(who, what) : null,
    });
    this.#hosts.set(name, host);
    return host;
  }

  /** Every node knows every copy that is there: in a deployment the links say so. */
  #tellCopies(): void {
    const copies = [...this.#hosts.values()].filter((host) => !host.isVoter).map(({ id }) => id);
    for (const host of this.#hosts.values())
      host.enter('peer', (life) => life.handle({ kind: 'copiesKnown', copies }));
  }

  /** What is soft is said again: a paused node may have missed it. */
  #tellCopiesAlways(): void {
    this.#tellCopies();
    this.#timeline.after(COPIES_US, () => this.#tellCopiesAlways());
  }

  /** As connections break and come up: soon, and never a proof. */
  #hint(kind: 'peerLost' | 'peerFound', peer: NodeId): void {
    for (const host of this.#hosts.values()) {
      this.#timeline.after(this.#chance.between(100, HINT_MAX_US), () =>
        host.enter('peer', (life) => {
          if (life.raft.id !== peer) life.handle({ kind, peer });
        }),
      );
    }
  }

  #deliver({ to, packet: { from, to: id, packet } }: Delivery<Envelope>): void {
    const host = this.#hosts.get(to);
    if (host?.id === id) host.enter('peer', (life) => life.receive(from, packet));
  }

  #servers(): readonly Server[] {
    return [...this.#hosts.values()].map((host) => ({
      host: host.name,
      leaderHost: () => {
        const leader = host.life?.raft.leader ?? null;
        return leader === null ? null : hostOf(leader);
      },
      propose: (payloads) => host.enter('client', (life) => life.propose(payloads)),
      read: () => {
        const ticket = this.#invariants.readBegins();
        host.enter('client', (life) => life.read(ticket));
      },
    }));
  }

  /** Liveness, after safety: a leader, new values committed, and every node level with it. */
  #heal(): void {
    const begunUs = this.#timeline.nowUs;
    const before = this.#invariants.acknowledged.size;
    while (!this.#isLevel(before)) {
      this.#timeline.step();
      must(
        this.#timeline.nowUs - begunUs < HEALED_MAX_US,
        'a healed deployment is level in time',
        () => [...this.#hosts.values()].map(picture).join('; '),
      );
    }
    this.#healUs = Math.max(this.#healUs, this.#timeline.nowUs - begunUs);
    this.#note('world', 'all level');
    for (const host of this.#hosts.values())
      this.#invariants.finished(host.id, host.life?.application.rows ?? []);
  }

  /** What rotted and was not read since must be noticed at the latest now. */
  #reopenRotten(): void {
    const rotten = [...this.#hosts.values()].filter((host) => host.isRotten);
    if (rotten.length === 0) return;
    for (const host of rotten) {
      host.crash(false);
      host.start();
    }
    this.#heal();
  }

  #probe(): void {
    for (const host of this.#hosts.values()) {
      // A disk that was full until now may still end its node.
      host.start();
      if (host.life?.sessions.reign === null) continue;
      host.enter('client', (life) => life.propose([this.#workload.fresh()]));
    }
    this.#timeline.after(PROBE_US, () => this.#probe());
  }

  #isLevel(before: number): boolean {
    if (this.#invariants.acknowledged.size <= before) return false;
    const goal = this.#invariants.acknowledgedMax;
    for (const host of this.#hosts.values())
      if ((host.life?.application.applied ?? 0) < goal) return false;
    return true;
  }

  #count(notice: Notice): void {
    if (notice.kind === 'becameLeader') this.#reigns += 1;
    if (notice.kind === 'installed') this.#installs += 1;
  }

  #note(who: string, what: string): void {
    this.report.line(this.#timeline.nowUs, this.#timeline.ran, who, what);
  }
}

function hostOf(id: NodeId): string {
  return id.slice(0, id.indexOf('@'));
}

function picture(host: Host): string {
  const { life } = host;
  if (life === null) return `${host.id} down`;
  const { raft, application } = life;
  const log = `last ${raft.last.index} commit ${raft.committed} applied ${application.applied}`;
  return `${host.id} ${raft.role} t${raft.term} ${log}`;
}
