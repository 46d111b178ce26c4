/**
 * A leader is replaced and does not know it: what its answers are worth then is what most rules are
 * about. All of it goes by time alone: the others must be able to elect somebody.
 */
import type { Plan } from './plan.ts';
import type { Targets } from './targets.ts';
import type { Chance } from './time.ts';

/** Awake, and nobody has told it yet. */
const THAW_MIN_US = 200_000;
const THAW_MAX_US = 1_000_000;
/** What is on its way to it when it stands still may still come, and is read when it wakes up. */
const FREEZE_CUT_MAX_US = 60_000;
/** With leases so many wake up right when they have been replaced: the worst moment. */
const WAKE_PERMILLE = 600;
const WAKE_MAX_US = 20_000;
const WATCH_US = 8_000;
/** So often it is looked whether somebody leads. */
const WATCHES_MAX = 300;
/** Longer than an election takes that nobody wins. */
const RIVAL_MIN_US = 900_000;
const RIVAL_MAX_US = 1_800_000;
const RESTART_MAX_US = 150_000;
const DEAF_MIN_US = 300_000;
const DEAF_MAX_US = 1_500_000;

export interface UsurpersPorts {
  readonly note: (what: string) => void;
  readonly later: (delayUs: number, act: () => void) => void;
}

export class Usurpers {
  readonly #targets: Targets;
  readonly #chance: Chance;
  readonly #plan: Plan;
  readonly #ports: UsurpersPorts;
  /** One at a time, and as long as it was meant to be. */
  #isBusy = false;

  constructor(targets: Targets, chance: Chance, plan: Plan, ports: UsurpersPorts) {
    this.#targets = targets;
    this.#chance = chance;
    this.#plan = plan;
    this.#ports = ports;
  }

  /** As a machine that is moved: it stands still, and its network comes back after it. */
  freeze(other: string, pauseUs: number): void {
    const { network } = this.#targets;
    const host = this.#targets.leaderHost() ?? other;
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#ports.note(`freeze ${host}`);
    this.#targets.pause(host);
    const cutUs = this.#chance.between(1, FREEZE_CUT_MAX_US);
    this.#ports.later(cutUs, () => network.setIsolated(host, true));
    const wake = (): void => {
      this.#targets.resume(host);
      this.#ports.later(this.#chance.between(THAW_MIN_US, THAW_MAX_US), () => {
        this.#isBusy = false;
        network.setIsolated(host, false);
      });
    };
    if (this.#plan.leases && this.#chance.permille(WAKE_PERMILLE)) this.#whenReplaced(host, wake);
    else this.#ports.later(pauseUs, wake);
  }

  /** The leader is replaced, and hears nothing of it. */
  oust(other: string): void {
    if (this.#isBusy) return;
    const leader = this.#targets.leaderHost() ?? other;
    if (this.#chance.permille(300)) this.#resignDeaf(leader);
    else this.#forgetUnder(leader);
  }

  #whenReplaced(host: string, act: () => void, looks = WATCHES_MAX): void {
    this.#ports.later(WATCH_US, () => {
      const isOver = looks === 0 || this.#targets.leaderHost(host) !== null;
      if (!isOver) this.#whenReplaced(host, act, looks - 1);
      else this.#ports.later(this.#chance.between(1, WAKE_MAX_US), act);
    });
  }

  /** What it says still arrives, and somebody campaigns. */
  #resignDeaf(leader: string): void {
    const { network, hosts } = this.#targets;
    this.#ports.note(`oust ${leader}, which resigns`);
    this.#targets.resign(leader);
    for (const each of hosts) network.cut(each, leader);
    this.#healIn(0);
  }

  /**
   * One that cannot reach the leader wants to be elected, and is refused by whoever can: unless
   * such a one has just been started, or has just lost its connection.
   */
  #forgetUnder(leader: string): void {
    const { network, voterHosts } = this.#targets;
    const [rival, ...voters] = this.#chance.shuffled(voterHosts.filter((each) => each !== leader));
    if (rival === undefined) return;
    this.#ports.note(`oust ${leader} for ${rival}`);
    network.cutBoth(leader, rival);
    const isCrash = this.#chance.permille(500);
    const longUs = this.#chance.between(RIVAL_MIN_US, RIVAL_MAX_US);
    this.#ports.later(longUs, () => {
      for (const voter of voters) {
        if (isCrash) this.#restart(voter);
        else this.#targets.peerLost(voter, leader, true);
        // It would hear the leader again, and the leader of what comes of it.
        network.cutBoth(voter, leader);
      }
    });
    this.#healIn(longUs);
  }

  #healIn(us: number): void {
    this.#isBusy = true;
    this.#ports.later(us + this.#chance.between(DEAF_MIN_US, DEAF_MAX_US), () => {
      this.#isBusy = false;
      this.#targets.network.heal();
    });
  }

  #restart(host: string): void {
    this.#targets.crash(host);
    this.#ports.later(this.#chance.between(1_000, RESTART_MAX_US), () => this.#targets.start(host));
  }
}
