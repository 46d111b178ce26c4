/**
 * A connection for data: many commands in one write, their replies as bytes, in the order of the
 * commands. It is over at the first sign of trouble; whoever asked then asks again elsewhere.
 */
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { errorText, isError, RawReplies } from '../../core/dataset/raw-replies.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import { DatasetError, type DatasetErrorCode } from './errors.ts';

export interface Access {
  /** Empty for the default user. */
  readonly user: string;
  /** Empty for none. */
  readonly password: string;
  /** Null for a plain connection. */
  readonly tls: ConnectionOptions | null;
}

export type Place =
  | { readonly host: string; readonly port: number }
  /** A unix socket. */
  | { readonly path: string };

/** Of whatever is at the place that a pipe leads to. */
export interface PipeOptions {
  readonly place: Place;
  readonly access: Access;
  readonly database: number;
  /** When it hangs up, or cannot be reached. */
  readonly goneCode: DatasetErrorCode;
}

/** A server may take so long for what it was asked, or for the next part of a large answer. */
const SILENT_MS_MAX = 15_000;
const LOOK_MS = 1_000;

interface Exchange {
  readonly count: number;
  readonly replies: Buffer[];
  readonly resolve: (replies: Buffer[]) => void;
  readonly reject: (error: DatasetError) => void;
}

export class Pipe {
  readonly #socket: Socket;
  readonly #options: PipeOptions;
  readonly #replies = new RawReplies();
  /** As many as whoever uses it has under way. */
  readonly #waiting: Exchange[] = [];
  readonly #watch: NodeJS.Timeout;
  #heardMs = performance.now();
  #over: DatasetError | null = null;

  private constructor(options: PipeOptions) {
    this.#options = options;
    const { place, access } = options;
    this.#socket = access.tls === null ? connect(place) : connectTls({ ...access.tls, ...place });
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', (cause: NodeJS.ErrnoException) =>
      this.#end(cause.code ?? cause.message, cause),
    );
    this.#socket.on('close', () => this.#end('it closed the connection'));
    this.#watch = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Connects, authenticates and selects the database. Rejects with `DatasetError`. */
  static async open(options: PipeOptions): Promise<Pipe> {
    const pipe = new Pipe(options);
    const { user, password } = options.access;
    const words = [
      ...(password === '' ? [] : [['AUTH', ...(user === '' ? [] : [user]), password]]),
      ...(options.database === 0 ? [] : [['SELECT', String(options.database)]]),
    ];
    for (const [at, raw] of (await pipe.exchange(words.map(encodeCommand))).entries()) {
      // A server that loads takes names and passwords; what it says to others passes.
      if (!isError(raw) || /^(LOADING|MASTERDOWN|CLUSTERDOWN)/.test(errorText(raw))) continue;
      pipe.close();
      const text = `${pipe.where}: ${words[at]?.[0]}: ${errorText(raw)}`;
      throw new DatasetError('TARGET_REFUSED', text);
    }
    return pipe;
  }

  get isOver(): boolean {
    return this.#over !== null;
  }

  get where(): string {
    const { place } = this.#options;
    return 'path' in place ? place.path : `${place.host}:${place.port}`;
  }

  /** All commands at once, one reply for each. Rejects with `DatasetError`. */
  exchange(commands: readonly Uint8Array[]): Promise<Buffer[]> {
    if (this.#over !== null) return Promise.reject(this.#over);
    if (commands.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) this.#heardMs = performance.now();
      this.#waiting.push({ count: commands.length, replies: [], resolve, reject });
      this.#socket.write(Buffer.concat(commands));
    });
  }

  close(): void {
    this.#end('closed');
  }

  #receive(chunk: Buffer): void {
    this.#heardMs = performance.now();
    const isSound = this.#replies.push(chunk, (raw) => {
      const [first] = this.#waiting;
      if (first === undefined) return;
      first.replies.push(raw);
      if (first.replies.length < first.count) return;
      this.#waiting.shift();
      first.resolve(first.replies);
    });
    if (!isSound) this.#end('what it answers cannot be read');
  }

  #look(): void {
    // What is still on its way there is no silence of the other side.
    if (this.#waiting.length === 0 || this.#socket.writableNeedDrain) return;
    if (performance.now() - this.#heardMs > SILENT_MS_MAX)
      this.#end(`no answer in ${SILENT_MS_MAX} ms`);
  }

  #end(detail: string, cause?: unknown): void {
    if (this.#over !== null) return;
    const { goneCode } = this.#options;
    this.#over = new DatasetError(goneCode, `${this.where}: ${detail}`, { cause });
    clearInterval(this.#watch);
    this.#socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(this.#over);
  }
}
