/** A simulated disk with a queue of completions that a test turns by hand. */

import assert from 'node:assert/strict';
import { SimDisk } from '../../sim/disk.ts';
import { founded } from '../../src/core/raft/configuration.ts';
import type {
  Configuration,
  Entry,
  EntryId,
  HardState,
  SnapshotMeta,
} from '../../src/core/raft/protocol.ts';
import { groupId, logIndex, nodeId, term } from '../../src/core/scalars.ts';
import type { StorageError } from '../../src/io/storage/errors.ts';
import {
  type OpenedGroup,
  type OpenGroupOptions,
  type OpenGroupResult,
  openGroup,
} from '../../src/io/storage/recovery.ts';

export const VOTER = nodeId('a@0123abcd');
export const CONFIGURATION: Configuration = founded([VOTER]);

export function id(index: number, entryTerm: number): EntryId {
  return { index: logIndex(index), term: term(entryTerm) };
}

export function entry(index: number, entryTerm: number, text: string | Uint8Array): Entry {
  const payload = typeof text === 'string' ? Buffer.from(text) : text;
  return { ...id(index, entryTerm), payload };
}

export function vote(voteTerm: number, votedFor = true): HardState {
  return { term: term(voteTerm), votedFor: votedFor ? VOTER : null };
}

export function snapshotAt(last: EntryId, name = `s${last.index}`): SnapshotMeta {
  return { id: name, last, configuration: CONFIGURATION, bytes: 0 };
}

export function pseudoRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    // xorshift and multiply (splitmix32).
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

export const DEFAULTS: OpenGroupOptions = {
  group: groupId('data0'),
  mustExist: false,
  segmentBytes: 16 * 1024 * 1024,
  cacheBytes: 32 * 1024 * 1024,
  onFailure: () => undefined,
};

export class World {
  readonly disk: SimDisk;
  readonly #queue: (() => void)[] = [];
  /** Completions by kind of operation. */
  readonly counts = new Map<string, number>();
  #turnsLeft = Number.POSITIVE_INFINITY;

  constructor(seed = 1) {
    this.disk = new SimDisk({
      entropy: pseudoRandom(seed),
      schedule: (run, { kind }) => {
        this.#queue.push(() => {
          this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
          run();
        });
      },
    });
  }

  /** Completes what is under way, and all that follows from it; false when out of turns. */
  settle(): boolean {
    for (;;) {
      const run = this.#queue[0];
      if (run === undefined) return true;
      if (this.#turnsLeft === 0) return false;
      this.#turnsLeft -= 1;
      this.#queue.shift();
      run();
    }
  }

  /** Completes one operation. */
  turn(): void {
    this.#queue.shift()?.();
  }

  /** From now on only so many completions arrive. */
  allow(turns: number): void {
    this.#turnsLeft = turns;
  }

  crash(): void {
    this.disk.crash();
    this.#queue.length = 0;
    this.#turnsLeft = Number.POSITIVE_INFINITY;
  }

  kill(): void {
    this.disk.kill();
    this.#queue.length = 0;
    this.#turnsLeft = Number.POSITIVE_INFINITY;
  }

  /** Begins to open the group; `settle` brings it on. */
  begin(
    options: Partial<OpenGroupOptions>,
    done: (result: OpenGroupResult) => void = () => undefined,
    onEntry: ((one: Entry) => void) | null = null,
  ): void {
    openGroup(this.disk, '/data0', { ...DEFAULTS, ...options }, onEntry, done);
  }

  tryOpen(options: Partial<OpenGroupOptions> = {}, seen?: Entry[]): OpenGroupResult {
    let result: OpenGroupResult | null = null;
    const onEntry = seen === undefined ? null : (one: Entry) => seen.push(one);
    this.begin(
      options,
      (opened) => {
        result = opened;
      },
      onEntry,
    );
    this.settle();
    assert(result !== null, 'opening comes to an end');
    return result;
  }

  open(options: Partial<OpenGroupOptions> = {}, seen?: Entry[]): OpenedGroup {
    const result = this.tryOpen(options, seen);
    if (!result.ok) throw result.error;
    return result;
  }

  failureOfOpen(options: Partial<OpenGroupOptions> = {}): StorageError {
    const result = this.tryOpen(options);
    assert(!result.ok, 'opening fails');
    return result.error;
  }

  /** All entries held, read through the store. */
  entriesOf({ store }: OpenedGroup): Entry[] {
    const all: Entry[] = [];
    let after = store.base;
    while (after.index < store.last.index) {
      let got: readonly Entry[] | null = null;
      store.read(after, store.last, 1 << 20, (entries) => {
        got = entries;
      });
      this.settle();
      const part = got as readonly Entry[] | null;
      const last = part?.at(-1);
      assert(part !== null && last !== undefined, 'the log reads back');
      all.push(...part);
      after = last;
    }
    return all;
  }
}

export function textOf(entries: readonly Entry[]): string[] {
  return entries.map((e) => `${e.index}/${e.term} ${Buffer.from(e.payload).toString('latin1')}`);
}
