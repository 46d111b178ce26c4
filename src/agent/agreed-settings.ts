/**
 * The settings of the spec on this node's own server.
 *
 * The server starts with those that it takes; what is changed while it runs is given to it by
 * CONFIG SET. What that refuses is told as pending: the next life of the server starts with it.
 * Now and then it is looked at what the server has: a client may have set something else meanwhile.
 */
import type { ServerSettings } from '../core/control/spec.ts';
import { ErrorReply, type Reply } from '../core/resp/reply-reader.ts';
import type { SettingView } from '../doors/view.ts';
import type { Note } from './shard/ports.ts';

export interface AgreedSettingsOptions {
  /** Of this node's configuration, judged: they count where the spec says nothing. */
  readonly own: ServerSettings;
  /** Null when the program itself cannot be asked now. */
  readonly judge: (settings: ServerSettings) => Promise<Judged | null>;
  /** Of the own server; null when it does not answer. */
  readonly call: (words: readonly string[]) => Promise<Reply | null>;
  readonly note: Note;
  readonly fatal: (error: Error) => void;
  /** Between two looks. */
  readonly lookTicks: number;
}

/** It says so of a script, or of what it loads: no word about the setting. */
const NOT_NOW: ReadonlySet<string> = new Set(['BUSY', 'LOADING', 'MASTERDOWN']);
const SILENT = 'the server does not answer now; it is asked again';
const KEPT = 'it was taken out: the server keeps it until it starts again';
/** What a change could not bring about on nodes that hold data. */
const FIXED: Readonly<Record<string, string>> = {
  databases:
    'a server with fewer than its data has cannot load that: ' +
    'it is given in the configuration of each node before the deployment is founded',
};

export interface Judged {
  readonly usable: ServerSettings;
  /** By name, why not. */
  readonly refused: ReadonlyMap<string, string>;
}

export class AgreedSettings {
  readonly #o: AgreedSettingsOptions;
  #agreed: ServerSettings = {};
  #usable: ServerSettings;
  #isJudged = true;
  /** By the program itself, whatever its life: why it does not start with them. */
  #refused: ReadonlyMap<string, string> = new Map();
  /** Counts the lives of the server, and what was agreed on: what began before means nothing. */
  #turn = 0;
  #isBusy = false;
  /** Of this life: what it was given, what it calls it, and what it had before. */
  #inForce = new Map<string, string>();
  #shown = new Map<string, string>();
  readonly #before = new Map<string, string | null>();
  readonly #pending = new Map<string, string>();
  /** What this life refused, by name: it is not asked for the same again. */
  readonly #needStart = new Map<string, string>();
  #ticks = 0;
  /** Of the start of this life. */
  #startTicks = 0;

  constructor(options: AgreedSettingsOptions) {
    this.#o = options;
    this.#usable = options.own;
  }

  /** What the server should have; resolves once its next life would start with it. */
  async agree(agreed: ServerSettings): Promise<void> {
    if (isSame(agreed, this.#agreed)) return;
    this.#agreed = agreed;
    this.#isJudged = false;
    await this.#judge();
  }

  /** Why nobody should ask for this, in words; null when it can be asked for. */
  async refusal(wanted: Readonly<Record<string, string | null>>): Promise<string | null> {
    const given = Object.entries(wanted).flatMap(([name, value]) =>
      value === null ? [] : [[name, value] as const],
    );
    const fixed = given.flatMap(([name]) => (name in FIXED ? [`${name}: ${FIXED[name]}`] : []));
    const judged = await this.#o.judge(Object.fromEntries(given));
    if (judged === null) return 'the server program cannot be asked now what it takes';
    const words = [...fixed, ...[...judged.refused].map(([name, why]) => `server.${name} ${why}`)];
    return words.length === 0 ? null : words.join('; ');
  }

  async #judge(): Promise<void> {
    const agreed = this.#agreed;
    const judged = await this.#o.judge(agreed);
    if (judged === null || this.#agreed !== agreed) return;
    const { usable, refused } = judged;
    this.#isJudged = true;
    this.#usable = { ...this.#o.own, ...usable };
    this.#refused = refused;
    if (refused.size > 0) this.#o.note('warn', 'settings.refused', { names: [...refused.keys()] });
    const overruled = Object.keys(this.#o.own).filter(
      (name) => name in agreed && agreed[name] !== this.#o.own[name],
    );
    if (overruled.length > 0) this.#o.note('warn', 'settings.overruled', { names: overruled });
    this.#turn += 1;
    this.#converge();
  }

  /** With which a life of the server is started: asked for once, at its start. */
  atStart(): ServerSettings {
    this.#turn += 1;
    this.#startTicks = this.#ticks;
    this.#inForce = new Map(Object.entries(this.#usable));
    this.#shown = new Map();
    this.#before.clear();
    for (const name of this.#inForce.keys()) this.#before.set(name, null);
    this.#pending.clear();
    this.#needStart.clear();
    return this.#usable;
  }

  tick(): void {
    this.#ticks += 1;
    if (!this.#isFirstLook && this.#ticks % this.#o.lookTicks !== 0) return;
    if (this.#isJudged) this.#converge();
    else this.#judge().catch((error: Error) => this.#o.fatal(error));
  }

  /**
   * What a life calls its settings is learned as soon as it answers, before a client can have set
   * something else; a name that it never tells is asked for at the usual pace after a while.
   */
  get #isFirstLook(): boolean {
    return (
      this.#shown.size < this.#inForce.size && this.#ticks - this.#startTicks < this.#o.lookTicks
    );
  }

  get view(): SettingView[] {
    const gone = [...this.#pending.keys()].filter((name) => !(name in this.#agreed));
    return [...Object.keys(this.#agreed), ...gone].toSorted().map((name) => ({
      name,
      value: this.#agreed[name] ?? null,
      pending: this.#whyNot(name),
    }));
  }

  #whyNot(name: string): string | null {
    if (!this.#isJudged) return SILENT;
    return this.#refused.get(name) ?? this.#pending.get(name) ?? null;
  }

  /** One at a time; it begins again when something has changed meanwhile. */
  #converge(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const turn = this.#turn;
    this.#round(turn)
      .finally(() => {
        this.#isBusy = false;
        if (turn !== this.#turn) this.#converge();
      })
      .catch((error: Error) => this.#o.fatal(error));
  }

  async #round(turn: number): Promise<void> {
    const isOver = (): boolean => turn !== this.#turn;
    const wanted = new Map(Object.entries(this.#usable));
    for (const name of this.#pending.keys())
      if (!wanted.has(name) && !this.#inForce.has(name)) this.#pending.delete(name);
    await this.#compare(isOver);
    for (const name of new Set([...wanted.keys(), ...this.#inForce.keys()])) {
      if (isOver()) return;
      const value = wanted.get(name);
      if (value === this.#inForce.get(name)) this.#pending.delete(name);
      else if (value === undefined) await this.#restore(name, isOver);
      else if (this.#needStart.get(name) !== value) await this.#set(name, value, isOver);
    }
    if (!isOver()) await this.#compare(isOver);
  }

  async #set(name: string, value: string, isOver: () => boolean): Promise<void> {
    const before = await this.#valueOf(name);
    const reply = await this.#give(name, value, before);
    if (isOver()) return;
    if (reply === null || (reply instanceof ErrorReply && NOT_NOW.has(reply.code))) {
      this.#pending.set(name, SILENT);
    } else if (reply instanceof ErrorReply) {
      this.#needStart.set(name, value);
      this.#pending.set(name, `the server must start again for it: ${reply.text}`);
    } else {
      if (!this.#before.has(name)) this.#before.set(name, before);
      this.#inForce.set(name, value);
      this.#shown.delete(name);
      this.#pending.delete(name);
      this.#o.note('info', 'settings.set', { name });
    }
  }

  /** It was taken out of the spec: as it was before, where that is known. */
  async #restore(name: string, isOver: () => boolean): Promise<void> {
    const before = this.#before.get(name) ?? null;
    const reply =
      before === null ? null : await this.#give(name, before, await this.#valueOf(name));
    if (isOver()) return;
    if (reply === null || reply instanceof ErrorReply) {
      this.#pending.set(name, KEPT);
      return;
    }
    this.#inForce.delete(name);
    this.#shown.delete(name);
    this.#pending.delete(name);
    this.#o.note('info', 'settings.restored', { name });
  }

  /** What it has already it need not take: some it takes at its start only. */
  async #give(name: string, value: string, present: string | null): Promise<Reply | null> {
    return present === value ? 'OK' : this.#o.call(['CONFIG', 'SET', name, value]);
  }

  /** What the server calls a value need not be what it was given: `100mb` is a number of bytes. */
  async #compare(isOver: () => boolean): Promise<void> {
    for (const name of [...this.#inForce.keys()]) {
      const seen = await this.#valueOf(name);
      if (isOver()) return;
      if (seen === null) continue;
      const known = this.#shown.get(name);
      if (known === undefined) this.#shown.set(name, seen);
      else if (known !== seen) this.#inForce.delete(name);
    }
  }

  async #valueOf(name: string): Promise<string | null> {
    const reply = await this.#o.call(['CONFIG', 'GET', name]);
    const value = Array.isArray(reply) ? (reply as Reply[])[1] : null;
    return typeof value === 'string' ? value : null;
  }
}

function isSame(one: ServerSettings, other: ServerSettings): boolean {
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
  );
}
