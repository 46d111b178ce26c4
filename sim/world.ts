/**
 * One run: a deployment over fakes, a phase of faults, and a phase in which all must be well.
 */
import { founded } from '../src/core/raft/configuration.ts';
import type { Notice } from '../src/core/raft/driver.ts';
import type { NodeId } from '../src/core/scalars.ts';
import { Clients } from './clients.ts';
import type { Failing } from './disk.ts';
import { doorsOf, reach } from './doors.ts';
import { Nemesis } from './faults.ts';
import { judge } from './final-check.ts';
import { Healing } from './healing.ts';
import { Host } from './host.ts';
import { hostOf, idOn } from './ids.ts';
import { Invariants } from './invariants.ts';
import type { Packet } from './life.ts';
import { MemberFaults } from './member-faults.ts';
import { type Delivery, Network } from './network.ts';
import { type Plan, planFor, TICK_US, withReads, withWitnesses } from './plan.ts';
import type { Promised } from './power.ts';
import { Report } from './report.ts';
import type { RotKind } from './rot.ts';
import type { Shadow } from './shadow.ts';
import type { Targets } from './targets.ts';
import { Chance, Timeline } from './time.ts';
import type { Figures, TravelFigures } from './verdict.ts';
import { Workload } from './workload.ts';

const HINT_MAX_US = 5_000;
const COPIES_US = 1_000_000;
const COPIES_MAX = 2;

/** Everything that one run follows from, but for how long it goes on. */
export interface WorldOptions {
  readonly seed: number;
  readonly log?: boolean;
  readonly print?: ((line: string) => void) | null;
}

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly packet: Packet;
}

export class World implements Targets {
  readonly report: Report;
  readonly network: Network<unknown>;
  readonly #timeline = new Timeline();
  readonly #plan: Plan;
  readonly #options: WorldOptions;
  readonly #voters: readonly NodeId[];
  /** Hosts, whatever directory they have. */
  readonly #witnesses: readonly string[];
  readonly #invariants: Invariants;
  readonly #shadows = new Map<NodeId, Shadow>();
  readonly #hosts = new Map<string, Host>();
  readonly #clients: Clients;
  readonly #workload: Workload;
  readonly #nemesis: Nemesis;
  readonly #memberFaults: MemberFaults;
  readonly #chance: Chance;
  #reigns = 0;
  #installs = 0;
  #healUs = 0;
  #undecided = 0;

  constructor(options: WorldOptions) {
    const { seed } = options;
    this.#options = options;
    this.report = new Report(options.log ?? false, options.print ?? null);
    this.#chance = new Chance(seed, 'world');
    const plan = withWitnesses(planFor(new Chance(seed, 'plan')), new Chance(seed, 'witnesses'));
    this.#plan = withReads(plan, new Chance(seed, 'reads'));
    const names = Array.from({ length: this.#plan.voters }, (_, at) => `n${at + 1}`);
    this.#voters = names.map((name) => idOn(name, 1));
    this.#witnesses = names.slice(names.length - this.#plan.witnesses);
    const isWitness = (id: NodeId): boolean => this.#isWitness(id);
    this.#invariants = new Invariants(founded(this.#voters), this.#shadows, isWitness);
    const network = new Network<Envelope>(
      this.#timeline,
      new Chance(seed, 'network'),
      this.#plan.weather,
      (delivery) => this.#deliver(delivery),
    );
    this.network = network as Network<unknown>;
    for (const [at, name] of names.entries()) this.#addHost(name, at, network);
    const { keys, kinds, fillerMax } = this.#plan;
    this.#workload = new Workload(new Chance(seed, 'workload'), keys, kinds, fillerMax);
    this.#clients = new Clients({
      timeline: this.#timeline,
      chance: new Chance(seed, 'clients'),
      plan: this.#plan,
      workload: this.#workload,
      doors: () => doorsOf(this.#hosts.values()),
      asked: () => this.#invariants.asked(),
      hostOf,
    });
    this.#nemesis = new Nemesis(
      this,
      this.#timeline,
      new Chance(seed, 'faults'),
      this.#plan,
      (what) => this.#note('nemesis', what),
    );
    this.#memberFaults = new MemberFaults(
      {
        network: this.network,
        configurations: this.#invariants.configurations,
        members: () => [...this.#hosts.values()],
        newHost: (name) => {
          const host = this.#addHost(name, -1, network);
          host.start();
          return host;
        },
        leaderHost: () => this.leaderHost(),
        isWitness: (id) => this.#isWitness(id),
      },
      this.#timeline,
      new Chance(seed, 'members'),
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
    this.#clients.begin();
    this.#nemesis.begin();
    this.#memberFaults.begin();
    while (this.#timeline.ran < steps) {
      this.#timeline.step();
      this.#nemesis.stepped();
    }
    this.#note('world', 'faults end');
    this.#nemesis.stop();
    this.#memberFaults.stop();
    this.#clients.stop();
    this.#healUs = new Healing({
      timeline: this.#timeline,
      hosts: () => [...this.#hosts.values()],
      isFed: (host) => this.#memberFaults.isFed(host),
      clients: this.#clients,
      workload: this.#workload,
      truth: this.#invariants.truth,
      note: (what) => this.#note('world', what),
    }).run();
    this.#undecided = judge(this.#clients.recorder.operations());
  }

  figures(): Figures {
    const sum = (of: (host: Host) => number): number =>
      [...this.#hosts.values()].reduce((total, host) => total + of(host), 0);
    return {
      events: this.#timeline.ran,
      virtualUs: this.#timeline.nowUs,
      asked: this.#clients.recorder.length,
      answered: this.#clients.answered,
      releases: this.#invariants.releases,
      ...this.#travels(),
      streamBytes: this.#invariants.truth.length,
      reigns: this.#reigns,
      crashes: sum((host) => host.deaths),
      serverLives: sum((host) => host.serverLives),
      installs: this.#installs,
      changes: this.#invariants.configurations.changes,
      compactions: sum((host) => host.compactions),
      packetsPeak: this.network.peak,
      checks: this.#invariants.checks,
      healUs: this.#healUs,
      undecided: this.#undecided,
    };
  }

  #travels(): TravelFigures {
    const { owns: ownConnections, ...others } = this.#invariants.travels;
    return { ownConnections, ...others };
  }

  crash(name: string): void {
    const host = this.#hosts.get(name);
    const dice = this.#chance.below(10);
    if (dice < 2) host?.stop(dice === 0);
    else host?.crash(dice < 8);
  }

  crashAtEffect(host: string, effects: number): void {
    this.#hosts.get(host)?.cutAtEffect(effects);
  }

  crashAfter(host: string, promise: Promised): void {
    this.#hosts.get(host)?.cutAfter(promise);
  }

  leaderHost(than?: string): string | null {
    for (const { name, life } of this.#hosts.values())
      if (name !== than && life?.group.isLeader === true) return name;
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
    this.#hosts.get(host)?.disk.slow(factor);
  }

  fillDisk(host: string): void {
    this.#hosts.get(host)?.disk.disk.limit(0);
  }

  freeDisk(host: string): void {
    this.#hosts.get(host)?.disk.disk.limit(Number.POSITIVE_INFINITY);
  }

  crashServer(host: string): void {
    this.#hosts.get(host)?.crashServer(this.#chance.permille(500));
  }

  breakClient(host: string): void {
    this.#hosts.get(host)?.server?.breakClient();
  }

  cutFeed(host: string): void {
    this.#hosts.get(host)?.cutFeed();
  }

  hangServer(host: string, isHung: boolean): void {
    this.#hosts.get(host)?.hangServer(isHung);
  }

  failDisk(host: string, failing: Failing): void {
    this.#hosts.get(host)?.disk.fail(failing);
  }

  wipe(name: string): void {
    const host = this.#hosts.get(name);
    if (host !== undefined && this.#mayLose(host)) host.wipe();
  }

  rot(name: string, kind: RotKind): void {
    const host = this.#hosts.get(name);
    if (host !== undefined && this.#mayLose(host)) host.rot(kind);
  }

  #mayLose(host: Host): boolean {
    return host.disk.isRotten || this.#memberFaults.mayLose(host.id);
  }

  peerLost(host: string, peer: string, isLost = this.#chance.permille(500)): void {
    const id = this.#hosts.get(peer)?.id;
    if (id === undefined) return;
    this.#hosts.get(host)?.enter('orders', ({ group }) => {
      if (isLost) group.peerLost(id);
      else group.peerFound(id);
    });
  }

  handOver(host: string, to: string | null): void {
    const wanted = to === null ? null : (this.#hosts.get(to)?.id ?? null);
    const isPlanned = this.#chance.permille(800);
    this.#hosts.get(host)?.enter('orders', ({ group }) => {
      if (isPlanned)
        group.handOver(wanted, (ok, why) => this.#note(host, `handed over: ${ok}, ${why}`));
      else group.resign('nemesis');
    });
  }

  resign(host: string): void {
    this.#hosts.get(host)?.enter('orders', ({ group }) => group.resign('nemesis'));
  }

  copyJoins(): void {
    const copies = [...this.#hosts.keys()].filter((name) => name.startsWith('c')).length;
    if (copies >= COPIES_MAX) return;
    const host = this.#addHost(`c${copies + 1}`, -1, this.network as Network<Envelope>);
    host.start();
  }

  #isWitness(id: NodeId): boolean {
    return this.#witnesses.includes(hostOf(id));
  }

  #addHost(name: string, at: number, network: Network<Envelope>): Host {
    const send = (from: NodeId, to: NodeId, packet: Packet): void =>
      network.send(name, hostOf(to), { from, to, packet });
    const host: Host = new Host({
      name,
      seed: this.#options.seed,
      plan: this.#plan,
      tickUs: this.#plan.tickUs[at] ?? TICK_US,
      slowPermille: this.#plan.slowPermille[at] ?? 0,
      clockMs: this.#plan.clockMs[at] ?? (this.#plan.clockMs[0] as number),
      timeline: this.#timeline,
      invariants: this.#invariants,
      shadows: this.#shadows,
      voters: this.#voters,
      isWitness: this.#witnesses.includes(name),
      send,
      reach: (to, source, client) => reach(this.#hosts.values(), to, source, client),
      sendAll: (from, packet) => {
        for (const { id } of this.#hosts.values()) if (id !== from) send(from, id, packet);
      },
      onAlive: (alive) => this.#alive(alive),
      onDead: (dead) => {
        if (this.#plan.hints) this.#hint('peerLost', dead.id);
      },
      onNotice: (_, notice) => this.#count(notice),
      note: this.report.on ? (who, what) => this.#note(who, what) : null,
    });
    this.#hosts.set(name, host);
    return host;
  }

  #alive(alive: Host): void {
    this.#tellCopies();
    if (!this.#plan.hints) return;
    this.#hint('peerFound', alive.id);
    for (const { life, id } of this.#hosts.values())
      if (life !== null && id !== alive.id) alive.enter('peer', ({ group }) => group.peerFound(id));
  }

  /** Every node knows every copy that is there: in a deployment the links say so. */
  #tellCopies(): void {
    const hosts = [...this.#hosts.values()];
    const copies = hosts.filter((host) => this.#memberFaults.isCopy(host)).map(({ id }) => id);
    const witnesses = hosts.map(({ id }) => id).filter((id) => this.#isWitness(id));
    for (const host of hosts)
      host.enter('peer', ({ group, data }) => {
        data?.copiesKnown(copies);
        group.witnessesKnown(witnesses);
      });
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
        host.enter('peer', ({ group }) => {
          if (group.raft.id !== peer) group[kind](peer);
        }),
      );
    }
  }

  #deliver({ to, packet: { from, to: id, packet } }: Delivery<Envelope>): void {
    const host = this.#hosts.get(to);
    if (host?.id === id) host.enter('peer', (life) => life.receive(from, packet));
  }

  #count(notice: Notice): void {
    if (notice.kind === 'becameLeader') this.#reigns += 1;
    if (notice.kind === 'installed') this.#installs += 1;
  }

  #note(who: string, what: string): void {
    this.report.line(this.#timeline.nowUs, this.#timeline.ran, who, what);
  }
}
