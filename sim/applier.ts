/**
 * Feeds the toy application from the log, restores it from snapshots and takes snapshots of it,
 * all through the production storage.
 */
import type { LogStore } from '../src/core/raft/ports.ts';
import type { Configuration, EntryId, SnapshotMeta } from '../src/core/raft/protocol.ts';
import { logIndex, type NodeId, term } from '../src/core/scalars.ts';
import type { StorageError } from '../src/io/storage/errors.ts';
import type { OpenedGroup } from '../src/io/storage/recovery.ts';
import type { SnapshotWriter } from '../src/io/storage/snapshot-writer.ts';
import { Application } from './application.ts';
import { type Invariants, must } from './invariants.ts';

/** Small, so that a crash can come between two reads of one catch-up. */
const APPLY_BYTES = 2_000;
const PIECE_BYTES = 1_000;

export interface ApplierOptions {
  readonly id: NodeId;
  readonly configuration: Configuration;
  readonly group: OpenedGroup;
  /** The group's store, tapped: reads are effects too. */
  readonly log: LogStore;
  readonly invariants: Invariants;
  readonly logLimitBytes: number;
  /** Payload bytes before a snapshot that stay in the log for slow peers. */
  readonly keepBytes: number;
  readonly onCompacted: (snapshot: SnapshotMeta, base: EntryId) => void;
  readonly note: ((what: string) => void) | null;
}

export class Applier {
  readonly #o: ApplierOptions;
  readonly application = new Application();
  #last: EntryId = { index: logIndex(0), term: term(0) };
  #committed: EntryId = this.#last;
  #isReading = false;
  #isRestoring = false;
  #isWriting = false;
  #taken = 0;
  compactions = 0;

  constructor(options: ApplierOptions) {
    this.#o = options;
    if (options.group.snapshot !== null) this.#restore();
  }

  committed(upTo: EntryId): void {
    if (upTo.index > this.#committed.index) this.#committed = upTo;
    this.#advance();
  }

  installed(last: EntryId): void {
    if (last.index > this.#committed.index) this.#committed = last;
    if (last.index > this.#last.index) this.#restore();
  }

  #advance(): void {
    if (this.#isReading || this.#isRestoring) return;
    if (this.#last.index >= this.#committed.index) return;
    this.#isReading = true;
    this.#o.log.read(this.#last, this.#committed, APPLY_BYTES, (entries) => {
      this.#isReading = false;
      // A restore that began meanwhile will go on from further ahead; a failed store ends the node.
      if (this.#isRestoring || this.#o.group.store.failure !== null) return;
      if (entries === null) return this.#restoreMissing();
      must(entries.length > 0, 'a read yields at least one entry', () => this.#o.id);
      for (const entry of entries) {
        const value = this.application.apply(entry);
        this.#o.invariants.applied(this.#o.id, entry.index, value);
        this.#last = { index: entry.index, term: entry.term };
      }
      this.#compactIfLong();
      this.#advance();
    });
  }

  /** The log has gone on to a snapshot while this application still needed the entries. */
  #restoreMissing(): void {
    const base = this.#o.group.store.base;
    must(base.index > this.#last.index, 'what is committed can be read', () => {
      return `${this.#o.id} after ${this.#last.index}, base ${base.index}`;
    });
    this.#restore();
  }

  #restore(): void {
    if (this.#isRestoring) return;
    this.#isRestoring = true;
    this.#o.group.snapshots.openLatest((error, reader) => {
      if (error !== null) return this.#mustHaveEnded(error);
      must(reader !== null, 'the newest snapshot opens', () => this.#o.id);
      const { last } = reader.meta;
      const parts: Uint8Array[] = [];
      const step = (position: number): void => {
        reader.read(position, PIECE_BYTES, (readError, bytes) => {
          if (readError !== null) return this.#mustHaveEnded(readError);
          parts.push(bytes);
          if (position + bytes.length < reader.bodyBytes) return step(position + bytes.length);
          reader.close();
          this.#restored(Buffer.concat(parts), last);
        });
      };
      step(0);
    });
  }

  #mustHaveEnded(error: StorageError): void {
    const { failure } = this.#o.group.store;
    must(failure !== null, 'a snapshot that cannot be read ends the node', () => `${error}`);
  }

  #restored(body: Uint8Array, last: EntryId): void {
    this.#isRestoring = false;
    if (last.index > this.#last.index) {
      this.#o.note?.(`restored ${last.index}/${last.term}`);
      this.application.restore(body, last.index);
      this.#o.invariants.restored(this.#o.id, last, this.application.rows);
      this.#last = last;
    }
    if (last.index > this.#committed.index) this.#committed = last;
    this.#advance();
  }

  #compactIfLong(): void {
    const { store, snapshots } = this.#o.group;
    if (this.#isWriting || store.bytes <= this.#o.logLimitBytes) return;
    if (this.#last.index <= (snapshots.latest?.meta.last.index ?? 0)) return;
    this.#isWriting = true;
    this.#taken += 1;
    const last = this.#last;
    const id = `${this.#o.id}-${last.index}-${this.#taken}`;
    const body = this.application.serialise();
    const start = { id, last, configuration: this.#o.configuration };
    snapshots.begin(start, {}, (error, writer) => {
      if (error !== null || writer === null) return this.#stopWriting(error);
      this.#write(writer, body, 0);
    });
  }

  #write(writer: SnapshotWriter, body: Uint8Array, position: number): void {
    if (position >= body.length) {
      writer.finish((error, meta) => {
        this.#isWriting = false;
        if (error !== null || meta === null) this.#stopWriting(error);
        else this.#compact(meta);
      });
      return;
    }
    const end = Math.min(body.length, position + PIECE_BYTES);
    writer.append(body.subarray(position, end), (error) => {
      if (error === null) this.#write(writer, body, end);
      else writer.abort(() => this.#stopWriting(error));
    });
  }

  #compact(meta: SnapshotMeta): void {
    const { store } = this.#o.group;
    // A snapshot that was installed meanwhile reaches further.
    if (store.termAt(meta.last.index) !== meta.last.term) return;
    this.#o.note?.(`compact to ${meta.last.index}/${meta.last.term}`);
    this.compactions += 1;
    store.compactTo(meta, this.#o.keepBytes, () => undefined);
    this.#o.onCompacted(meta, store.base);
  }

  #stopWriting(error: StorageError | null): void {
    this.#isWriting = false;
    this.#o.note?.(`no snapshot: ${error?.code}`);
  }
}
