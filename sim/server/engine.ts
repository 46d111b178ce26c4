/**
 * Executes commands one after the other, by the server's rules of what is refused, queued, put
 * off, propagated and woken up.
 *
 * The order that everything else leans on (`facts/engine.md` §6.4): the effects of a command are
 * in the stream, and counted in its offset, before the next command of any client runs; a pop that
 * was waiting is served after the unit that pushed, as a unit of its own.
 */
import { refusalOf } from './admission.ts';
import { BlockedPops } from './blocking.ts';
import type { Client } from './client.ts';
import type { Command } from './command.ts';
import type { FlavorFacts } from './flavor.ts';
import { type Entry, Keyspace } from './keyspace.ts';
import type { PrimaryLink } from './primary-link.ts';
import type { Replicas } from './replicas.ts';
import { bulks, NULL_ARRAY, QUEUED, Refusal } from './resp.ts';
import type { Settings } from './settings.ts';
import { type Effect, ReplicationStream } from './stream.ts';

/** One execution unit: a command, or MULTI to EXEC; a primary's may begin with a SELECT. */
export interface Unit {
  readonly role: 'primary' | 'replica';
  /** The stream's offset before it; behind it, it is `start + bytes.length`. */
  readonly start: number;
  readonly bytes: Buffer;
}

export interface EngineOptions {
  readonly flavor: FlavorFacts;
  readonly entropy: () => number;
  readonly nowMs: () => number;
  readonly settings: Settings;
  readonly commands: ReadonlyMap<string, Command>;
  readonly onExecuted: ((unit: Unit) => void) | null;
  readonly onLoaded: ((offset: number) => void) | null;
}

export class Engine {
  readonly flavor: FlavorFacts;
  readonly settings: Settings;
  readonly entropy: () => number;
  readonly nowMs: () => number;
  readonly keyspace = new Keyspace();
  readonly stream: ReplicationStream;
  readonly blocked = new BlockedPops();
  readonly clients = new Map<number, Client>();
  readonly runId: string;
  /** Set by the server that is made of these parts. */
  replicas!: Replicas;
  link!: PrimaryLink;
  /** Passwords by user; null: none is asked for. */
  users: ReadonlyMap<string, string | null> = new Map();
  unexpectedErrors = 0;
  /** Why the server ended itself; nothing more is executed then. */
  exitWhy: string | null = null;
  /** Who has something to be sent, in the order in which it came up. */
  readonly talking = new Set<Client>();
  /** Cut by the server, and not told yet. */
  readonly gone: Client[] = [];
  /** Whose input may be read on. */
  readonly resumed = new Set<Client>();
  readonly #options: EngineOptions;
  readonly #watchers = new Map<string, Set<Client>>();
  #effects: Effect[] = [];
  #pause: { readonly untilMs: number; readonly isForAll: boolean } | null = null;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.flavor = options.flavor;
    this.settings = options.settings;
    this.entropy = options.entropy;
    this.nowMs = options.nowMs;
    this.runId = Array.from({ length: 5 }, () =>
      (options.entropy() >>> 0).toString(16).padStart(8, '0'),
    ).join('');
    this.stream = new ReplicationStream(options.flavor, options.entropy);
    this.keyspace.onChanged = (db, key) => this.#touched(db, key);
  }

  execute(client: Client, words: readonly string[]): void {
    const command = this.commandOf(words);
    const refusal = refusalOf(this, client, command, words);
    if (refusal !== null || command === undefined) {
      this.#refuse(client, command, refusal ?? '');
      return;
    }
    if (!client.isPrimary && this.#isPutOff(client, command)) {
      client.postponed = words;
      return;
    }
    if (client.transaction !== null && command.inTransaction === 'queued') {
      client.transaction.commands.push(words);
      client.transaction.hasWrites ||= command.mayReplicate;
      this.#answer(client, QUEUED);
      return;
    }
    this.#answer(client, this.run(client, command, words));
    this.endUnit();
    client.mark(this.stream.offset);
    this.#serveBlocked();
  }

  commandOf(words: readonly string[]): Command | undefined {
    const name = words[0] as string;
    const { commands } = this.#options;
    return commands.get(name) ?? commands.get(name.toUpperCase());
  }

  /** Without the checks of `execute`: for what was let through before. */
  run(client: Client, command: Command, words: readonly string[]): string {
    try {
      return command.run(this, client, words);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return error.reply;
    }
  }

  /** Part of the unit that is being executed. A replica's stream is its primary's. */
  effect(db: number, words: readonly string[]): void {
    if (!this.link.isOn) this.#effects.push({ db, words });
  }

  endUnit(): void {
    if (this.#effects.length === 0) return;
    const effects = this.#effects;
    this.#effects = [];
    // Before the first replica there is no stream, and these effects are nowhere (§6.3).
    if (this.stream.hasBacklog) this.feed(this.stream.encode(effects));
  }

  /** Bytes that go to the replicas, and one unit of the stream. */
  feed(bytes: Buffer): void {
    const start = this.stream.offset;
    this.stream.append(bytes, this.settings.number('repl-backlog-size'));
    this.replicas.feed(bytes);
    const { onExecuted } = this.#options;
    onExecuted?.({ role: this.link.isOn ? 'replica' : 'primary', start, bytes });
  }

  /** All data was replaced by its primary's. */
  loaded(): void {
    this.#options.onLoaded?.(this.stream.offset);
  }

  /** The key as `client` may see it. What is over is deleted on the way, by a primary. */
  find(client: Client, key: string): Entry | undefined {
    const entry = this.keyspace.get(client.db, key);
    if (entry === undefined || entry.expireAt === null) return entry;
    if (this.nowMs() <= entry.expireAt) return entry;
    if (this.link.isOn) return client.isPrimary ? entry : undefined;
    if (!this.isPaused) this.#expire(entry);
    return undefined;
  }

  expireSome(): void {
    if (this.link.isOn || this.isPaused) return;
    for (const entry of this.keyspace.expired(this.nowMs())) {
      this.#expire(entry);
      this.endUnit();
    }
  }

  // Output.

  #answer(client: Client, text: string): void {
    if (client.isPrimary) {
      if (text.startsWith('-')) this.failed(client, text);
    } else if (text !== '') {
      client.reply(text);
      client.mark(this.stream.offset);
      this.talking.add(client);
    }
  }

  send(client: Client, bytes: Buffer | string): void {
    if (client.isPrimary || client.isClosed) return;
    if (typeof bytes === 'string') client.reply(bytes);
    else client.send(bytes);
    this.talking.add(client);
  }

  /** A command of the agreed stream was answered with an error. */
  failed(client: Client, text: string): void {
    if (!client.isPrimary) return;
    this.unexpectedErrors += 1;
    const behavior = this.settings.text('propagation-error-behavior');
    if (behavior !== 'ignore') this.exit(`panicked at a command of its primary: ${text.trim()}`);
  }

  exit(why: string): void {
    this.exitWhy ??= why;
  }

  // Connections.

  /** After what it has been answered so far. */
  hangUp(client: Client): void {
    client.closesAfterReply = true;
    this.talking.add(client);
  }

  /** At once; what it was not sent yet is lost. */
  cut(client: Client): void {
    this.forget(client);
    this.gone.push(client);
  }

  forget(client: Client): void {
    client.isClosed = true;
    client.postponed = null;
    this.blocked.remove(client);
    this.unwatch(client);
    this.clients.delete(client.id);
    if (client.replica !== null) this.replicas.remove(client);
  }

  watch(client: Client, key: string): void {
    const name = `${client.db} ${key}`;
    if (client.watched.includes(name)) return;
    client.watched.push(name);
    const watchers = this.#watchers.get(name) ?? new Set<Client>();
    this.#watchers.set(name, watchers.add(client));
  }

  unwatch(client: Client): void {
    for (const name of client.watched) {
      const watchers = this.#watchers.get(name);
      watchers?.delete(client);
      if (watchers?.size === 0) this.#watchers.delete(name);
    }
    client.watched = [];
    client.isWatchBroken = false;
  }

  /** Such a key counts as changed, and nothing is deleted (`facts/engine.md` §6.4). */
  hasExpiredWatch(client: Client): boolean {
    return client.watched.some((name) => {
      const space = name.indexOf(' ');
      const entry = this.keyspace.get(Number(name.slice(0, space)), name.slice(space + 1));
      return entry !== undefined && entry.expireAt !== null && this.nowMs() > entry.expireAt;
    });
  }

  // Pause.

  get isPaused(): boolean {
    if (this.#pause !== null && this.#pause.untilMs <= this.nowMs()) this.resume();
    return this.#pause !== null;
  }

  pause(untilMs: number, isForAll: boolean): void {
    const before = this.#pause;
    this.#pause = {
      untilMs: Math.max(untilMs, before?.untilMs ?? 0),
      isForAll: isForAll || before?.isForAll === true,
    };
  }

  resume(): void {
    this.#pause = null;
    for (const client of this.clients.values()) {
      if (client.postponed !== null) this.resumed.add(client);
    }
  }

  // Blocked pops.

  /** No push has come in time. */
  endWaits(nowMs: number): void {
    for (const client of this.clients.values()) {
      if (client.wait === null || client.wait.until === null || client.wait.until > nowMs) continue;
      this.blocked.remove(client);
      this.#answer(client, NULL_ARRAY);
      this.resumed.add(client);
    }
  }

  /** Its role changes: whoever waits is told, and hung up on. */
  unblockAll(): void {
    for (const client of this.clients.values()) {
      if (client.wait === null) continue;
      this.blocked.remove(client);
      const why = 'force unblock from blocking operation, instance state changed';
      this.#answer(client, `-UNBLOCKED ${why} (master -> replica?)\r\n`);
      this.hangUp(client);
    }
  }

  #refuse(client: Client, command: Command | undefined, text: string): void {
    const { transaction } = client;
    if (transaction !== null && command?.name === 'EXEC') {
      client.transaction = null;
      this.unwatch(client);
      this.#answer(client, `-EXECABORT Transaction discarded because of: ${text}\r\n`);
      return;
    }
    if (transaction !== null) transaction.isBroken = true;
    this.#answer(client, `-${text}\r\n`);
  }

  #isPutOff(client: Client, command: Command): boolean {
    if (client.replica !== null || !this.isPaused) return false;
    if (this.#pause?.isForAll === true) return true;
    const isExec = command.name === 'EXEC' && client.transaction?.hasWrites === true;
    return command.mayReplicate || isExec;
  }

  #expire(entry: Entry): void {
    this.keyspace.remove(entry);
    this.effect(entry.db, [this.flavor.deletion, entry.key]);
  }

  #touched(db: number, key: string): void {
    if (this.#watchers.size === 0) return;
    for (const client of this.#watchers.get(`${db} ${key}`) ?? []) client.isWatchBroken = true;
  }

  #serveBlocked(): void {
    for (let ready = this.blocked.takeReady(); ready.length > 0; ready = this.blocked.takeReady()) {
      for (const { db, key } of ready) {
        for (const client of this.blocked.waitingFor(db, key)) this.#serve(client, db, key);
      }
    }
  }

  #serve(client: Client, db: number, key: string): void {
    const entry = this.keyspace.get(db, key);
    const side = client.wait?.side;
    if (entry === undefined || entry.value.kind !== 'list' || side === undefined) return;
    const { items } = entry.value;
    const item = (side === 'left' ? items.shift() : items.pop()) as string;
    if (items.length === 0) this.keyspace.remove(entry);
    else this.keyspace.changed(entry);
    this.blocked.remove(client);
    this.effect(db, [side === 'left' ? 'LPOP' : 'RPOP', key]);
    this.#answer(client, bulks([key, item]));
    this.resumed.add(client);
    this.endUnit();
    client.mark(this.stream.offset);
  }
}
