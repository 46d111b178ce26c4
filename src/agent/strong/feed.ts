/**
 * Feeds this node's server as its primary: snapshot first if it must be, then committed bytes of
 * the log, verbatim (`facts/engine.md` §6.2).
 *
 * Invariants: no byte beyond the committed offset is written (design §3.3). One id is announced for
 * the whole history, never a promoted server's. `+CONTINUE` is given only
 *   - for the feed's own id, at or below commit, to a server that was synced in this life; or
 *   - for the id of a past reign, at exactly that reign's last committed offset, once an entry of
 *     a later term is committed (`facts/holes.md` H1).
 * Anything else that was synced before is a diverged server: it is killed and starts empty. A life
 * of the server gets at most one full sync.
 */
import { assert } from '../../assert.ts';
import type { LogIndex, ReplOffset } from '../../core/scalars.ts';
import { logIndex, replOffset } from '../../core/scalars.ts';
import { decodeEntry } from './entry.ts';
import type { FeedWire, LogReader, SnapshotBody, SnapshotUnreadable } from './ports.ts';
import type { StreamIndex } from './stream-index.ts';

/** One read of the log or snapshot: large enough to fill a pipe, small enough to stay fair. */
const READ_BYTES_MAX = 1024 * 1024;

export interface FeedPorts {
  readonly log: LogReader;
  /** The newest local snapshot, null when the log begins at offset 0 and there is none. */
  openSnapshot(done: (found: SnapshotBody | SnapshotUnreadable | null) => void): void;
  /** A valid RDB without keys, for offset 0. */
  readonly emptyRdb: Buffer;
  /** The server cannot go on from where it is. It is to be killed; its next life starts empty. */
  diverged(why: string): void;
}

type State =
  | { readonly kind: 'idle' }
  /** Asked from a past reign's end, and no later term has committed yet. */
  | { readonly kind: 'undecided'; readonly replid: string; readonly offset: ReplOffset }
  | { readonly kind: 'loading' }
  | { readonly kind: 'streaming' };

export class Feed {
  readonly #replid: string;
  readonly #index: StreamIndex;
  readonly #ports: FeedPorts;
  #wire: FeedWire | null = null;
  #state: State = { kind: 'idle' };
  /** Whether the server's present life was given a full sync, or was promoted from one. */
  #isSynced = false;
  #committed: LogIndex;
  #sent: ReplOffset = replOffset(0);
  #acked: ReplOffset = replOffset(0);
  #snapshot: SnapshotBody | null = null;
  /** The rest of the snapshot waits for the wire. */
  #resumeSnapshot: (() => void) | null = null;
  #isReading = false;
  #isFull = false;
  /** Counts connections: what an earlier one asked for is late. */
  #session = 0;
  #rdbSent = 0;
  #heard = 0;
  /** The present life of the server has acknowledged stream bytes once. */
  #hasLoaded = false;

  constructor(replid: string, index: StreamIndex, ports: FeedPorts) {
    this.#replid = replid;
    this.#index = index;
    this.#ports = ports;
    this.#committed = index.baseIndex;
  }

  /** All that was written to the server, in a stream. */
  get sent(): ReplOffset {
    return this.#sent;
  }

  get acked(): ReplOffset {
    return this.#acked;
  }

  /** Changes while anything moves between the server and us. */
  get progress(): number {
    return this.#sent + this.#acked + this.#rdbSent + this.#heard;
  }

  /** Like `progress`, but once it has loaded a server that only talks gets nowhere. */
  get approach(): number {
    const moved = this.#sent + this.#acked + this.#rdbSent;
    return this.#hasLoaded ? moved : moved + this.#heard;
  }

  /** The server said something, be it a newline while it loads: it lives. */
  heard(): void {
    this.#heard += 1;
  }

  get isStreaming(): boolean {
    return this.#state.kind === 'streaming';
  }

  /** True when the server has acknowledged all but `slackBytes` of what is committed. */
  isLevel(slackBytes: number): boolean {
    if (this.#state.kind !== 'streaming') return false;
    return this.#index.endAt(this.#committed) - this.#acked <= slackBytes;
  }

  /** A fresh, empty server was started. */
  newLife(): void {
    this.disconnected();
    this.#isSynced = false;
    this.#acked = replOffset(0);
    this.#rdbSent = 0;
    this.#hasLoaded = false;
  }

  /** The server connected and asks for the stream from byte `offset + 1`. */
  wanted(wire: FeedWire, replid: string, offset: ReplOffset): void {
    this.disconnected();
    this.#wire = wire;
    if (replid === this.#replid && this.#isSynced) this.#continueOwn(offset);
    else if (!this.#isSynced) this.#loadSnapshot();
    else this.#decide(replid, offset);
  }

  disconnected(): void {
    this.#session += 1;
    this.#wire = null;
    this.#state = { kind: 'idle' };
    this.#isReading = false;
    this.#isFull = false;
    this.#resumeSnapshot = null;
    this.#snapshot?.close();
    this.#snapshot = null;
  }

  acknowledged(offset: ReplOffset): void {
    if (this.#state.kind !== 'streaming' || offset > this.#sent) return;
    this.#acked = offset;
    this.#hasLoaded = true;
  }

  drained(): void {
    this.#isFull = false;
    this.#pump();
  }

  committed(upTo: LogIndex): void {
    this.#committed = upTo;
    if (this.#state.kind === 'undecided') this.#decide(this.#state.replid, this.#state.offset);
    this.#pump();
  }

  /** The log begins anew after a snapshot from the leader: what the server has may be no prefix. */
  logReplaced(): void {
    this.#committed = this.#index.baseIndex;
    if (this.#wire !== null || this.#isSynced) this.#ports.diverged('the log was replaced');
  }

  #continueOwn(offset: ReplOffset): void {
    if (offset > this.#index.endAt(this.#committed))
      this.#ports.diverged(`it stands at ${offset}, beyond what is committed`);
    else if (offset < this.#index.baseOffset)
      this.#ports.diverged(`it stands at ${offset}, before what the log still holds`);
    else this.#continueFrom(offset);
  }

  /** For a server that was primary in a past reign. */
  #decide(replid: string, offset: ReplOffset): void {
    const end = this.#endOfReign(replid);
    if (end === 'unknown') this.#ports.diverged('its replication id is of no reign in the log');
    else if (end === 'open') this.#state = { kind: 'undecided', replid, offset };
    else if (end !== offset)
      this.#ports.diverged(`it stands at ${offset}, and its reign was committed up to ${end}`);
    else if (offset < this.#index.baseOffset)
      this.#ports.diverged(`it stands at ${offset}, before what the log still holds`);
    else this.#continueFrom(offset);
  }

  /** The last committed offset of a reign; 'open' while no entry of a later term is committed. */
  #endOfReign(replid: string): ReplOffset | 'open' | 'unknown' {
    const { reigns } = this.#index;
    const at = reigns.findIndex((reign) => reign.replid === replid);
    const reign = reigns[at];
    if (reign === undefined || reign.index > this.#committed) return 'unknown';
    const next = reigns[at + 1];
    if (next !== undefined && next.index <= this.#committed) return next.start;
    // No later reign yet: its no-op ends where the deposed reign's committed bytes end.
    const from = Math.max(reign.index, this.#index.baseIndex);
    for (let i = from; i <= this.#committed; i++) {
      if (this.#index.idAt(logIndex(i)).term > reign.term) return this.#index.endAt(logIndex(i));
    }
    return 'open';
  }

  #continueFrom(offset: ReplOffset): void {
    this.#wire?.continue(this.#replid);
    this.#sent = offset;
    this.#acked = offset;
    this.#state = { kind: 'streaming' };
    this.#pump();
  }

  #loadSnapshot(): void {
    this.#state = { kind: 'loading' };
    this.#isSynced = true;
    const session = this.#session;
    this.#ports.openSnapshot((body) => {
      if (body?.kind === 'unreadable') {
        // Fed all the same it would leave a server that is empty and shows this id (H3).
        if (session === this.#session) this.#ports.diverged(body.why);
        return;
      }
      if (session !== this.#session) {
        body?.close();
        return;
      }
      if (body === null) {
        this.#wire?.full(this.#replid, replOffset(0), this.#ports.emptyRdb.length);
        this.#wire?.write(this.#ports.emptyRdb);
        this.#startStream(replOffset(0));
        return;
      }
      this.#snapshot = body;
      this.#wire?.full(this.#replid, body.offset, body.bytes);
      this.#sendSnapshot(body, 0);
    });
  }

  #sendSnapshot(body: SnapshotBody, position: number): void {
    this.#rdbSent = position;
    if (position === body.bytes) {
      this.#snapshot = null;
      body.close();
      this.#startStream(body.offset);
      return;
    }
    const session = this.#session;
    const want = Math.min(READ_BYTES_MAX, body.bytes - position);
    body.read(position, want, (bytes) => {
      if (session !== this.#session) return;
      if (bytes === null) {
        this.#ports.diverged('the snapshot could not be read to its end');
        return;
      }
      this.#resumeSnapshot = () => this.#sendSnapshot(body, position + bytes.length);
      if (this.#wire?.write(bytes) === true) this.#pump();
      else this.#isFull = true;
    });
  }

  #startStream(offset: ReplOffset): void {
    if (offset < this.#index.baseOffset) {
      this.#ports.diverged('the snapshot is older than what the log still holds');
      return;
    }
    this.#sent = offset;
    this.#state = { kind: 'streaming' };
    this.#pump();
  }

  #pump(): void {
    if (this.#isFull || this.#isReading) return;
    if (this.#state.kind === 'loading') {
      const resume = this.#resumeSnapshot;
      this.#resumeSnapshot = null;
      resume?.();
    } else if (this.#state.kind === 'streaming') this.#pumpStream();
  }

  #pumpStream(): void {
    if (this.#sent >= this.#index.endAt(this.#committed)) return;
    const after = this.#index.lastEndingBy(this.#sent, this.#committed);
    if (after === null) {
      this.#ports.diverged('the log no longer holds what it needs next');
      return;
    }
    this.#isReading = true;
    const session = this.#session;
    const last = this.#index.idAt(this.#committed);
    this.#ports.log.read(after, last, READ_BYTES_MAX, (entries) => {
      if (session !== this.#session) return;
      this.#isReading = false;
      if (entries === null) {
        // Compacted or replaced meanwhile: look again, the index knows.
        if (this.#index.holds(after.index)) this.#ports.diverged('the log could not be read');
        else this.#pump();
        return;
      }
      for (const { payload } of entries) this.#writeEntry(payload);
      this.#pump();
    });
  }

  #writeEntry(payload: Uint8Array): void {
    const entry = decodeEntry(payload);
    if (entry === null || entry.kind !== 'data') return;
    const skip = this.#sent - entry.start;
    assert(skip >= 0, 'the feed leaves nothing out');
    if (skip >= entry.bytes.length) return;
    const bytes = skip === 0 ? entry.bytes : entry.bytes.subarray(skip);
    this.#sent = replOffset(this.#sent + bytes.length);
    if (this.#wire?.write(bytes) === false) this.#isFull = true;
  }
}
