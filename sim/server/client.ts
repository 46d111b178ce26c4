/** One connection to the server, and all that the server remembers of it. */
import { CommandReader } from './resp.ts';

export interface Transaction {
  readonly commands: (readonly string[])[];
  isBroken: boolean;
  hasWrites: boolean;
}

/** A pop that waits for a push. */
export interface Wait {
  readonly side: 'left' | 'right';
  readonly db: number;
  readonly keys: readonly string[];
  /** In ms of the wall clock; null: for ever. */
  readonly until: number | null;
}

/** What makes a connection a replica. */
export interface ReplicaState {
  port: number;
  knowsEof: boolean;
  knowsPsync2: boolean;
  isRdbOnly: boolean;
  /** `none`: it has not asked yet. `transfer`: the RDB is on its way. */
  phase: 'none' | 'transfer' | 'online';
  /** The RDB's bytes that were not sent yet. */
  rest: Buffer;
  /** The stream since the RDB, until it may be sent. */
  held: Buffer[];
  /** After an RDB without a length the stream waits for an ACK. */
  startsOnAck: boolean;
  acknowledged: number;
  acknowledgedAtMs: number;
}

export interface ClientEnds {
  readonly onBytes: (bytes: Buffer, marks: readonly Mark[]) => void;
  readonly onClosed: () => void;
}

/** How far the stream was when the server had carried out what it says up to here. */
export interface Mark {
  /** In the bytes that it comes with. */
  readonly end: number;
  readonly offset: number;
}

export class Client {
  readonly id: number;
  readonly ends: ClientEnds;
  readonly reader = new CommandReader();
  /** The stream of this server's own primary is executed as a client that is never answered. */
  readonly isPrimary: boolean;
  user: string;
  isAuthenticated: boolean;
  db = 0;
  transaction: Transaction | null = null;
  watched: string[] = [];
  isWatchBroken = false;
  wait: Wait | null = null;
  /** A command that waits for the end of a pause. */
  postponed: readonly string[] | null = null;
  replica: ReplicaState | null = null;
  isClosed = false;
  closesAfterReply = false;
  #text = '';
  #parts: Buffer[] = [];
  #length = 0;
  #marks: Mark[] = [];

  constructor(id: number, ends: ClientEnds, isPrimary: boolean, isAuthenticated: boolean) {
    this.id = id;
    this.ends = ends;
    this.isPrimary = isPrimary;
    this.isAuthenticated = isAuthenticated;
    this.user = 'default';
  }

  get isWaiting(): boolean {
    return this.wait !== null || this.postponed !== null;
  }

  get hasOutput(): boolean {
    return this.#text !== '' || this.#parts.length > 0;
  }

  reply(text: string): void {
    this.#text += text;
    this.#length += text.length;
  }

  send(bytes: Buffer): void {
    this.#settle();
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  /** What it was told last was made at `offset`; the later word counts. */
  mark(offset: number): void {
    if (this.#length === 0) return;
    if (this.#marks.at(-1)?.end === this.#length) this.#marks.pop();
    this.#marks.push({ end: this.#length, offset });
  }

  takeMarks(): readonly Mark[] {
    const marks = this.#marks;
    this.#marks = [];
    this.#length = 0;
    return marks;
  }

  takeOutput(): Buffer {
    this.#settle();
    const [only, ...others] = this.#parts;
    const bytes = only !== undefined && others.length === 0 ? only : Buffer.concat(this.#parts);
    this.#parts = [];
    return bytes;
  }

  #settle(): void {
    if (this.#text === '') return;
    this.#parts.push(Buffer.from(this.#text, 'latin1'));
    this.#text = '';
  }
}
