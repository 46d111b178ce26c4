/**
 * Plays the committed entries of the control group's log on the state, in order, each once.
 *
 * Entries are read from the log as they are committed. A snapshot that was fetched takes the place
 * of the state as a whole; what was being read meanwhile is dropped. An entry that this version
 * does not know ends the node: without it its state would be another than everybody's.
 */
import { assert } from '../../assert.ts';
import type { Answer } from '../../core/control/applied.ts';
import { apply } from '../../core/control/apply.ts';
import { decodeCommand } from '../../core/control/command.ts';
import type { ControlState } from '../../core/control/state.ts';
import { isConfigurationPayload } from '../../core/raft/configuration.ts';
import type { LogStore } from '../../core/raft/ports.ts';
import type { Entry, EntryId } from '../../core/raft/protocol.ts';
import type { Stand } from './open-control.ts';

/** Read at once; commands are small. */
const READ_BYTES_MAX = 1024 * 1024;

export interface ApplierOptions {
  readonly stand: Stand;
  readonly log: Pick<LogStore, 'read'>;
  readonly readStand: (done: (error: Error | null, stand: Stand) => void) => void;
  /** After each entry: `answer` is null for what was no command. */
  readonly applied: (entry: Entry, answer: Answer | null) => void;
  /** All of that is done for now, or a snapshot has replaced the state. */
  readonly caughtUp: () => void;
  readonly fatal: (error: Error) => void;
}

export class Applier {
  readonly #o: ApplierOptions;
  #stand: Stand;
  #committed: EntryId;
  /** What is under way: at most one of the two. */
  #busy: 'reading' | 'loading' | null = null;
  /** A read that began before a snapshot was installed means nothing. */
  #generation = 0;

  constructor(options: ApplierOptions) {
    this.#o = options;
    this.#stand = options.stand;
    this.#committed = options.stand.applied;
  }

  get state(): ControlState {
    return this.#stand.state;
  }

  /** The last entry that the state knows of. */
  get applied(): EntryId {
    return this.#stand.applied;
  }

  /** Of payloads since the last snapshot, as far as this life knows. */
  bytesSinceSnapshot = 0;

  committed(upTo: EntryId): void {
    if (upTo.index > this.#committed.index) this.#committed = upTo;
    this.#pump();
  }

  /** The newest snapshot on disk is what the log begins with now. */
  installed(): void {
    this.#generation += 1;
    this.#busy = 'loading';
    const generation = this.#generation;
    this.#o.readStand((error, stand) => {
      if (generation !== this.#generation) return;
      if (error !== null) return this.#o.fatal(error);
      this.#busy = null;
      if (stand.applied.index > this.applied.index) this.#stand = stand;
      this.bytesSinceSnapshot = 0;
      this.#o.caughtUp();
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#busy !== null || this.applied.index >= this.#committed.index) return;
    this.#busy = 'reading';
    const generation = this.#generation;
    const { log, caughtUp } = this.#o;
    log.read(this.applied, this.#committed, READ_BYTES_MAX, (entries) => {
      if (generation !== this.#generation) return;
      this.#busy = null;
      // The log was replaced by a snapshot, which is about to be loaded.
      if (entries === null) return;
      for (const entry of entries) if (!this.#apply(entry)) return;
      if (this.applied.index >= this.#committed.index) caughtUp();
      this.#pump();
    });
  }

  #apply(entry: Entry): boolean {
    const { index, term, payload } = entry;
    assert(index === this.applied.index + 1, 'entries are applied in order, each once');
    const applied = { index, term };
    this.bytesSinceSnapshot += payload.length;
    if (payload.length === 0 || isConfigurationPayload(payload)) {
      this.#stand = { ...this.#stand, applied };
      this.#o.applied(entry, null);
      return true;
    }
    const command = decodeCommand(payload);
    if (command === null) {
      const what = `entry ${index} of the control group was written by another version of althing`;
      this.#o.fatal(new Error(`COMMAND_UNKNOWN: ${what}: run that version, or a later one`));
      return false;
    }
    const { state, answer } = apply(this.state, index, command);
    this.#stand = { state, applied };
    this.#o.applied(entry, answer);
    return true;
  }
}
