/**
 * What one node asked of its disk and what its disk has confirmed: kept outside the node, from
 * the calls at its log store, so that a lie inside the node cannot reach it.
 */
import type { Entry, EntryHead, EntryId, HardState } from '../src/core/raft/protocol.ts';
import { type LogIndex, logIndex, type Term, term } from '../src/core/scalars.ts';

export interface Recovered {
  readonly hardState: HardState;
  readonly base: EntryId;
  readonly heads: readonly EntryHead[];
}

interface Request {
  /** What the disk holds for certain while this waits: nothing after it. */
  readonly keeps: LogIndex;
  readonly onDone: () => void;
}

export class Shadow {
  #base: EntryId = { index: logIndex(0), term: term(0) };
  #heads: EntryHead[] = [];
  #durable: LogIndex = logIndex(0);
  #hardState: HardState = { term: term(0), votedFor: null };
  #requests: Request[] = [];
  /** Where commit stands in this life of the node. */
  committed: LogIndex = logIndex(0);

  get base(): EntryId {
    return this.#base;
  }

  get last(): EntryId {
    return this.#heads.at(-1) ?? this.#base;
  }

  /** Everything up to here survives a power cut, as far as the store has said. */
  get durable(): LogIndex {
    return this.#durable;
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  get waiting(): number {
    return this.#requests.length;
  }

  termAt(index: LogIndex): Term | null {
    if (index === this.#base.index) return this.#base.term;
    return this.#heads[index - this.#base.index - 1]?.term ?? null;
  }

  /** Bytes of payload after `index`. */
  bytesAfter(index: LogIndex): number {
    let sum = 0;
    for (let at = this.#heads.length - 1; at >= 0; at -= 1) {
      const head = this.#heads[at] as EntryHead;
      if (head.index <= index) break;
      sum += head.bytes;
    }
    return sum;
  }

  /** A new life begins; the disk's word replaces ours. */
  recovered(from: Recovered): void {
    this.#base = from.base;
    this.#heads = [...from.heads];
    this.#durable = this.last.index;
    this.#hardState = from.hardState;
    this.#requests = [];
    this.committed = from.base.index;
  }

  hardStateAsked(hardState: HardState): void {
    this.#requests.push({
      keeps: this.last.index,
      onDone: () => {
        this.#hardState = hardState;
      },
    });
  }

  persistAsked(after: EntryId, entries: readonly Entry[]): void {
    const kept = Math.max(0, after.index - this.#base.index);
    this.#heads.length = Math.min(this.#heads.length, kept);
    for (const entry of entries) {
      this.#heads.push({ index: entry.index, term: entry.term, bytes: entry.payload.length });
    }
    const last = this.last;
    this.#lower(after.index);
    this.#requests.push({ keeps: after.index, onDone: () => this.#raise(last) });
  }

  installAsked(last: EntryId, keepSuffix: boolean): void {
    // Until the snapshot takes over, what the old log shares with it stays on disk.
    if (!keepSuffix) this.#lower(last.index);
    this.#rebase(last, keepSuffix);
    const keeps = keepSuffix ? this.last.index : last.index;
    this.#requests.push({ keeps, onDone: () => this.#raise(last) });
  }

  /** The log now begins after `base`; a durable snapshot reaches at least that far. */
  compacted(base: EntryId, snapshot: EntryId): void {
    this.#rebase(base, true);
    if (this.#durable < snapshot.index) this.#durable = snapshot.index;
  }

  /** The oldest request is done. */
  done(): void {
    this.#requests.shift()?.onDone();
  }

  #rebase(base: EntryId, keepSuffix: boolean): void {
    this.#heads = keepSuffix ? this.#heads.filter((head) => head.index > base.index) : [];
    this.#base = base;
  }

  #lower(to: LogIndex): void {
    if (this.#durable > to) this.#durable = to;
  }

  #raise(to: EntryId): void {
    let reached = Math.max(this.#durable, to.index);
    for (const request of this.#requests) reached = Math.min(reached, request.keeps);
    this.#durable = logIndex(reached);
  }
}
