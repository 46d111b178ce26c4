/**
 * Whose reply is whose, kept beside what is judged: the relay's own account of it is what may be
 * wrong. What a connection carries is known by the very buffers that are written to it, and the
 * server answers them in order; so for each reply it is known which command of which session it is
 * for, what its bytes are, and how far the server was when it had made it.
 */
import { FENCE } from '../src/core/lanes/lane.ts';
import type { Route } from '../src/core/lanes/ports.ts';
import { ReplyCounter } from '../src/core/resp/reply-counter.ts';
import type { Asked } from './invariants.ts';
import type { ReplySeen } from './server-body.ts';
import type { ClientPort } from './session.ts';
import { must } from './violation.ts';

/** Which server answers: the own one, which leads or follows, or that of the node that leads. */
export type Answerer = Exclude<Route['kind'], 'none'>;

interface MadeReply {
  readonly bytes: Buffer;
  readonly offset: number;
  readonly by: Answerer;
  /** Bytes that were given to the client. */
  given: number;
}

/** Of a reply that is given: how far the server was that made it, and when it was asked for. */
export interface Given {
  readonly offset: number;
  readonly by: Answerer;
  readonly asked: Asked;
  /** The answer to a greeting. It shows no data, and so may be of any age. */
  readonly isGreeting: boolean;
}

/** The commands of one session by their numbers, and the replies that the server made to them. */
export class SessionLedger {
  readonly #who: string;
  #expected = 0;
  #begun = 0;
  #next = 0;
  readonly #asked: { readonly end: number; readonly asked: Asked }[] = [];
  readonly #made = new Map<number, MadeReply>();
  readonly #greetings = new Set<number>();
  readonly #onMade: ClientPort['onMade'];
  /** How far the server was of which the client was shown most. */
  #seen = 0;

  constructor(who: string, onMade: ClientPort['onMade']) {
    this.#who = who;
    this.#onMade = onMade;
  }

  /** So many more commands come from the client. */
  expect(commands: number, asked: Asked): void {
    this.#expected += commands;
    this.#asked.push({ end: this.#expected, asked });
  }

  /** The number of the first of `count` commands that the relay has read, and calls greetings. */
  begin(count: number, isGreeting: boolean): number {
    const first = this.#begun;
    this.#begun += count;
    if (isGreeting) for (let each = 0; each < count; each += 1) this.#greetings.add(first + each);
    return first;
  }

  made(number: number, reply: Omit<MadeReply, 'given'>): void {
    this.#made.set(number, { ...reply, given: 0 });
    this.#onMade?.(reply.bytes, reply.offset);
  }

  /** `bytes` leave for the client; `each` hears of each reply in them. */
  given(bytes: Buffer, each: (given: Given) => void): void {
    for (let at = 0; at < bytes.length; ) {
      const reply = this.#made.get(this.#next);
      must(reply !== undefined, RULE, () => {
        return `${this.#who} gets ${show(bytes.subarray(at))}, it was told nothing more`;
      });
      const size = Math.min(bytes.length - at, reply.bytes.length - reply.given);
      const own = reply.bytes.subarray(reply.given, reply.given + size);
      must(own.equals(bytes.subarray(at, at + size)), RULE, () => {
        const other = show(bytes.subarray(at, at + size));
        return `${this.#who} gets ${other} in place of ${show(own)} for command ${this.#next}`;
      });
      while ((this.#asked[0]?.end ?? this.#expected) <= this.#next) this.#asked.shift();
      const { asked } = this.#asked[0] as { readonly asked: Asked };
      const isGreeting = this.#greetings.has(this.#next);
      if (isGreeting) this.#greeted(reply);
      else this.#shown(reply);
      each({ offset: reply.offset, by: reply.by, asked, isGreeting });
      reply.given += size;
      at += size;
      if (reply.given < reply.bytes.length) return;
      this.#made.delete(this.#next);
      this.#greetings.delete(this.#next);
      this.#next += 1;
    }
  }

  #greeted({ bytes }: MadeReply): void {
    const isWord = bytes[0] === PLUS || bytes[0] === MINUS;
    must(isWord, 'a greeting shows nothing', () => `${this.#who} gets ${show(bytes)}`);
  }

  #shown({ offset }: MadeReply): void {
    must(offset >= this.#seen, 'a connection sees nothing older than it has seen', () => {
      return `${this.#who} is answered from ${offset}, after ${this.#seen}`;
    });
    this.#seen = offset;
  }
}

const PLUS = 0x2b;
const MINUS = 0x2d;
const RULE = 'a reply goes to whoever asked';

function show(bytes: Buffer): string {
  return JSON.stringify(bytes.subarray(0, 60).toString('latin1'));
}

/** What a buffer that a session has the relay send is of. */
interface Tag {
  readonly session: SessionLedger;
  readonly first: number;
  readonly count: number;
}

export class Tags {
  readonly #tags = new WeakMap<Buffer, Tag>();

  add(bytes: Buffer, tag: Tag): void {
    this.#tags.set(bytes, tag);
  }

  of(bytes: Buffer): Tag | undefined {
    return this.#tags.get(bytes);
  }
}

/** Null: the relay has asked for itself. */
interface Owed {
  readonly session: SessionLedger | null;
  next: number;
  left: number;
}

/** One connection to the server: who is owed the replies to what was written to it. */
export class WireLedger {
  readonly #tags: Tags;
  readonly #by: Answerer;
  readonly #owed: Owed[] = [];
  readonly #counter = new ReplyCounter();

  constructor(tags: Tags, by: Answerer) {
    this.#tags = tags;
    this.#by = by;
  }

  /** Yields how many commands begin in the piece. */
  sent(piece: Buffer): number {
    const tag = this.#tags.of(piece);
    const left = tag?.count ?? (piece === FENCE ? 1 : commandsIn(piece));
    if (left > 0) this.#owed.push({ session: tag?.session ?? null, next: tag?.first ?? 0, left });
    return left;
  }

  said({ bytes, marks }: ReplySeen): void {
    const counter = this.#counter;
    counter.push(bytes);
    let from = 0;
    let at = 0;
    for (let found = counter.next(); found === 'reply'; found = counter.next()) {
      while ((marks[at]?.end ?? counter.end) < counter.end) at += 1;
      this.made(bytes.subarray(from, counter.end), marks[at]?.offset ?? 0);
      from = counter.end;
    }
  }

  /** The next reply. */
  made(bytes: Buffer, offset: number): void {
    const owed = this.#owed[0];
    if (owed === undefined) return;
    owed.session?.made(owed.next, { bytes, offset, by: this.#by });
    owed.next += 1;
    owed.left -= 1;
    if (owed.left === 0) this.#owed.shift();
  }
}

/** A command is an array of strings, and so is a reply. */
function commandsIn(bytes: Buffer): number {
  const counter = new ReplyCounter();
  counter.countAll(bytes);
  return counter.replies;
}
