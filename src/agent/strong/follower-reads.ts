/**
 * When this node's server may answer reads although another node leads, and how far it must be.
 *
 * A *spell* is the time for which the server follows without a break: it is fed what is committed
 * and nothing else, so that whatever it answers is agreed on (design §3.3). A spell begins only
 * when the server has applied all that this node may have shown before, and the first one of a
 * process when it has applied what the leader said was committed: nobody is told older things here
 * than before. It ends before the server is promoted, killed or cut off from its feed, and nothing
 * that was asked in it is answered afterwards.
 *
 * A *point* is a read index (thesis §6.4) that the server has reached: the leader is asked how far
 * everything is committed, confirms by a round begun after the question that it still leads, and
 * the server has applied so much. What is asked for meanwhile shares the next question: one is
 * under way at a time. A committed offset is the same on all nodes, whoever leads (holes H1).
 */
import type { ReplOffset } from '../../core/scalars.ts';
import type { RelayPort, RoleSeen, ServerPort } from './ports.ts';

export interface FollowerReadsPorts {
  readonly server: Pick<ServerPort, 'askRole' | 'serveReads'>;
  readonly relay: Pick<RelayPort, 'setSpell'>;
  /** Asks whoever leads, as far as that is known; answered by `told`, or not at all. */
  readonly askLeader: (number: number) => void;
  /** Whether the feed streams to the server, and this node is a member of the group. */
  readonly isFed: () => boolean;
  /** All that was fed to the server. */
  readonly fed: () => ReplOffset;
  readonly committed: () => ReplOffset;
}

interface Question {
  readonly number: number;
  readonly reached: readonly (() => void)[];
  /** Null: the leader has not answered. */
  target: ReplOffset | null;
}

/** Then the leader is asked again: it may be another one, or the question was lost. */
const ASK_AGAIN_TICKS = 8;
/** The server was fed moments ago, and has not applied it yet. */
const LOOK_AGAIN_MS = 1;

export class FollowerReads {
  readonly #ports: FollowerReadsPorts;
  #life = 0;
  #isFollowing = false;
  #spells = 0;
  #isOpen = false;
  /** What this node may have shown. Null: this process has not heard yet how far all is. */
  #floor: ReplOffset | null = null;
  #isRoleAsked = false;
  #applied = 0;
  #number: number;
  #gathering: (() => void)[] = [];
  #question: Question | null = null;
  #askedTicks = 0;

  /**
   * Questions are numbered from `firstNumber` on: beyond what an earlier process of this node has
   * asked, or an answer that it was given could be taken for one of this process.
   */
  constructor(ports: FollowerReadsPorts, firstNumber: number) {
    this.#ports = ports;
    this.#number = firstNumber;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The server of this life follows from now on, or does so no more. */
  following(life: number, isFollowing: boolean): void {
    if (!isFollowing) this.#close();
    if (life !== this.#life) this.#isRoleAsked = false;
    this.#life = life;
    this.#isFollowing = isFollowing;
    if (!isFollowing) return;
    this.#applied = 0;
    // What this node has shown as a leader is committed, too.
    this.#raiseFloor();
  }

  /** Calls `reached` once, within this spell, or never. */
  point(reached: () => void): void {
    this.#gathering.push(reached);
    this.#ask();
  }

  /** The leader's answer: so much was committed after question `number` had come. */
  told(number: number, offset: ReplOffset): void {
    const question = this.#question;
    if (question === null || question.number !== number || question.target !== null) return;
    question.target = offset;
    this.#floor ??= offset;
    this.#look(0);
  }

  roleSeen(role: RoleSeen): void {
    this.#isRoleAsked = false;
    if (!this.#isFollowing || role.kind !== 'replica' || !role.isConnected) return;
    this.#applied = role.offset;
    if (!this.#isOpen && this.#floor !== null && role.offset >= this.#floor) this.#open();
    this.#look(LOOK_AGAIN_MS);
  }

  /** The server is fed more. */
  moved(): void {
    this.#look(0);
  }

  leaderChanged(): void {
    const question = this.#question;
    if (question?.target === null) this.#ports.askLeader(question.number);
  }

  tick(): void {
    if (!this.#isFollowing || !this.#ports.isFed()) {
      this.#close();
      return;
    }
    const question = this.#question;
    if (question === null) {
      if (this.#floor === null) this.point(() => undefined);
    } else if (question.target === null) {
      this.#askedTicks += 1;
      if (this.#askedTicks % ASK_AGAIN_TICKS === 0) this.#ports.askLeader(question.number);
    }
    if (!this.#isOpen && this.#floor !== null) this.#askRole(0);
    else this.#look(0);
  }

  #open(): void {
    if (!this.#ports.isFed()) return;
    this.#isOpen = true;
    this.#spells += 1;
    this.#ports.relay.setSpell(this.#spells);
    this.#ports.server.serveReads(this.#life, true);
  }

  #close(): void {
    this.#gathering = [];
    this.#question = null;
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#raiseFloor();
    this.#ports.relay.setSpell(null);
    this.#ports.server.serveReads(this.#life, false);
  }

  #raiseFloor(): void {
    const committed = this.#ports.committed();
    if (this.#floor !== null && committed > this.#floor) this.#floor = committed;
  }

  #ask(): void {
    if (this.#question !== null || this.#gathering.length === 0) return;
    this.#number += 1;
    this.#question = { number: this.#number, reached: this.#gathering, target: null };
    this.#gathering = [];
    this.#askedTicks = 0;
    this.#ports.askLeader(this.#number);
  }

  /** Is the point reached? Until it was fed there is no use in asking the server. */
  #look(askAfterMs: number): void {
    const question = this.#question;
    const target = question?.target ?? null;
    if (question === null || target === null) return;
    if (this.#isOpen && this.#applied >= target) {
      this.#question = null;
      for (const reached of question.reached) reached();
      this.#ask();
    } else if (this.#isOpen && this.#ports.fed() >= target) {
      this.#askRole(askAfterMs);
    }
  }

  #askRole(afterMs: number): void {
    if (this.#isRoleAsked) return;
    this.#isRoleAsked = true;
    this.#ports.server.askRole(this.#life, afterMs);
  }
}
