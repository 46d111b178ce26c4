/**
 * When the log is over its limit, a snapshot takes its place.
 *
 * A follower takes one from its own server, which costs the leader nothing, and tells the others;
 * the leader fetches a follower's. Only a leader that is over the limit for `aloneTicks`, and was
 * offered none or could not have it, takes one from its own server, and that is valid only once its
 * offset is committed (design §4).
 *
 * Writes wait when the log passes its hard bound all the same: disk use is bounded.
 */
import type { SnapshotMeta } from '../../core/raft/protocol.ts';
import type { NodeId } from '../../core/scalars.ts';

export interface CompactionLimits {
  readonly logLimitBytes: number;
  readonly logHardBytes: number;
  /** A leader waits so long for a follower's snapshot. */
  readonly aloneTicks: number;
}

export interface CompactionPorts {
  /** Takes one from the local server. `done(null)`: it could not be had now. */
  take(done: (snapshot: SnapshotMeta | null) => void): void;
  /** Pulls a peer's. */
  fetch(from: NodeId, snapshot: SnapshotMeta, done: (snapshot: SnapshotMeta | null) => void): void;
  /** Makes it the node's newest and drops what it replaces, but for a tail of `keepBytes`. */
  adopt(snapshot: SnapshotMeta, keepBytes: number, done: () => void): void;
  announce(snapshot: SnapshotMeta): void;
  setLogFull(isFull: boolean): void;
}

export interface CompactionSight {
  readonly isLeader: boolean;
  /** True when a snapshot of the local server can be asked for now. */
  readonly canTake: boolean;
  /**
   * On disk, but for the segment that grows: one large unit can fill that, and while writes wait
   * nothing would ever follow it.
   */
  readonly logBytes: number;
  /** Bytes of log after the newest snapshot: what a new one would save. */
  readonly sinceSnapshotBytes: number;
  readonly newestIndex: number;
  readonly committedIndex: number;
  /** Size of the newest snapshot: what another one costs at least. */
  readonly snapshotBytes: number;
}

/** After an attempt that failed, or one after which a full log is looked at again. */
const RETRY_TICKS = 40;

export class Compaction {
  readonly #limits: CompactionLimits;
  readonly #ports: CompactionPorts;
  #isBusy = false;
  #waitTicks = 0;
  #overTicks = 0;
  #isFull = false;
  /** The last one that was offered could not be had. */
  #hasFetchFailed = false;
  #offer: { readonly from: NodeId; readonly snapshot: SnapshotMeta } | null = null;

  constructor(limits: CompactionLimits, ports: CompactionPorts) {
    this.#limits = limits;
    this.#ports = ports;
  }

  /** A peer has a snapshot that anybody may fetch. */
  offered(from: NodeId, snapshot: SnapshotMeta): void {
    // Of one index the latest: its node has replaced what it offered before.
    if (this.#offer === null || snapshot.last.index >= this.#offer.snapshot.last.index)
      this.#offer = { from, snapshot };
  }

  tick(sight: CompactionSight): void {
    this.#paceLog(sight.logBytes);
    if (this.#waitTicks > 0) this.#waitTicks -= 1;
    // A full log must shrink, whatever the stream says: entries without bytes fill it as well, and
    // a crash may have left segments that the newest snapshot covers.
    const isOver = this.#isFull || sight.sinceSnapshotBytes > this.#dueBytes(sight.snapshotBytes);
    this.#overTicks = isOver ? this.#overTicks + 1 : 0;
    if (!isOver || this.#isBusy || this.#waitTicks > 0) return;
    if (!sight.isLeader) {
      if (sight.canTake) this.#take();
      return;
    }
    const offer = this.#offer;
    const offered = offer?.snapshot.last.index ?? 0;
    // A new leader learns late what is committed: it makes nothing the base of its log before.
    const isOfUse = offered > sight.newestIndex && offered <= sight.committedIndex;
    const isAlone = sight.canTake && this.#overTicks > this.#limits.aloneTicks;
    // Who offers anew what cannot be had must not keep this node from its own.
    if (offer !== null && isOfUse && !(isAlone && this.#hasFetchFailed)) {
      this.#offer = null;
      this.#fetch(offer);
    } else if (isAlone) this.#take();
  }

  /**
   * Half the limit, since a tail is kept for slow peers. A snapshot that is large against the limit
   * is not written again for every few bytes: up to a quarter of the hard bound is waited for.
   */
  #dueBytes(snapshotBytes: number): number {
    const { logLimitBytes, logHardBytes } = this.#limits;
    return Math.max(logLimitBytes / 2, Math.min(snapshotBytes / 2, logHardBytes / 4));
  }

  #take(): void {
    this.#isBusy = true;
    this.#ports.take((snapshot) => {
      if (snapshot === null) this.#ended(RETRY_TICKS);
      else this.#adopt(snapshot, true);
    });
  }

  #fetch(offer: { readonly from: NodeId; readonly snapshot: SnapshotMeta }): void {
    this.#isBusy = true;
    this.#ports.fetch(offer.from, offer.snapshot, (snapshot) => {
      this.#hasFetchFailed = snapshot === null;
      if (snapshot !== null) this.#adopt(snapshot, false);
      // What counts as alone goes on.
      else this.#ended(RETRY_TICKS, this.#overTicks);
    });
  }

  #adopt(snapshot: SnapshotMeta, isOwn: boolean): void {
    // A tail of live entries may lie among many dead ones: a full log keeps none.
    const keepBytes = this.#isFull ? 0 : this.#limits.logLimitBytes / 2;
    this.#ports.adopt(snapshot, keepBytes, () => {
      this.#ended(this.#isFull ? RETRY_TICKS : 0);
      if (isOwn) this.#ports.announce(snapshot);
    });
  }

  #ended(waitTicks: number, overTicks = 0): void {
    this.#isBusy = false;
    this.#waitTicks = waitTicks;
    this.#overTicks = overTicks;
  }

  #paceLog(logBytes: number): void {
    const isFull = logBytes > this.#limits.logHardBytes;
    const isLow = logBytes < this.#limits.logHardBytes * 0.9;
    if (isFull === this.#isFull || (!isFull && !isLow)) return;
    this.#isFull = isFull;
    this.#ports.setLogFull(isFull);
  }
}
