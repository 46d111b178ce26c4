/** A scripted life of a group over a simulated disk, cut short anywhere, and what must remain. */
import assert from 'node:assert/strict';
import type { Entry, EntryId, HardState } from '../../src/core/raft/protocol.ts';
import type { OpenedGroup } from '../../src/io/storage/recovery.ts';
import { CONFIGURATION, entry, id, snapshotAt, textOf, vote, World } from './storage-world.ts';

/** What the log holds after some record, as the caller of the store sees it. */
interface State {
  readonly floor: number;
  readonly entries: readonly Entry[];
}

const SEGMENT_BYTES = 600;
type Step = (life: Life, next: () => void) => void;

export class Life {
  readonly #world: World;
  #group: OpenedGroup | null = null;
  #isCreated = false;
  /** Every state on the way, one per record; those before `acknowledged` may not come back. */
  readonly #states: State[] = [{ floor: 0, entries: [] }];
  #acknowledged = 0;
  readonly #votes: HardState[] = [vote(0, false)];
  #voteAcknowledged = 0;
  /** Last entries of snapshots: asked to be finished, and finished. */
  readonly #snapshots: number[] = [];
  #snapshotAcknowledged = 0;

  constructor(seed: number) {
    this.#world = new World(seed);
  }

  /** True when the script came to its end within so many disk operations. */
  run(turns: number): boolean {
    let isOver = false;
    this.#world.allow(turns);
    const from = (i: number): void => {
      const step = SCRIPT[i];
      if (step === undefined) isOver = true;
      else step(this, () => from(i + 1));
    };
    from(0);
    this.#world.settle();
    return isOver;
  }

  end(how: 'crash' | 'kill'): void {
    if (how === 'crash') this.#world.crash();
    else this.#world.kill();
    this.#group = null;
  }

  interruptRestart(turns: number): void {
    this.#world.allow(turns);
    this.#world.begin({ segmentBytes: SEGMENT_BYTES, mustExist: this.#isCreated });
    this.#world.settle();
    this.#world.crash();
  }

  check(what: string): void {
    const result = this.#world.tryOpen({
      segmentBytes: SEGMENT_BYTES,
      mustExist: this.#isCreated,
    });
    assert(result.ok, `${what}: ${result.ok ? '' : result.error.message}`);
    const { base, hardState, store, snapshot } = result;
    const votes = this.#votes.slice(this.#voteAcknowledged).map(({ term }) => term);
    assert(votes.includes(hardState.term), `${what}: term ${hardState.term} of ${votes}`);
    const last = snapshot?.last.index ?? 0;
    assert(last >= this.#snapshotAcknowledged, `${what}: snapshot ${last}`);
    assert(base.index <= last, `${what}: the log follows the snapshot`);
    const found = textOf(this.#world.entriesOf(result));
    const possible = this.#states.slice(this.#acknowledged);
    // A finished snapshot ahead of the log may be installed by the restart.
    if (this.#snapshots.includes(last)) possible.push({ floor: last, entries: [] });
    const isPossible = possible.some(({ floor, entries }) => {
      const held = entries.filter(({ index }) => index > base.index);
      const end = entries.at(-1)?.index ?? floor;
      return (
        base.index >= floor && end === store.last.index && textOf(held).join() === found.join()
      );
    });
    assert(isPossible, `${what}: found after ${base.index}: ${found.join(', ')}`);
    this.#goOn(result, what);
  }

  /** The recovered log takes new entries, and keeps them. */
  #goOn(group: OpenedGroup, what: string): void {
    const { store } = group;
    const next = entry(store.last.index + 1, group.hardState.term, 'after the crash');
    let isDone = false;
    store.persist(store.last, [next], (error) => {
      isDone = error === undefined;
    });
    this.#world.settle();
    assert(isDone, what);
    const want = textOf(this.#world.entriesOf(group));
    this.#world.crash();
    const again = this.#world.open({ segmentBytes: SEGMENT_BYTES, mustExist: true });
    assert.deepEqual(textOf(this.#world.entriesOf(again)), want, what);
  }

  open(next: () => void): void {
    this.#world.begin({ segmentBytes: SEGMENT_BYTES, cacheBytes: 100 }, (result) => {
      assert(result.ok, 'the script opens the group');
      this.#isCreated = true;
      this.#group = result;
      next();
    });
  }

  elect(term: number, next: () => void): void {
    this.#votes.push(vote(term));
    const position = this.#votes.length - 1;
    this.#store.saveHardState(vote(term), () => {
      this.#voteAcknowledged = position;
      next();
    });
  }

  /** Entries after `after`, all of the term, with texts that tell them apart. */
  persist(after: EntryId, term: number, count: number, next: () => void): void {
    const entries: Entry[] = [];
    for (let i = 1; i <= count; i++) {
      const text = `${this.#states.length + i} `.padEnd(20 + ((i * 37) % 90), 'x');
      entries.push(entry(after.index + i, term, text));
    }
    const state = this.#states.at(-1) ?? { floor: 0, entries: [] };
    const kept = state.entries.filter(({ index }) => index <= after.index);
    this.#states.push({ floor: state.floor, entries: kept });
    for (let i = 1; i <= count; i++)
      this.#states.push({ floor: state.floor, entries: [...kept, ...entries.slice(0, i)] });
    const position = this.#states.length - 1;
    this.#store.persist(after, entries, () => {
      this.#acknowledged = Math.max(this.#acknowledged, position);
      next();
    });
  }

  takeSnapshot(last: EntryId, next: () => void): void {
    const start = { id: `s${last.index}`, last, configuration: CONFIGURATION };
    this.#group?.snapshots.begin(start, { offset: last.index }, (_, writer) => {
      writer?.append(Buffer.alloc(1500, 'snapshot'), () => {
        this.#snapshots.push(last.index);
        writer.finish((error) => {
          assert(error === null);
          this.#snapshotAcknowledged = last.index;
          next();
        });
      });
    });
  }

  compact(last: EntryId, keepBytes: number, next: () => void): void {
    this.#store.compactTo(snapshotAt(last), keepBytes, next);
  }

  install(last: EntryId, keepSuffix: boolean, next: () => void): void {
    if (!keepSuffix) this.#states.push({ floor: last.index, entries: [] });
    const position = this.#states.length - 1;
    this.#store.installSnapshot(snapshotAt(last), keepSuffix, () => {
      this.#acknowledged = Math.max(this.#acknowledged, position);
      next();
    });
  }

  settle(next: () => void): void {
    this.#store.settle();
    next();
  }

  close(next: () => void): void {
    this.#store.close(next);
  }

  get #store(): OpenedGroup['store'] {
    assert(this.#group !== null, 'the group is open');
    return this.#group.store;
  }
}

const ignore = (): void => undefined;

const SCRIPT: readonly Step[] = [
  (life, next) => life.open(next),
  (life, next) => life.elect(1, next),
  (life, next) => life.persist(id(0, 0), 1, 3, next),
  // Gathered into one batch, with a cut in it.
  (life, next) => {
    life.persist(id(3, 1), 1, 1, ignore);
    life.persist(id(4, 1), 1, 2, ignore);
    life.elect(2, ignore);
    life.persist(id(3, 1), 2, 3, next);
  },
  (life, next) => life.settle(next),
  // Over several segments, then back over them.
  (life, next) => life.persist(id(6, 2), 2, 14, next),
  (life, next) => {
    life.elect(3, ignore);
    life.persist(id(9, 2), 3, 9, next);
  },
  (life, next) => life.takeSnapshot(id(8, 2), next),
  (life, next) => {
    life.compact(id(8, 2), 0, ignore);
    life.persist(id(18, 3), 3, 4, next);
  },
  (life, next) => life.takeSnapshot(id(17, 3), next),
  (life, next) => life.compact(id(17, 3), 150, next),
  (life, next) => life.elect(4, next),
  (life, next) => life.takeSnapshot(id(100, 4), next),
  (life, next) => {
    life.persist(id(22, 3), 4, 2, ignore);
    life.install(id(100, 4), false, ignore);
    life.persist(id(100, 4), 4, 9, next);
  },
  (life, next) => life.takeSnapshot(id(107, 4), next),
  (life, next) => life.install(id(107, 4), true, next),
  (life, next) => life.persist(id(109, 4), 4, 1, next),
  (life, next) => life.close(next),
];
