/** What breaks, and when, as the plan of a seed has it. */
import { cutHalves, cutToRing } from './cuts.ts';
import { FAIR_WEATHER } from './network.ts';
import { type FaultKind, type Plan, weatherFor } from './plan.ts';
import { ROT_KINDS } from './rot.ts';
import type { Targets } from './targets.ts';
import type { Chance, Timeline } from './time.ts';
import { Usurpers } from './usurpers.ts';

const LEADER_PERMILLE = 400;
const SUPERVISE_MAX_US = 300_000;
const PAUSE_LONG_MIN_US = 1_500_000;
const PAUSE_LONG_MAX_US = 4_000_000;
/** About as long as a lease lasts, and somewhat longer. */
const LEASE_MIN_US = 350_000;
const LEASE_MAX_US = 1_100_000;
const LEASE_PERMILLE = 500;
const EVENTS_NEVER = Number.POSITIVE_INFINITY;
/** Of the servers that would have died, so many lose only their connection to the feed. */
const FEED_CUT_PERMILLE = 500;
const RESTARTS = 40;
const CLIENTS_BROKEN_MAX = 12;
const ROT_CRASH_PERMILLE = 400;
const FAILINGS = ['reads', 'writes', 'syncs', 'writes and syncs'] as const;

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
  readonly #usurpers: Usurpers;
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
    this.#usurpers = new Usurpers(targets, chance, plan, {
      note,
      later: (delayUs, act) => this.#later(delayUs, act, EVENTS_NEVER),
    });
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

  #pauseUs(): number {
    const isLong = this.#chance.permille(500);
    return isLong ? this.#standstillUs() : this.#outageUs();
  }

  /** Long enough for the others to elect somebody, and with leases often only just. */
  #standstillUs(): number {
    const isByLease = this.#plan.leases && this.#chance.permille(LEASE_PERMILLE);
    return isByLease
      ? this.#chance.between(LEASE_MIN_US, LEASE_MAX_US)
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
        this.#usurpers.freeze(host, this.#standstillUs());
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
      case 'oust':
        this.#usurpers.oust(host);
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
        cutHalves(network, this.#chance.shuffled(hosts), this.#chance.below(hosts.length));
        break;
      case 'ring':
        cutToRing(network, this.#chance.shuffled(hosts));
        break;
    }
    this.#later(this.#outageUs(), () => network.heal());
  }
}
