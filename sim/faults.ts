/** What breaks, and when, as the plan of a seed has it. */
import type { Failing } from './disk.ts';
import type { Network } from './network.ts';
import { FAIR_WEATHER } from './network.ts';
import { type FaultKind, type Plan, weatherFor } from './plan.ts';
import type { Promised } from './power.ts';
import { ROT_KINDS, type RotKind } from './rot.ts';
import type { Chance, Timeline } from './time.ts';

const LEADER_PERMILLE = 400;
const SUPERVISE_MAX_US = 300_000;
const PAUSE_LONG_MIN_US = 1_500_000;
const PAUSE_LONG_MAX_US = 4_000_000;
/** About the time after which a leader that hears nobody steps down. */
const EVENTS_NEVER = Number.POSITIVE_INFINITY;
/** Awake, and nobody has told it yet. */
const THAW_MIN_US = 200_000;
const THAW_MAX_US = 1_000_000;
/** Of the servers that would have died, so many lose only their connection to the feed. */
const FEED_CUT_PERMILLE = 500;
const RESTARTS = 40;
const CLIENTS_BROKEN_MAX = 12;
const ROT_CRASH_PERMILLE = 400;
const FAILINGS = ['reads', 'writes', 'syncs', 'writes and syncs'] as const;

/** What faults can be done to. Each is a wish: nothing happens when it does not apply. */
export interface Targets {
  /** Host names, in a fixed order; copies come last. */
  readonly hosts: readonly string[];
  readonly voterHosts: readonly string[];
  readonly network: Network<unknown>;
  crash(host: string): void;
  /** The power goes just before the given effect, counted from now, is carried out. */
  crashAtEffect(host: string, effects: number): void;
  /** The power goes right after the next such promise has left. */
  crashAfter(host: string, promise: Promised): void;
  /** Somebody who believes to lead, if there is one. */
  leaderHost(): string | null;
  /** No cut that was set is to come any more. */
  disarm(host: string): void;
  start(host: string): void;
  pause(host: string): void;
  resume(host: string): void;
  slowDisk(host: string, factor: number): void;
  fillDisk(host: string): void;
  freeDisk(host: string): void;
  failDisk(host: string, failing: Failing): void;
  /** Damages a file; the host that finds it out comes back as a copy. */
  rot(host: string, kind: RotKind): void;
  /** Loses the directory while down; comes back as a copy. */
  wipe(host: string): void;
  peerLost(host: string, peer: string): void;
  handOver(host: string, to: string | null): void;
  copyJoins(): void;
  crashServer(host: string): void;
  hangServer(host: string, isHung: boolean): void;
  /** A connection of clients to its server breaks. */
  breakClient(host: string): void;
  /** The connection on which its server follows breaks, and comes again. */
  cutFeed(host: string): void;
}

/** Something that is to happen, by time or by events, whichever comes first. */
interface Due {
  readonly afterEvents: number;
  readonly act: () => void;
  isDone: boolean;
}

/**
 * Breaks things at random moments until told to stop.
 *
 * Moments are counted in time and in events: a fast deployment spends all its events within a
 * second or two, and a slow one sees hours with few of them.
 */
export class Nemesis {
  readonly #targets: Targets;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #plan: Plan;
  readonly #note: (what: string) => void;
  #stopped = false;
  #isFrozen = false;
  #dues: Due[] = [];
  #dueFirst = Number.POSITIVE_INFINITY;

  constructor(
    targets: Targets,
    timeline: Timeline,
    chance: Chance,
    plan: Plan,
    note: (what: string) => void,
  ) {
    this.#targets = targets;
    this.#timeline = timeline;
    this.#chance = chance;
    this.#plan = plan;
    this.#note = note;
  }

  begin(): void {
    const { gapMaxUs, gapEventsMax } = this.#plan;
    this.#later(
      this.#chance.between(0, gapMaxUs),
      () => {
        this.#break(this.#chance.pick(this.#plan.faults));
        this.begin();
      },
      gapEventsMax,
    );
  }

  /** To be called after every event. */
  stepped(): void {
    if (this.#timeline.ran < this.#dueFirst) return;
    const dues = this.#dues.filter(({ afterEvents }) => afterEvents <= this.#timeline.ran);
    this.#dues = this.#dues.filter(({ afterEvents }) => afterEvents > this.#timeline.ran);
    this.#noteFirst();
    for (const due of dues) this.#perform(due);
  }

  /** Ends the fault phase: everything works again and stays so. */
  stop(): void {
    this.#stopped = true;
    const { network, hosts } = this.#targets;
    network.heal();
    network.weather = FAIR_WEATHER;
    for (const host of hosts) {
      network.setIsolated(host, false);
      this.#targets.disarm(host);
      this.#targets.freeDisk(host);
      this.#targets.failDisk(host, 'nothing');
      this.#targets.slowDisk(host, 1);
      this.#targets.resume(host);
      this.#targets.start(host);
      this.#targets.hangServer(host, false);
    }
  }

  #later(delayUs: number, act: () => void, eventsMax = this.#plan.outageEventsMax): void {
    const afterEvents =
      eventsMax === EVENTS_NEVER
        ? Number.POSITIVE_INFINITY
        : this.#timeline.ran + this.#chance.between(1, eventsMax);
    const due: Due = { afterEvents, act, isDone: false };
    this.#dues.push(due);
    this.#noteFirst();
    this.#timeline.after(delayUs, () => {
      this.#dues = this.#dues.filter((other) => other !== due);
      this.#perform(due);
    });
  }

  #perform(due: Due): void {
    if (this.#stopped || due.isDone) return;
    due.isDone = true;
    due.act();
  }

  #noteFirst(): void {
    this.#dueFirst = Number.POSITIVE_INFINITY;
    for (const { afterEvents } of this.#dues)
      if (afterEvents < this.#dueFirst) this.#dueFirst = afterEvents;
  }

  #outageUs(): number {
    return this.#chance.between(1_000, this.#plan.outageMaxUs);
  }

  /** Every other one long enough for the others to elect somebody. */
  #pauseUs(): number {
    return this.#chance.permille(500)
      ? this.#outageUs()
      : this.#chance.between(PAUSE_LONG_MIN_US, PAUSE_LONG_MAX_US);
  }

  #break(kind: FaultKind): void {
    const host = this.#victim();
    switch (kind) {
      case 'crash':
        this.#note(`crash ${host}`);
        this.#targets.crash(host);
        this.#startLater(host);
        return;
      case 'crashAtEffect':
      case 'crashAfterPromise':
        this.#crashInStep(kind, host);
        return;
      case 'crashAll':
        this.#note('crash all');
        for (const each of this.#targets.hosts) {
          this.#targets.crash(each);
          this.#startLater(each);
        }
        return;
      case 'pause':
        this.#pause(host);
        return;
      case 'freeze':
        this.#freeze(host);
        return;
      case 'wipe':
        this.#note(`wipe ${host}`);
        this.#targets.wipe(host);
        this.#startLater(host);
        return;
      case 'peerLost':
        this.#targets.peerLost(host, this.#chance.pick(this.#targets.hosts));
        return;
      case 'handOver':
        this.#handOver(host);
        return;
      case 'serverCrash':
      case 'serverHang':
        this.#breakServer(kind, host);
        return;
      case 'breakClient':
        this.#breakClients(host);
        return;
      case 'copyJoins':
        this.#targets.copyJoins();
        return;
      case 'slowDisk':
      case 'fullDisk':
      case 'failingDisk':
      case 'rot':
        this.#breakDisk(kind, host);
        return;
      default:
        this.#breakLinks(kind, host);
        return;
    }
  }

  #handOver(host: string): void {
    this.#note(`handOver ${host}`);
    const isAnyone = this.#chance.permille(300);
    this.#targets.handOver(host, isAnyone ? null : this.#chance.pick(this.#targets.voterHosts));
  }

  #pause(host: string): void {
    this.#note(`pause ${host}`);
    this.#targets.pause(host);
    this.#later(this.#pauseUs(), () => this.#targets.resume(host));
  }

  /**
   * As a machine that is moved: it stands still, and its network comes back after it. By time
   * alone: the others must be able to elect somebody before it wakes up.
   */
  #freeze(other: string): void {
    const { network } = this.#targets;
    const host = this.#targets.leaderHost() ?? other;
    // One at a time, and as long as it was meant to be.
    if (this.#isFrozen) return;
    this.#isFrozen = true;
    this.#note(`freeze ${host}`);
    network.setIsolated(host, true);
    this.#targets.pause(host);
    const pauseUs = this.#chance.between(PAUSE_LONG_MIN_US, PAUSE_LONG_MAX_US);
    this.#later(pauseUs, () => this.#targets.resume(host), EVENTS_NEVER);
    const thawUs = pauseUs + this.#chance.between(THAW_MIN_US, THAW_MAX_US);
    const thaw = (): void => {
      this.#isFrozen = false;
      network.setIsolated(host, false);
    };
    this.#later(thawUs, thaw, EVENTS_NEVER);
  }

  #startLater(host: string): void {
    this.#later(this.#outageUs(), () => this.#targets.start(host));
  }

  /** Leaders are where it hurts. */
  #victim(): string {
    const leader = this.#chance.permille(LEADER_PERMILLE) ? this.#targets.leaderHost() : null;
    return leader ?? this.#chance.pick(this.#targets.hosts);
  }

  /** Starts what has died meanwhile, soon, so that it comes back into the same election. */
  #supervise(host: string, times: number): void {
    this.#later(this.#chance.between(1_000, SUPERVISE_MAX_US), () => {
      this.#targets.start(host);
      if (times > 1) this.#supervise(host, times - 1);
    });
  }

  #crashInStep(kind: 'crashAtEffect' | 'crashAfterPromise', host: string): void {
    this.#note(`${kind} ${host}`);
    if (kind === 'crashAtEffect') this.#targets.crashAtEffect(host, this.#chance.below(12));
    else this.#targets.crashAfter(host, this.#chance.pick(['vote', 'acknowledgement']));
    // Whether it has come to that or not.
    this.#later(this.#outageUs(), () => this.#targets.disarm(host));
    this.#supervise(host, RESTARTS);
  }

  #breakClients(other: string): void {
    const host = this.#targets.leaderHost() ?? other;
    this.#note(`breakClient ${host}`);
    for (let left = this.#chance.between(1, CLIENTS_BROKEN_MAX); left > 0; left -= 1)
      this.#later(this.#outageUs(), () => this.#targets.breakClient(host));
  }

  #breakServer(kind: 'serverCrash' | 'serverHang', host: string): void {
    this.#note(`${kind} ${host}`);
    if (kind === 'serverCrash' && this.#chance.permille(FEED_CUT_PERMILLE)) {
      this.#targets.cutFeed(host);
      return;
    }
    if (kind === 'serverCrash') {
      this.#targets.crashServer(host);
      return;
    }
    this.#targets.hangServer(host, true);
    this.#later(this.#pauseUs(), () => this.#targets.hangServer(host, false));
  }

  #breakDisk(kind: 'slowDisk' | 'fullDisk' | 'failingDisk' | 'rot', host: string): void {
    this.#note(`${kind} ${host}`);
    if (kind === 'rot') {
      this.#targets.rot(host, this.#chance.pick(ROT_KINDS));
      // Now and then what rotted is found at once, else when it is read.
      if (this.#chance.permille(ROT_CRASH_PERMILLE)) this.#targets.crash(host);
      this.#supervise(host, RESTARTS);
      return;
    }
    if (kind === 'failingDisk') {
      this.#targets.failDisk(host, this.#chance.pick(FAILINGS));
      this.#later(this.#outageUs(), () => {
        this.#targets.failDisk(host, 'nothing');
        this.#startLater(host);
      });
      return;
    }
    if (kind === 'slowDisk') {
      this.#targets.slowDisk(host, this.#chance.pick([5, 50, 500]));
      this.#later(this.#outageUs(), () => this.#targets.slowDisk(host, 1));
      return;
    }
    this.#targets.fillDisk(host);
    this.#later(this.#outageUs(), () => {
      this.#targets.freeDisk(host);
      this.#startLater(host);
    });
  }

  #breakLinks(
    kind: 'isolate' | 'halves' | 'oneWay' | 'oneLink' | 'ring' | 'healLinks' | 'weather',
    host: string,
  ): void {
    const { network, hosts } = this.#targets;
    const other = this.#chance.pick(hosts);
    this.#note(`${kind} ${host} ${other}`);
    switch (kind) {
      case 'healLinks':
        network.heal();
        return;
      case 'weather':
        network.weather = weatherFor(this.#chance);
        return;
      case 'isolate':
        for (const each of hosts) network.cutBoth(host, each);
        break;
      case 'oneWay':
        for (const each of hosts) network.cut(host, each);
        break;
      case 'oneLink':
        network.cutBoth(host, other);
        break;
      case 'halves':
        this.#cutHalves(this.#chance.shuffled(hosts));
        break;
      case 'ring':
        this.#cutToRing(this.#chance.shuffled(hosts));
        break;
    }
    this.#later(this.#outageUs(), () => network.heal());
  }

  #cutHalves(mixed: readonly string[]): void {
    const border = this.#chance.below(mixed.length);
    for (const a of mixed.slice(0, border)) {
      for (const b of mixed.slice(border)) this.#targets.network.cutBoth(a, b);
    }
  }

  /** Everybody reaches only the neighbours on either side, so that majorities overlap in a ring. */
  #cutToRing(mixed: readonly string[]): void {
    const reach = Math.max(1, Math.floor(mixed.length / 4));
    for (const [i, a] of mixed.entries()) {
      for (const [j, b] of mixed.entries()) {
        const apart = Math.min(Math.abs(i - j), mixed.length - Math.abs(i - j));
        if (apart > reach) this.#targets.network.cut(a, b);
      }
    }
  }
}
