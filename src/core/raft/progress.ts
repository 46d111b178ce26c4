/**
 * What the leader knows of one peer (Raft §5.3), whatever its standing.
 *
 * Invariant: match < next, in the states that have a next. `match` is what the peer said it has
 * on disk and never falls within a term.
 */
import { assert, unreachable } from '../../assert.ts';
import { type LogIndex, logIndex, type NodeId } from '../scalars.ts';
import type { PeerView } from './protocol.ts';

export type Progress =
  /** Where the logs agree is not known: one append at a time until one is accepted. */
  | { readonly state: 'probing'; next: LogIndex; isProbeInFlight: boolean }
  /** In step: appends are pipelined. `stalledTicks` counts while acknowledgements are due. */
  | { readonly state: 'streaming'; next: LogIndex; stalledTicks: number }
  /** It needs entries that the log no longer holds; the newest snapshot is offered. */
  | { readonly state: 'restoring' };

/** Only voters count: for commit, rounds, votes and check-quorum. */
export type Standing = PeerView['standing'];

export class Peer {
  readonly id: NodeId;
  standing: Standing = 'copy';
  /** The entry that removed it, once it is leaving. */
  leavesAt = logIndex(0);
  match = logIndex(0);
  /** The highest round echoed in this term. */
  round = 0;
  /** It has answered in this term: until then its silence was not counted from anything. */
  isHeard = false;
  silentTicks = 0;
  progress: Progress;

  constructor(id: NodeId, next: LogIndex) {
    this.id = id;
    this.progress = { state: 'probing', next, isProbeInFlight: false };
  }

  /** It should hear at once that so much is committed, when it has it; 0: it has heard. */
  commitOwed: LogIndex = logIndex(0);

  get isVoter(): boolean {
    return this.standing === 'voter';
  }

  /** Starts over from `next`, one append at a time. */
  probeFrom(next: LogIndex): void {
    assert(next > this.match, 'a peer is never asked again for what it has');
    this.progress = { state: 'probing', next, isProbeInFlight: false };
  }

  stream(): void {
    this.progress = { state: 'streaming', next: logIndex(this.match + 1), stalledTicks: 0 };
  }

  restore(): void {
    this.progress = { state: 'restoring' };
  }

  /** The peer has the leader's log up to `index` on disk. `base`: where that log begins. */
  acknowledged(index: LogIndex, base: LogIndex): void {
    const hasMoved = index > this.match;
    if (hasMoved) this.match = index;
    const { progress } = this;
    switch (progress.state) {
      case 'probing':
        // Less than the probed index says nothing of the probe: an old reply, or a busy disk.
        if (index >= progress.next - 1) this.stream();
        return;
      case 'streaming':
        if (this.match >= progress.next) progress.next = logIndex(this.match + 1);
        if (hasMoved) progress.stalledTicks = 0;
        return;
      case 'restoring':
        if (this.match >= base) this.stream();
        return;
      default:
        unreachable(progress);
    }
  }

  tick(): void {
    this.silentTicks++;
    const { progress } = this;
    if (progress.state !== 'streaming') return;
    if (this.match + 1 < progress.next) progress.stalledTicks++;
    else progress.stalledTicks = 0;
  }

  view(): PeerView {
    return {
      peer: this.id,
      standing: this.standing,
      state: this.progress.state,
      match: this.match,
      silentTicks: this.silentTicks,
    };
  }
}
