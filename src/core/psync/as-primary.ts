/**
 * Plays the primary of one server: the feed.
 *
 * The dialogue is `facts/engine.md` §6.2. The RDB goes out with its length (`$<n>`), after which
 * the stream may follow at once. In steady state nothing but the log's bytes may be sent: the
 * server counts every byte, a bare newline would shift its offset.
 *
 * Pure: bytes in, events out; the bytes of RDB and stream never pass through here, the caller
 * writes them after what `proceed` or `replace` returned. Bound: a command of `COMMAND_BYTES_MAX`.
 */
import { assert } from '../../assert.ts';
import { RequestScanner } from '../resp/request-scanner.ts';
import { errorReply, simpleReply } from '../resp/writer.ts';
import { type ReplOffset, replOffset } from '../scalars.ts';
import { isReplid } from './as-replica.ts';

/** Nothing that a replica sends is longer; passwords are at most a few hundred bytes. */
const COMMAND_BYTES_MAX = 16 * 1024;

export interface PrimaryOptions {
  /** Required of the server before anything else than PING, when given. */
  readonly auth: { readonly user: string; readonly password: string } | null;
}

export type PrimaryEvent =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /**
   * The server asks to continue after `offset` of `replid`: answer with `proceed`, `replace` or
   * `postpone`. `replid` is null when it asks for everything. A fresh server asks with an id of its
   * own making and offset 0.
   */
  | { readonly kind: 'wanted'; readonly replid: string | null; readonly offset: ReplOffset }
  /** It has processed up to `offset`, and synced up to `synced` to its own disk if it says so. */
  | {
      readonly kind: 'acknowledged';
      readonly offset: ReplOffset;
      readonly synced: ReplOffset | null;
    }
  /** Final: close the connection. */
  | { readonly kind: 'failed'; readonly text: string };

export class AsPrimary {
  readonly #options: PrimaryOptions;
  readonly #scanner = new RequestScanner(() => true, {
    bulkBytesMax: COMMAND_BYTES_MAX,
    wholeBytesMax: COMMAND_BYTES_MAX,
    gatherBytesMax: 0,
  });
  #phase: 'handshake' | 'deciding' | 'feeding' | 'over' = 'handshake';
  #isAuthenticated: boolean;
  /** The version that the server announced, when it did (8.0 and later). */
  announcedVersion: string | null = null;

  constructor(options: PrimaryOptions) {
    this.#options = options;
    this.#isAuthenticated = options.auth === null;
  }

  push(chunk: Uint8Array): PrimaryEvent[] {
    const events: PrimaryEvent[] = [];
    if (this.#phase === 'over') return events;
    this.#scanner.push(chunk);
    for (;;) {
      const found = this.#scanner.next();
      if (found === 'starved') return events;
      // While it loads, the server sends bare newlines to keep the connection alive.
      if (found === 'blank') continue;
      const event =
        found === 'command' && this.#scanner.isWhole
          ? this.#received(this.#scanner.argumentsUpTo(ARGUMENTS_MAX).map(String))
          : this.#fail(this.#scanner.text || 'a command too long for a replica');
      if (event !== null) events.push(event);
      if (event?.kind === 'failed') return events;
    }
  }

  /** Answers `wanted`: what it asked for follows. The server adopts `replid` as its own. */
  proceed(replid: string): Uint8Array {
    this.#decide(replid);
    return Buffer.from(`+CONTINUE ${replid}\r\n`);
  }

  /** Answers `wanted`: `rdbBytes` bytes of RDB follow, then the stream after `offset`. */
  replace(replid: string, offset: ReplOffset, rdbBytes: number): Uint8Array {
    assert(Number.isSafeInteger(rdbBytes) && rdbBytes > 0, 'an RDB has a length');
    this.#decide(replid);
    return Buffer.from(`+FULLRESYNC ${replid} ${offset}\r\n$${rdbBytes}\r\n`);
  }

  /** Answers `wanted`: not now. The server asks again within seconds, on a new connection. */
  postpone(): Uint8Array {
    assert(this.#phase === 'deciding', 'only a server that has asked is answered');
    this.#phase = 'over';
    return Buffer.from('-NOMASTERLINK not ready to feed\r\n');
  }

  #decide(replid: string): void {
    assert(this.#phase === 'deciding', 'only a server that has asked is answered');
    assert(isReplid(replid), 'a replication id is 40 hex digits');
    this.#phase = 'feeding';
  }

  #received(words: readonly string[]): PrimaryEvent | null {
    const name = this.#scanner.name;
    if (this.#phase === 'feeding') return this.#receivedWhileFeeding(name, words);
    if (this.#phase === 'deciding') return this.#fail('a command before PSYNC was answered');
    if (name === 'AUTH') return this.#authenticate(words);
    if (!this.#isAuthenticated) return send(errorReply('NOAUTH Authentication required.'));
    switch (name) {
      case 'PING':
        return send(simpleReply('PONG'));
      case 'REPLCONF':
        return this.#configured(words);
      case 'PSYNC':
        return this.#wanted(words);
      default:
        return this.#fail('a replica does not send this command');
    }
  }

  #receivedWhileFeeding(name: string, words: readonly string[]): PrimaryEvent | null {
    const isAck = name === 'REPLCONF' && words[1]?.toUpperCase() === 'ACK';
    const offset = parseOffset(words[2]);
    if (!isAck || offset === null) return this.#fail('a fed server sends only REPLCONF ACK');
    const synced = words[3]?.toUpperCase() === 'FACK' ? parseOffset(words[4]) : null;
    return { kind: 'acknowledged', offset, synced };
  }

  #authenticate(words: readonly string[]): PrimaryEvent {
    const { auth } = this.#options;
    const user = words.length > 2 ? words[1] : 'default';
    const password = words.length > 2 ? words[2] : words[1];
    if (auth !== null && !(isSame(user, auth.user) && isSame(password, auth.password))) {
      return this.#fail('wrong user or password');
    }
    this.#isAuthenticated = true;
    return send(simpleReply('OK'));
  }

  #configured(words: readonly string[]): PrimaryEvent | null {
    const option = words[1]?.toLowerCase();
    if (option === 'version') this.announcedVersion = words[2] ?? null;
    // An ACK or GETACK gets no answer. What is unknown is accepted: newer servers say more.
    return option === 'ack' || option === 'getack' ? null : send(simpleReply('OK'));
  }

  #wanted(words: readonly string[]): PrimaryEvent {
    const [, replid, next] = words;
    if (replid === '?') {
      this.#phase = 'deciding';
      return { kind: 'wanted', replid: null, offset: replOffset(0) };
    }
    const offset = parseOffset(next);
    if (replid === undefined || !isReplid(replid) || offset === null || offset === 0) {
      return this.#fail('a PSYNC without id or offset');
    }
    this.#phase = 'deciding';
    return { kind: 'wanted', replid, offset: replOffset(offset - 1) };
  }

  #fail(text: string): PrimaryEvent {
    this.#phase = 'over';
    return { kind: 'failed', text };
  }
}

/** More than any command of the handshake has. */
const ARGUMENTS_MAX = 16;

function send(bytes: Uint8Array): PrimaryEvent {
  return { kind: 'send', bytes };
}

function parseOffset(text: string | undefined): ReplOffset | null {
  if (text === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? replOffset(value) : null;
}

/** Takes the same time wherever the first difference is. */
function isSame(given: string | undefined, wanted: string): boolean {
  if (given === undefined) return false;
  let difference = given.length ^ wanted.length;
  for (let i = 0; i < given.length; i++) {
    difference |= given.charCodeAt(i) ^ wanted.charCodeAt(i % Math.max(wanted.length, 1));
  }
  return difference === 0;
}
