/**
 * One client connection, raw or of a client library that people use.
 *
 * Nothing is ever sent twice: what a session cannot tell is `silence`, after which it is over.
 */
import type { Socket } from 'node:net';
import { Redis, type RedisOptions } from 'ioredis';
import { Failure, type Value, Wire } from '../test/system/wire.ts';
import type { Said } from './outcomes.ts';
import type { Words } from './requests.ts';

export interface Session {
  readonly isOver: boolean;
  one(words: Words): Promise<Said>;
  /** The value is EXEC's: an array, or null when a watched key had changed. */
  transaction(commands: readonly Words[]): Promise<Said>;
  close(): void;
}

/** How a raw client sends a transaction: all at once, or each word after the last one's reply. */
export type Pace = 'at once' | 'step by step';

export class RawSession implements Session {
  readonly #wire: Wire;
  readonly #patienceMs: number;
  readonly #pace: Pace;

  constructor(socket: Socket, patienceMs: number, pace: Pace) {
    this.#wire = new Wire(socket);
    this.#patienceMs = patienceMs;
    this.#pace = pace;
  }

  get isOver(): boolean {
    return this.#wire.isClosed;
  }

  async one(words: Words): Promise<Said> {
    if (this.isOver) return { is: 'silence', why: 'closed before', sent: false };
    this.#wire.command(...words);
    return this.#hear();
  }

  async transaction(commands: readonly Words[]): Promise<Said> {
    if (this.isOver) return { is: 'silence', why: 'closed before', sent: false };
    const all: readonly Words[] = [['MULTI'], ...commands];
    if (this.#pace === 'at once')
      for (const words of [...all, ['EXEC']]) this.#wire.command(...words);
    for (const words of all) {
      const said = this.#pace === 'at once' ? await this.#hear() : await this.one(words);
      // Nothing runs before EXEC: without it, or with what was refused before it, nothing does.
      if (said.is === 'value') continue;
      this.close();
      return said.is === 'silence' && this.#pace !== 'at once' ? { ...said, sent: false } : said;
    }
    return this.#pace === 'at once' ? this.#hear() : this.one(['EXEC']);
  }

  close(): void {
    this.#wire.close();
  }

  async #hear(): Promise<Said> {
    try {
      const value = await this.#wire.reply(this.#patienceMs);
      return value instanceof Failure ? { is: 'error', text: value.text } : { is: 'value', value };
    } catch (error) {
      this.close();
      return { is: 'silence', why: whyOf(error as Error), sent: true };
    }
  }
}

export class LibrarySession implements Session {
  readonly #redis: Redis;

  constructor(socket: Socket, patienceMs: number) {
    this.#redis = new Redis({
      Connector: connectorOf(socket),
      protocol: 2,
      commandTimeout: patienceMs,
      disableClientInfo: true,
      // It must not send anything again, nor later than it was told to.
      retryStrategy: () => null,
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: true,
      enableReadyCheck: false,
      maxRetriesPerRequest: 0,
    });
    this.#redis.on('error', () => undefined);
  }

  get isOver(): boolean {
    return this.#redis.status === 'end' || this.#redis.status === 'close';
  }

  async one(words: Words): Promise<Said> {
    if (this.isOver) return { is: 'silence', why: 'closed before', sent: false };
    const [name = '', ...rest] = words;
    try {
      return { is: 'value', value: (await this.#redis.call(name, ...rest)) as Value };
    } catch (error) {
      return this.#afterError(error as Error);
    }
  }

  async transaction(commands: readonly Words[]): Promise<Said> {
    if (this.isOver) return { is: 'silence', why: 'closed before', sent: false };
    try {
      const lines = commands.map(([name = '', ...rest]) => [name.toLowerCase(), ...rest]);
      const results = await this.#redis.multi(lines).exec();
      const value =
        results?.map(
          ([error, each]): Value => (error ? new Failure(error.message) : (each as Value)),
        ) ?? null;
      return { is: 'value', value };
    } catch (error) {
      return this.#afterError(error as Error);
    }
  }

  close(): void {
    this.#redis.disconnect();
  }

  #afterError(error: Error): Said {
    if (error.name === 'ReplyError') return { is: 'error', text: error.message };
    if (error instanceof TypeError) throw error;
    this.close();
    return { is: 'silence', why: whyOf(error), sent: true };
  }
}

function whyOf(error: Error): string {
  return /did not come|timed out/i.test(error.message) ? 'timeout' : 'closed';
}

type ConnectorClass = NonNullable<RedisOptions['Connector']>;

/** For a connection that is already there; only one is ever made. */
function connectorOf(socket: Socket): ConnectorClass {
  const Connector = class {
    check(): boolean {
      return true;
    }

    connect(): Promise<Socket> {
      return Promise.resolve(socket);
    }

    disconnect(): void {
      socket.destroy();
    }
  };
  // The library's own class has private parts that it uses nowhere else.
  return Connector as unknown as ConnectorClass;
}
