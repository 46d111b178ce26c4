/**
 * What this node's data are: of which agreed history, and how far, through the lives of its server.
 *
 * A server that lives counts it, once a completed sync or its own opening has tied its replication
 * id to the agreed one. After a restart from its append-only file it knows neither id nor offset:
 * then the last record on disk is a lower bound, or says that nothing is known.
 *
 * A history that begins here is recorded before it can be agreed on, beside the one that it leaves:
 * whichever it comes to be, these data are known to be of it.
 */
import type { HistoryPoint, Primary, ShardLead } from '../../core/control/state.ts';
import {
  type Begun,
  type DataRecord,
  type KeptRecord,
  NO_HISTORY,
  NO_RECORD,
  type ServerSeen,
} from './ports.ts';

/** Between two records of an offset that grows. */
const RECORD_EVERY_MS = 1_000;

export interface Told {
  readonly history: string | null;
  readonly offset: number;
  readonly isExact: boolean;
}

export class Held {
  readonly #kept: KeptRecord;
  readonly #nowMs: () => number;
  #point: HistoryPoint | null;
  #begun: Begun | null;
  #isExact = false;
  /** The server that lives has been seen with the data of its file. */
  #hasLoaded = false;
  #recorded: DataRecord;
  #recordedMs = Number.NEGATIVE_INFINITY;
  /** What is recorded, or is about to be, and who waits for that. */
  #wanted: DataRecord;
  #waiting: (() => void)[] = [];
  #isSaving = false;

  constructor(kept: KeptRecord, nowMs: () => number) {
    this.#kept = kept;
    this.#nowMs = nowMs;
    this.#recorded = kept.record;
    this.#wanted = kept.record;
    this.#point = kept.record.point;
    this.#begun = kept.record.begun;
  }

  get told(): Told {
    const { history = null, offset = 0 } = this.#point ?? {};
    // Whoever holds nothing knows that exactly.
    return { history, offset, isExact: this.#isExact || history === null };
  }

  /** A start of this history is on disk. */
  hasBegun(history: string): boolean {
    return this.#recorded.begun?.history === history;
  }

  /** What is agreed on is another: a history that was begun here may be it. */
  agreed(primary: Primary | ShardLead | null): void {
    if (this.#begun === null || primary === null) return;
    const { history, offset, isOnDisk } = this.#begun;
    if (history !== primary.history && history !== primary.base) return;
    // Else only the server that began it has its data, and counts them itself.
    if (isOnDisk) this.#point = { history, offset };
    this.#begun = null;
  }

  seen(seen: ServerSeen, primary: Primary | ShardLead | null): void {
    if (seen.isLoading || seen.history === NO_HISTORY) {
      // A load at its start is of what was recorded; a later one replaces what is held.
      if (this.#hasLoaded || !seen.isLoading) this.#dropped();
      return;
    }
    this.#hasLoaded = true;
    const { history, offset } = seen;
    const isOfAgreed = history === primary?.history && (seen.role === 'primary' || seen.isLinkUp);
    const isSame = this.#isExact && history === this.#point?.history;
    // What a promoted server does before it has opened is nobody's: that history is another.
    if (!isOfAgreed && !isSame) return;
    this.#point = { history, offset };
    this.#isExact = true;
    const isNew = history !== this.#wanted.point?.history;
    const isDue = isNew || this.#nowMs() >= this.#recordedMs + RECORD_EVERY_MS;
    if (isDue && seen.isOnDisk) this.#record(true);
  }

  /** Whether a history begun by an earlier server may still be agreed on. */
  isOpenWhether(decision: number): boolean {
    return this.#begun !== null && this.#begun.decision >= decision;
  }

  /** Its server was promoted, and has this history now, which nobody has agreed on yet. */
  begins(begun: Begun): void {
    const isSame = this.#begun?.history === begun.history;
    if (isSame && (this.#begun?.isOnDisk === true || !begun.isOnDisk)) return;
    this.#begun = begun;
    this.#record(begun.isOnDisk);
  }

  serverGone(): void {
    this.#point = this.#wanted.point;
    this.#begun = this.#wanted.begun;
    this.#isExact = false;
    this.#hasLoaded = false;
  }

  /** The next server finds no data. `done`: it may make its own. */
  empty(done: () => void): void {
    this.#dropped();
    if (this.#wanted === NO_RECORD && !this.#isSaving) done();
    else this.#save(NO_RECORD, done);
  }

  /** The server is about to take the data of whoever has this history. `done`: it may. */
  leaving(history: string, done: () => void): void {
    // Until it has taken all, what is on disk stays what it was.
    if (this.#point === null ? this.#wanted === NO_RECORD : this.#point.history === history) {
      done();
      return;
    }
    if (!this.#isExact) this.#point = null;
    this.#begun = null;
    this.#save(NO_RECORD, done);
  }

  /** By the server that lives; its file, and so the record, stays until others have come. */
  #dropped(): void {
    this.#point = null;
    this.#begun = null;
    this.#isExact = false;
  }

  /** Until the disk has what is held now, what is on it is what was recorded. */
  #record(isOnDisk: boolean): void {
    this.#recordedMs = this.#nowMs();
    const point = isOnDisk ? this.#point : this.#wanted.point;
    this.#save({ point, begun: this.#begun }, () => undefined);
  }

  /** One at a time, and the newest next. */
  #save(record: DataRecord, done: () => void): void {
    this.#wanted = record;
    this.#waiting.push(done);
    if (!this.#isSaving) this.#saveNow();
  }

  #saveNow(): void {
    const record = this.#wanted;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#isSaving = true;
    this.#kept.save(record, () => {
      this.#isSaving = false;
      this.#recorded = record;
      if (this.#waiting.length > 0) this.#saveNow();
      for (const done of waiting) done();
    });
  }
}
