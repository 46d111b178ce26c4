/** SET and GET over RESP2 on a raw socket. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { ReplyCounter } from './reply-counter.ts';
import { type Batch, keyOf, patchDigits, type Wire, type WireEvents } from './wire.ts';

interface Template {
  readonly bytes: Buffer;
  /** Where the key's digits end. */
  readonly keyEnd: number;
}

/** Of a command with the key as its first argument. */
export function templateOf(command: string, rest: readonly Buffer[]): Template {
  const word = (bytes: Buffer): Buffer =>
    Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
  const head = Buffer.concat([
    Buffer.from(`*${2 + rest.length}\r\n`),
    word(Buffer.from(command)),
    word(keyOf(0)),
  ]);
  return { bytes: Buffer.concat([head, ...rest.map(word)]), keyEnd: head.length - 2 };
}

export class RespWire implements Wire {
  readonly #port: number;
  readonly #events: WireEvents;
  readonly #set: Template;
  readonly #get: Template;
  /** A batch is composed here; it has left when its answers are in, so it can be used again. */
  readonly #out: Buffer;
  readonly #counter: ReplyCounter;
  #socket: Socket | null = null;
  #place = 0;

  constructor(options: { port: number; pipeline: number; valueBytes: number }, events: WireEvents) {
    this.#port = options.port;
    this.#events = events;
    this.#set = templateOf('SET', [Buffer.alloc(options.valueBytes, 'x')]);
    this.#get = templateOf('GET', []);
    const longest = Math.max(this.#set.bytes.length, this.#get.bytes.length);
    this.#out = Buffer.alloc(options.pipeline * longest);
    this.#counter = new ReplyCounter((kind) => events.answered(this.#place++, kind));
  }

  get firstRefusal(): string {
    return this.#counter.firstRefusal;
  }

  async open(): Promise<void> {
    const socket = createConnection({ host: '127.0.0.1', port: this.#port, noDelay: true });
    this.#socket = socket;
    await once(socket, 'connect');
    socket.on('data', (bytes) => this.#counter.take(bytes));
    socket.on('error', (error) => this.#events.failed(error));
    socket.on('close', () => this.#events.failed(new Error('the connection was closed')));
  }

  send({ keys, isRead, count }: Batch): void {
    let at = 0;
    for (let i = 0; i < count; i++) {
      const template = isRead[i] === 1 ? this.#get : this.#set;
      template.bytes.copy(this.#out, at);
      patchDigits(this.#out, at + template.keyEnd, keys[i] ?? 0);
      at += template.bytes.length;
    }
    this.#place = 0;
    this.#socket?.write(this.#out.subarray(0, at));
  }

  close(): void {
    this.#socket?.removeAllListeners().on('error', () => {});
    this.#socket?.destroy();
  }
}
