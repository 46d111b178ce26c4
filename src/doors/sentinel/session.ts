/**
 * One connection to the Sentinel door: its commands in order, its messages in between.
 *
 * Bounds: a command of REQUEST_BYTES_MAX; who does not read its replies is not read, and who does
 * not read its messages is cut off at OUTPUT_BYTES_MAX, since they cannot wait.
 */
import type { Socket } from 'node:net';
import type { CommandNames } from '../../core/resp/command-names.ts';
import { encodeReply, failure, type ReplyValue } from '../../core/resp/reply-value.ts';
import { RequestScanner } from '../../core/resp/request-scanner.ts';
import type { Announcement } from './announcements.ts';
import type { Caller } from './caller.ts';
import { type Answer, answer, type Desk } from './commands.ts';
import { isGlobMatch } from './glob.ts';

/** Names of masters, clients and channels: a Sentinel is asked in a few words. */
export const REQUEST_BYTES_MAX = 16 * 1024;
const WORDS_MAX = 1_024;
/** Replies on their way: at this, no more commands are read. */
const REPLIES_BYTES_MAX = 256 * 1024;
/** With messages: at this, the connection is cut, as servers do with slow subscribers. */
export const OUTPUT_BYTES_MAX = 1024 * 1024;
/** A page in a browser can make it send these to any port; what follows must not be obeyed. */
const HTTP_WORDS = ['POST', 'HOST:'];

const SCANNER_LIMITS = {
  bulkBytesMax: REQUEST_BYTES_MAX,
  wholeBytesMax: REQUEST_BYTES_MAX,
  gatherBytesMax: REQUEST_BYTES_MAX,
};

export interface SessionOptions {
  readonly socket: Socket;
  readonly caller: Caller;
  readonly desk: Desk;
  readonly names: CommandNames;
  /** A command was answered. */
  readonly answered: () => void;
  /** It did not read what it subscribed to. */
  readonly tooSlow: () => void;
}

export class Session {
  readonly #o: SessionOptions;
  readonly #scanner: RequestScanner;
  /** An order is under way: what comes behind it waits. */
  #isWaiting = false;
  #isOver = false;

  constructor(options: SessionOptions) {
    this.#o = options;
    this.#scanner = new RequestScanner(() => true, SCANNER_LIMITS, options.names);
    const { socket } = options;
    socket.on('data', (chunk: Buffer) => {
      this.#scanner.push(chunk);
      this.#work();
    });
    socket.on('drain', () => this.#work());
    socket.on('end', () => {
      if (!this.#isWaiting) this.close();
    });
    socket.on('error', () => this.close());
  }

  /** To whoever has subscribed to it. */
  announce({ channel, message }: Announcement): void {
    const { caller, socket } = this.#o;
    if (this.#isOver) return;
    if (caller.channels.has(channel)) this.#push(['message', channel, message]);
    for (const pattern of caller.patterns)
      if (isGlobMatch(pattern, channel)) this.#push(['pmessage', pattern, channel, message]);
    if (socket.writableLength <= OUTPUT_BYTES_MAX) return;
    this.#o.tooSlow();
    this.close();
  }

  #push(items: readonly string[]): void {
    this.#o.socket.write(encodeReply({ kind: 'push', items }, this.#o.caller.protocol));
  }

  #work(): void {
    const { socket } = this.#o;
    socket.cork();
    while (!this.#isWaiting && !this.#isOver) {
      if (socket.writableLength > REPLIES_BYTES_MAX) {
        // 'drain' continues.
        socket.pause();
        break;
      }
      const found = this.#scanner.next();
      if (found === 'starved') {
        socket.resume();
        break;
      }
      if (found === 'command') this.#run();
      else if (found === 'malformed') this.#end(`ERR ${this.#scanner.text}`);
    }
    socket.uncork();
  }

  #run(): void {
    const { caller, desk } = this.#o;
    const scanner = this.#scanner;
    if (!scanner.isWhole || scanner.argc > WORDS_MAX) {
      this.#end(`ERR a command of more than ${REQUEST_BYTES_MAX} bytes or ${WORDS_MAX} words`);
      return;
    }
    if (HTTP_WORDS.includes(scanner.name)) {
      this.close();
      return;
    }
    const words = scanner.argumentsUpTo(WORDS_MAX).map((word) => word.toString());
    caller.lastMs = desk.nowMs();
    const answered = answer(words, caller, desk);
    if (answered instanceof Promise) this.#wait(answered);
    else this.#reply(answered);
  }

  #wait(answered: Promise<ReplyValue>): void {
    this.#isWaiting = true;
    this.#o.socket.pause();
    const go = (value: ReplyValue) => {
      this.#isWaiting = false;
      if (this.#isOver) return;
      this.#reply(value);
      this.#work();
    };
    answered.then(go, (error: Error) => go(failure(`ERR ${error.message}`)));
  }

  #reply(answered: Exclude<Answer, Promise<ReplyValue>>): void {
    const { caller, socket } = this.#o;
    this.#o.answered();
    const isSilent = caller.replies !== 'on';
    if (caller.replies === 'skip') caller.replies = 'skipNext';
    else if (caller.replies === 'skipNext') caller.replies = 'on';
    if (isSilent) return;
    const isSeveral = answered !== null && typeof answered === 'object' && 'all' in answered;
    for (const value of isSeveral ? answered.all : [answered])
      socket.write(encodeReply(value, caller.protocol));
  }

  #end(text: string): void {
    this.#isOver = true;
    const { socket } = this.#o;
    socket.end(encodeReply(failure(text), 2), () => socket.destroy());
  }

  close(): void {
    this.#isOver = true;
    this.#o.socket.destroy();
  }
}
