/**
 * What a session has made of its connection, learned from its commands and the server's replies to
 * them, so that another connection can be made the same.
 *
 * Two parts: *what it is* (user, protocol, database, name, who answers its reads), which outlives
 * connections, and *what
 * it is in the middle of* (a transaction, watched keys, replies that are owed), which dies with
 * one. Effects count when the server has said yes, in the order of the replies.
 *
 * Where it loses track (a reply too many, a SELECT inside MULTI, a subscription) the session is
 * *bound*: its connection is the only one it will ever have, and its replies are not counted. What
 * gives its reads back to the leader counts from then on as soon as it is sent.
 */
import type { ReadsMode } from '../reads-mode.ts';
import { ReplyCounter } from '../resp/reply-counter.ts';
import { encodeCommand } from '../resp/writer.ts';
import { bindsForLife, type Credentials, type Effect, turnsReads } from './effect.ts';

const MINUS = 0x2d;

export class ConnectionState {
  #credentials: Credentials | null = null;
  #protocol: 2 | 3 = 2;
  #db = 0;
  #name: Buffer | null = null;
  /** Null: it has not said so itself. */
  #reads: ReadsMode | null = null;
  /** LIB-NAME and LIB-VER: there are no others, or the server would have refused them. */
  readonly #infos = new Map<string, Buffer>();

  #key: string | null = null;

  #isBound = false;
  #isInMulti = false;
  #isWatching = false;
  readonly #counter = new ReplyCounter();
  /** Owed replies in order, commands of the same effect together. */
  #effects: (Effect | null)[] = [];
  #counts: number[] = [];
  #owed = 0;

  get reads(): ReadsMode | null {
    return this.#reads;
  }

  /** Commands sent on this connection that have no whole reply yet. Exact while not bound. */
  get owed(): number {
    return this.#owed;
  }

  get isBound(): boolean {
    return this.#isBound;
  }

  /** The last command sent may change who answers reads, and its reply is owed. */
  get isTurning(): boolean {
    const last = this.#effects.at(-1) ?? null;
    return !this.#isBound && last !== null && turnsReads(last);
  }

  /** Whether another connection could take its place: nothing is owed, and nothing is open. */
  get isFree(): boolean {
    return !this.#isBound && !this.#isInMulti && !this.#isWatching && this.#owed === 0;
  }

  /**
   * The same for those whose plain commands get the same replies. Of the credentials every word:
   * who has an old password of a user, or made it look as if AUTH had succeeded, must be told so.
   */
  get key(): string {
    this.#key ??= this.#newKey();
    return this.#key;
  }

  #newKey(): string {
    const words = this.#credentials?.words.map((word) => `=${word.toString('base64url')}`) ?? [];
    return `${this.#protocol}/${this.#db}/${words.join('')}`;
  }

  /** Commands that make a new connection answer as this one: one reply each. */
  replay(): Buffer[] {
    const commands = this.laneReplay();
    if (this.#name !== null) commands.push(encodeCommand(['CLIENT', 'SETNAME', this.#name]));
    for (const [attribute, value] of this.#infos)
      commands.push(encodeCommand(['CLIENT', 'SETINFO', attribute, value]));
    return commands;
  }

  /** The same without what tells one client from another. */
  laneReplay(): Buffer[] {
    const commands: Buffer[] = [];
    if (this.#credentials !== null)
      commands.push(encodeCommand(['AUTH', ...this.#credentials.words]));
    if (this.#protocol === 3) commands.push(encodeCommand(['HELLO', '3']));
    if (this.#db !== 0) commands.push(encodeCommand(['SELECT', String(this.#db)]));
    return commands;
  }

  /** `count` commands of this effect were sent. */
  sent(effect: Effect | null, count: number): void {
    if (effect !== null && bindsForLife(effect)) this.#bind();
    if (this.#isBound) {
      this.#giveBackReads(effect);
      return;
    }
    this.#owed += count;
    const last = this.#effects.length - 1;
    if (last >= 0 && effect === null && this.#effects[last] === null) {
      this.#counts[last] = (this.#counts[last] as number) + count;
    } else if (count > 0) {
      this.#effects.push(effect);
      this.#counts.push(count);
    }
  }

  /** Reads replies, cut anywhere. Returns how many ended in `bytes`. */
  read(bytes: Uint8Array): number {
    if (this.#isBound) return 0;
    const counter = this.#counter;
    let replies = 0;
    counter.push(bytes);
    for (let found = counter.next(); found !== 'starved'; found = counter.next()) {
      // Pushes come only to who asked for them by what binds.
      if (found !== 'reply' || !this.#replied(counter.type)) {
        this.#bind();
        break;
      }
      replies += 1;
    }
    return replies;
  }

  /** The connection is gone, and with it what it was in the middle of. */
  lost(): void {
    this.#isInMulti = false;
    this.#isWatching = false;
    this.#effects = [];
    this.#counts = [];
    this.#owed = 0;
    this.#counter.restart();
  }

  #replied(type: number): boolean {
    const effect = this.#effects[0];
    if (effect === undefined) return false;
    this.#owed -= 1;
    const left = (this.#counts[0] as number) - 1;
    this.#counts[0] = left;
    if (left === 0) {
      this.#effects.shift();
      this.#counts.shift();
    }
    if (effect !== null) this.#apply(effect, type !== MINUS);
    return true;
  }

  #apply(effect: Effect, isDone: boolean): void {
    this.#key = null;
    if (this.#isInMulti) this.#applyInMulti(effect, isDone);
    else if (isDone) this.#become(effect);
    // Its parts are carried out one after the other, and which one failed is not said.
    else if (effect.kind === 'hello' && (effect.credentials !== null || effect.name !== null))
      this.#bind();
  }

  /** All but the end of the transaction is only queued. */
  #applyInMulti(effect: Effect, isDone: boolean): void {
    switch (effect.kind) {
      case 'exec':
        // One that is refused for its user leaves the transaction open.
        if (!isDone) this.#bind();
        this.#isInMulti = false;
        this.#isWatching = false;
        return;
      case 'reset':
        if (isDone) this.#reset();
        return;
      case 'select':
      case 'auth':
      case 'hello':
      case 'name':
      case 'info':
      case 'reads':
        if (!isDone) return;
        this.#bind();
        this.#giveBackReads(effect);
        return;
      default:
    }
  }

  #bind(): void {
    this.#isBound = true;
    for (const effect of this.#effects) this.#giveBackReads(effect);
    this.#effects = [];
    this.#counts = [];
  }

  /** Nobody will say whether it was done. */
  #giveBackReads(effect: Effect | null): void {
    if (effect?.kind === 'reset') this.#reads = null;
    if (effect?.kind === 'reads' && effect.reads === 'leader') this.#reads = 'leader';
  }

  #become(effect: Effect): void {
    switch (effect.kind) {
      case 'multi':
        this.#isInMulti = true;
        return;
      case 'watch':
        this.#isWatching = true;
        return;
      case 'exec':
      case 'unwatch':
        this.#isWatching = false;
        return;
      case 'select':
        this.#db = effect.db;
        return;
      case 'auth':
        this.#credentials = effect.credentials;
        return;
      case 'hello':
        this.#protocol = effect.protocol;
        this.#credentials = effect.credentials ?? this.#credentials;
        if (effect.name !== null) this.#name = effect.name;
        return;
      case 'name':
        this.#name = effect.name;
        return;
      case 'info':
        this.#infos.set(effect.attribute, effect.value);
        return;
      case 'reads':
        this.#reads = effect.reads;
        return;
      case 'reset':
        this.#reset();
        return;
      default:
    }
  }

  #reset(): void {
    this.#credentials = null;
    this.#protocol = 2;
    this.#db = 0;
    this.#name = null;
    this.#reads = null;
    this.#isInMulti = false;
    this.#isWatching = false;
  }
}
