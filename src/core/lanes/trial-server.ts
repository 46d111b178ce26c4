/**
 * For the tests of this room: a server of a few commands whose replies depend on nothing but the
 * connection that they are asked on. So what a session must be told is what it would have been told
 * on a connection of its own.
 */
import { RequestScanner } from '../resp/request-scanner.ts';
import { encodeCommand } from '../resp/writer.ts';

const LIMITS = { bulkBytesMax: 1 << 20, wholeBytesMax: 1 << 20, gatherBytesMax: 1 << 20 };

/** A password that is refused. */
export const WRONG = 'wrong';

export class TrialConnection {
  readonly #scanner = new RequestScanner(() => true, LIMITS);
  #db = 0;
  #user = 'nobody';
  #protocol = 2;
  #name = '';
  #queue: string[][] | null = null;
  #blocked: string[] | null = null;
  /** A blocked connection does not look at what comes behind. */
  #unread: Buffer[] = [];
  /** Replies that were not fetched yet. */
  output = '';
  fences = 0;
  readonly #isPatient: boolean;

  /** `isPatient`: BLOCK waits for `unblock`; otherwise it answers at once. */
  constructor(isPatient: boolean) {
    this.#isPatient = isPatient;
  }

  get isBlocked(): boolean {
    return this.#blocked !== null;
  }

  write(bytes: Buffer): void {
    if (this.#blocked !== null) {
      this.#unread.push(bytes);
      return;
    }
    this.#scanner.push(bytes);
    this.#readOn();
  }

  unblock(): void {
    const words = this.#blocked;
    if (words === null) return;
    this.#blocked = null;
    this.output += `+unblocked ${words[1]}\r\n`;
    this.#readOn();
    const unread = this.#unread;
    this.#unread = [];
    for (const bytes of unread) this.write(bytes);
  }

  /** Takes up to `count` characters of its output. */
  fetch(count: number): Buffer {
    const taken = Buffer.from(this.output.slice(0, count), 'latin1');
    this.output = this.output.slice(count);
    return taken;
  }

  #readOn(): void {
    const scanner = this.#scanner;
    while (this.#blocked === null && scanner.next() === 'command') {
      const words = scanner.argumentsUpTo(9).map((word) => word.toString('latin1'));
      const reply = this.#reply(words);
      if (reply !== null) this.output += reply;
    }
  }

  #reply(words: string[]): string | null {
    const name = (words[0] as string).toUpperCase();
    if (this.#queue !== null && !['EXEC', 'DISCARD', 'MULTI', 'WATCH'].includes(name)) {
      this.#queue.push(words);
      return '+QUEUED\r\n';
    }
    if (name === 'BLPOP' && this.#isPatient) {
      this.#blocked = words;
      return null;
    }
    return this.#execute(name, words);
  }

  #execute(name: string, words: string[]): string {
    const [, first = '', second = ''] = words;
    switch (name) {
      case 'ROLE':
        this.fences += 1;
        return '*3\r\n$6\r\nmaster\r\n:7\r\n*1\r\n*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n7\r\n';
      case 'BLPOP':
        return `+unblocked ${first}\r\n`;
      case 'SELECT':
        if (Number(first) > 3) return '-ERR out of range\r\n';
        this.#db = Number(first);
        return `+OK ${first}\r\n`;
      case 'AUTH':
        if (second === WRONG) return '-WRONGPASS no\r\n';
        this.#user = first;
        return '+OK\r\n';
      case 'HELLO':
        if (first === '3') this.#protocol = 3;
        if (first === '2') this.#protocol = 2;
        return this.#protocol === 3 ? '%1\r\n+proto\r\n:3\r\n' : '*2\r\n+proto\r\n:2\r\n';
      case 'CLIENT':
        if (first === 'GETNAME') return `$${this.#name.length}\r\n${this.#name}\r\n`;
        this.#name = second;
        return '+OK\r\n';
      case 'WATCH':
      case 'UNWATCH':
        return this.#queue === null ? '+OK\r\n' : '-ERR WATCH inside MULTI is not allowed\r\n';
      case 'MULTI':
        if (this.#queue !== null) return '-ERR MULTI calls can not be nested\r\n';
        this.#queue = [];
        return '+OK\r\n';
      case 'EXEC':
      case 'DISCARD':
        return this.#finish(name);
      case 'FAIL':
        return `-ERR ${first}\r\n`;
      case 'BIG':
        return `$${first.length * 200}\r\n${first.repeat(200)}\r\n`;
      default:
        return `*2\r\n+${first}\r\n+${this.#db}/${this.#user}/${this.#protocol}\r\n`;
    }
  }

  #finish(name: string): string {
    const queue = this.#queue;
    this.#queue = null;
    if (queue === null) return `-ERR ${name} without MULTI\r\n`;
    if (name === 'DISCARD') return '+OK\r\n';
    const replies = queue.map((words) => this.#execute((words[0] as string).toUpperCase(), words));
    return `*${replies.length}\r\n${replies.join('')}`;
  }
}

/** What one client alone would be told. */
export function aloneReplies(commands: readonly string[][]): string {
  const connection = new TrialConnection(false);
  for (const words of commands) connection.write(encodeCommand(words));
  return connection.output;
}
