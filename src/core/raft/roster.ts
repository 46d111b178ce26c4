/**
 * Which configuration holds from which index on (thesis §4.1).
 *
 * Beside the trail: the core keeps no payloads, but it keeps these. What is in force is the newest
 * one in the log, committed or not; a truncation brings the one before it back; a compaction keeps
 * the one that holds at the new base.
 *
 * Invariants: indexes grow, decisions never fall, and there is always one.
 */
import { assert } from '../../assert.ts';
import type { LogIndex } from '../scalars.ts';
import { isSameConfiguration } from './configuration.ts';
import type { Configuration, ConfigurationAt, SnapshotMeta } from './protocol.ts';

export class Roster {
  #steps: ConfigurationAt[];

  /**
   * `founding` holds before the first entry; `held` are those that the log holds after `base`. When
   * some of them lie before the end of the snapshot, what held at the base itself is not known.
   */
  constructor(
    founding: Configuration,
    base: LogIndex,
    snapshot: SnapshotMeta | null,
    held: readonly ConfigurationAt[],
  ) {
    const first = held[0]?.index;
    const isBaseKnown = snapshot === null || first === undefined || first > snapshot.last.index;
    const floor = { index: base, configuration: snapshot?.configuration ?? founding };
    this.#steps = isBaseKnown ? [floor] : [];
    for (const { index, configuration } of held) this.append(index, configuration);
    if (snapshot !== null) this.checkSnapshot(snapshot);
  }

  get #newest(): ConfigurationAt {
    const newest = this.#steps.at(-1);
    assert(newest !== undefined, 'there is always a configuration');
    return newest;
  }

  /** What is in force. */
  get current(): Configuration {
    return this.#newest.configuration;
  }

  /** The entry of the one in force; where the log begins when that entry is not held any more. */
  get index(): LogIndex {
    return this.#newest.index;
  }

  /** What held at `index`, and since where as far as the log goes; null when that is not known. */
  at(index: LogIndex): ConfigurationAt | null {
    return this.#steps.findLast((step) => step.index <= index) ?? null;
  }

  between(after: LogIndex, upTo: LogIndex): readonly ConfigurationAt[] {
    if (this.index <= after) return [];
    return this.#steps.filter(({ index }) => index > after && index <= upTo);
  }

  append(index: LogIndex, configuration: Configuration): void {
    const newest = this.#steps.at(-1);
    assert(newest === undefined || index > newest.index, 'configurations follow the log');
    const decision = newest?.configuration.decision ?? 0;
    assert(configuration.decision >= decision, 'decisions never fall along the log (H10)');
    this.#steps.push({ index, configuration });
  }

  /** The indexes that are gone, newest first. */
  truncateAfter(index: LogIndex): LogIndex[] {
    const gone: LogIndex[] = [];
    while (this.index > index) {
      gone.push(this.index);
      this.#steps.pop();
    }
    return gone;
  }

  compactTo(base: LogIndex): void {
    const at = this.#steps.findLastIndex((step) => step.index <= base);
    if (at > 0) this.#steps.splice(0, at);
  }

  reset(index: LogIndex, configuration: Configuration): void {
    this.#steps = [{ index, configuration }];
  }

  /** Of a snapshot whose last entry the log holds (holes H7: with that index's members). */
  checkSnapshot({ last, configuration }: SnapshotMeta): void {
    const step = this.at(last.index);
    if (step === null) return;
    const isSame = isSameConfiguration(step.configuration, configuration);
    assert(isSame, 'a snapshot carries the members of its last entry');
  }
}
