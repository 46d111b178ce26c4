/**
 * The newest entries of the log in memory, so that followers in step and the applier never wait
 * for the disk. Payloads are kept by reference.
 *
 * Bound: `bytesMax`, or what is not synced yet if that is more (the core caps that part).
 * Invariant: holds a contiguous run of entries that ends at the last one of the log.
 */
import { assert } from '../../assert.ts';
import type { Entry } from '../../core/raft/protocol.ts';

/** Counted per entry on top of its payload: the object, its slot, and the view's own header. */
const ENTRY_OVERHEAD_BYTES = 160;

export class TailCache {
  readonly #bytesMax: number;
  #entries: (Entry | undefined)[] = [];
  /** Slots before this one are evicted. */
  #head = 0;
  #bytes = 0;
  /** Entries up to this index may be evicted. */
  #syncedThrough = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The first index held; Infinity when empty. */
  get firstIndex(): number {
    return this.#entries[this.#head]?.index ?? Number.POSITIVE_INFINITY;
  }

  at(index: number): Entry | undefined {
    return this.#entries[this.#head + index - this.firstIndex];
  }

  append(entry: Entry): void {
    const last = this.#entries.at(-1);
    assert(last === undefined || last.index + 1 === entry.index, 'the tail is contiguous');
    this.#entries.push(entry);
    this.#bytes += costOf(entry);
    this.#evict();
  }

  /** Everything up to `entry` is on disk, unless the entry was replaced meanwhile. */
  synced(entry: Entry): void {
    if (this.at(entry.index) !== entry || entry.index <= this.#syncedThrough) return;
    this.#syncedThrough = entry.index;
    this.#evict();
  }

  cutAfter(index: number): void {
    while (this.#entries.length > this.#head) {
      const last = this.#entries.at(-1);
      if (last === undefined || last.index <= index) break;
      this.#entries.pop();
      this.#bytes -= costOf(last);
    }
    this.#syncedThrough = Math.min(this.#syncedThrough, index);
    this.#compact();
  }

  dropThrough(index: number): void {
    while (this.firstIndex <= index) this.#dropFirst();
    this.#compact();
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#syncedThrough = 0;
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax && this.firstIndex <= this.#syncedThrough)
      this.#dropFirst();
    this.#compact();
  }

  #dropFirst(): void {
    const first = this.#entries[this.#head];
    assert(first !== undefined, 'there is a first entry to drop');
    this.#entries[this.#head] = undefined;
    this.#head += 1;
    this.#bytes -= costOf(first);
  }

  /** Amortized: moves what is left only when at least as many slots are empty. */
  #compact(): void {
    if (this.#head === this.#entries.length) {
      if (this.#head === 0) return;
      this.#entries = [];
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
}

function costOf(entry: Entry): number {
  return entry.payload.length + ENTRY_OVERHEAD_BYTES;
}
