/**
 * Leases of a data group's reigns, one after the other, on the clock and the rounds of its node.
 *
 * A reign's own lease asks for the configuration whenever it is looked at. Threads look at what was
 * published: it is taken back when this node's removal is appended, before any message of that
 * leaves, and nothing is published while it is in force. Both are given up when a transfer begins,
 * before its first message leaves (`strong/lease.ts` has the argument).
 */
import type { Notice } from '../../core/raft/driver.ts';
import type { Raft } from '../../core/raft/raft.ts';
import { Lease, type LeaseClock } from '../strong/lease.ts';
import type { ReignWatch } from '../strong/ports.ts';

export interface GroupLeasesOptions {
  readonly raft: Pick<Raft, 'id' | 'nextRound' | 'configuration'>;
  /** Monotonic. */
  readonly nowMs: () => number;
  readonly tickMs: number;
  readonly electionTicksMin: number;
  readonly watch: Pick<ReignWatch, 'leased'> | null;
}

export class GroupLeases {
  readonly #o: GroupLeasesOptions;
  readonly #clock: LeaseClock;
  #newest: Lease | null = null;

  constructor(options: GroupLeasesOptions) {
    const { raft, nowMs, watch } = options;
    this.#o = options;
    this.#clock = {
      nowMs,
      nextRound: () => raft.nextRound,
      isVoter: () => raft.configuration.voters.includes(raft.id),
      moved: (untilMs) => watch?.leased(untilMs),
    };
  }

  /** For a reign that begins. During a transfer none gets further: Raft refuses its entry. */
  next(): Lease {
    const { tickMs, electionTicksMin } = this.#o;
    this.#newest = new Lease(this.#clock, tickMs, electionTicksMin);
    return this.#newest;
  }

  noticed(notice: Notice): void {
    if (notice.kind === 'configurationChanged' && !this.#clock.isVoter()) this.#o.watch?.leased(0);
    if (notice.kind === 'transfer' && notice.state === 'began') this.#newest?.giveUp();
  }
}
