/**
 * What clients ask for: commands, transactions and scripts on a few keys of each type, each with
 * the steps that its answer means in the history.
 */

import { ErrorReply } from '../src/core/resp/reply-reader.ts';
import type { Step } from './check/history.ts';
import {
  answerOf,
  behind,
  blocking,
  type Call,
  encode,
  FAIL,
  script,
  textOf,
  together,
  transaction,
} from './requests.ts';
import { COMPARE_AND_SET, PUSH_BOTH } from './server/scripts.ts';
import type { Chance } from './time.ts';
import { must } from './violation.ts';

export const KINDS = [
  'txn',
  'register',
  'counter',
  'queue',
  'set',
  'hash',
  'expiry',
  'any',
] as const;
export type Kind = (typeof KINDS)[number];

const FLOOD_BYTES = 500;
const STEPS_MAX = 4;
/** A key is left for a fresh one after so many, so that no history of one grows too wide. */
const KEY_USES_MAX = 40;
const GROUP_USES_MAX = 12;
const EXPIRY_MS_MAX = 3_000;
/** Calls that begin with a SELECT; from there up to the next one, with an ECHO. */
const SELECT_PERMILLE = 60;
const TAG_PERMILLE = 400;
/** Between the name of a key and its database: no key is in two. */
const DB_MARK = '@';

function dbOf(name: string): number {
  return Number(/@([0-9]+)/.exec(name)?.[1] ?? 0);
}

export class Workload {
  readonly #chance: Chance;
  readonly #keys: number;
  readonly #kinds: readonly Kind[];
  readonly #fillerMax: number;
  readonly #uses = new Map<string, number>();
  #values = 0;
  /** Of the call that is being made. */
  #db = 0;
  #groups = 0;

  /** `keys` of each kind; values are padded by up to `fillerMax` bytes. */
  constructor(chance: Chance, keys: number, kinds: readonly Kind[], fillerMax: number) {
    this.#chance = chance;
    this.#keys = keys;
    this.#kinds = kinds;
    this.#fillerMax = fillerMax;
  }

  /** Nobody asked for that one before. Its keys are in database `db`. */
  next(db: number): Call {
    this.#db = db;
    const call = this.#next();
    // What goes on over the same connection needs the answers for itself.
    if (call.follow !== undefined) return call;
    const dice = this.#chance.below(1000);
    if (dice < SELECT_PERMILLE) return this.#selected(db, call);
    return dice < TAG_PERMILLE ? this.#tagged(call) : call;
  }

  #next(): Call {
    const kind = this.#chance.pick(this.#kinds);
    switch (kind) {
      case 'txn':
        return this.#txn();
      case 'register':
        return this.#register();
      case 'counter':
        return together([
          this.#chance.permille(700)
            ? { f: 'incr', key: this.#key('c'), by: this.#chance.between(1, 9) }
            : { f: 'read', key: this.#key('c') },
        ]);
      case 'queue':
        return this.#queue();
      case 'set':
        return together([this.#setStep()]);
      case 'hash':
        return together([this.#hashStep()]);
      case 'expiry':
        return this.#expiry();
      case 'any':
        return this.#mixed();
    }
  }

  /** A read for its own sake: what it must have seen is known when it is asked. */
  probe(): Call {
    return this.#tagged(this.plainProbe());
  }

  /** The same as a follower may answer it. */
  plainProbe(): Call {
    return { ...script([], ['GET', 'probe']), read: () => ({ kind: 'ok', results: [] }) };
  }

  /** Bytes for their own sake. */
  flood(): Call {
    const words = ['SET', 'flood', 'x'.repeat(FLOOD_BYTES)];
    return { ...script([], words), read: () => ({ kind: 'ok', results: [] }) };
  }

  /** With an ECHO before it: whoever gets another's answer knows. */
  #tagged(call: Call): Call {
    this.#values += 1;
    const tag = `tag${this.#values}`;
    return behind(['ECHO', tag], call, (echo) => {
      must(echo === tag, 'answers come in the order of their commands', () => {
        return `${JSON.stringify(echo)} in place of ${tag}`;
      });
    });
  }

  /** With a SELECT before it: the connection is what it was, and its owner may have to move. */
  #selected(db: number, call: Call): Call {
    return behind(['SELECT', String(db)], call, () => undefined);
  }

  /** For several at once. */
  tagged(db: number): Call {
    this.#db = db;
    let call = this.#next();
    while (call.follow !== undefined) call = this.#next();
    return this.#tagged(call);
  }

  /** Reads all that the history is about. */
  readAll(): readonly Call[] {
    const all = (prefix: string, f: 'range' | 'read' | 'smembers' | 'hgetall') =>
      [...this.#uses]
        .filter(([name]) => name.startsWith(prefix))
        .flatMap(([name, uses]) =>
          Array.from({ length: Math.floor(uses / KEY_USES_MAX) + 1 }, (_, age) =>
            this.#selected(dbOf(name), together([{ f, key: `${name}${age}` }])),
          ),
        );
    return [
      ...all('t', 'range'),
      ...all('r', 'read'),
      ...all('c', 'read'),
      ...all('q', 'range'),
      ...all('s', 'smembers'),
      ...all('h', 'hgetall'),
    ];
  }

  #key(prefix: string): string {
    return this.#keyAt(prefix, this.#chance.below(this.#keys));
  }

  #keyAt(prefix: string, at: number): string {
    const name = `${prefix}${at}${DB_MARK}${this.#db}.`;
    const uses = (this.#uses.get(name) ?? 0) + 1;
    this.#uses.set(name, uses);
    return `${name}${Math.floor(uses / KEY_USES_MAX)}`;
  }

  #value(): string {
    this.#values += 1;
    return `v${this.#values}`.padEnd(this.#chance.below(this.#fillerMax + 1), '.');
  }

  #txn(): Call {
    if (this.#chance.permille(100)) return this.#pushBoth();
    const steps = Array.from({ length: this.#chance.between(1, STEPS_MAX) }, (): Step => {
      const key = this.#key('t');
      return this.#chance.permille(500)
        ? { f: 'append', key, value: this.#value() }
        : { f: 'range', key };
    });
    return together(steps);
  }

  #pushBoth(): Call {
    const keys = [0, 1].map((at) => this.#keyAt('t', at));
    const value = this.#value();
    const steps = keys.map((key): Step => ({ f: 'append', key, value }));
    return {
      ...script(steps, ['EVAL', PUSH_BOTH, '2', ...keys, value]),
      read: ([reply]) => answerOf(reply, () => [undefined, undefined]),
    };
  }

  #register(): Call {
    const key = this.#key('r');
    const dice = this.#chance.below(10);
    if (dice < 4) return together([{ f: 'read', key }]);
    if (dice < 6) return together([{ f: 'write', key, value: this.#value() }]);
    if (dice < 7) return together([{ f: 'getset', key, value: this.#value() }]);
    if (dice < 8) return this.#watched(key);
    return this.#compareAndSet(key);
  }

  /** Reads first, and then sets by a script if it still is what was read. */
  #compareAndSet(key: string): Call {
    const to = this.#value();
    return {
      ...together([{ f: 'read', key }]),
      follow: ([found]) => {
        if (typeof found !== 'string') return together([{ f: 'cas', key, from: null, to }]);
        const words = ['EVAL', COMPARE_AND_SET, '1', key, found, to];
        return {
          ...script([{ f: 'cas', key, from: found, to }], words),
          read: ([reply]) => answerOf(reply, (value) => [value === 1]),
        };
      },
    };
  }

  /** Reads under WATCH, and then sets in a transaction, which fails when somebody was faster. */
  #watched(key: string): Call {
    const to = this.#value();
    return {
      steps: [{ f: 'read', key }],
      bytes: encode([
        ['WATCH', key],
        ['GET', key],
      ]),
      replies: 2,
      isBlocking: false,
      read: ([, reply]) => answerOf(reply, (value) => [textOf(value)]),
      follow: ([, found]) => {
        if (found instanceof ErrorReply) return null;
        const from = textOf(found ?? null);
        return {
          ...transaction([{ f: 'cas', key, from, to }], [['SET', key, to]]),
          // Nil: it was touched meanwhile, and nothing was done.
          read: (replies) => {
            const last = replies.at(-1);
            return last === null ? FAIL : answerOf(last, () => [true]);
          },
        };
      },
    };
  }

  #queue(): Call {
    const key = this.#key('q');
    const dice = this.#chance.below(10);
    if (this.#chance.permille(100)) return this.#mistaken(key);
    if (dice < 4) {
      const f = this.#chance.pick(['append', 'push'] as const);
      return together([{ f, key, value: this.#value() }]);
    }
    if (dice < 6) return together([{ f: this.#chance.pick(['lpop', 'rpop'] as const), key }]);
    if (dice < 8) return blocking(this.#chance.pick(['blpop', 'brpop'] as const), key);
    return together([{ f: this.#chance.pick(['len', 'range'] as const), key }]);
  }

  /** The error tells that there is a list: an answer like any other. */
  #mistaken(key: string): Call {
    return { ...script([], ['GET', key]), read: () => ({ kind: 'ok', results: [] }) };
  }

  #setStep(): Step {
    const key = this.#key('s');
    const value = `m${this.#chance.below(6)}`;
    const dice = this.#chance.below(10);
    if (dice < 3) return { f: 'sadd', key, value };
    if (dice < 5) return { f: 'srem', key, value };
    if (dice < 7) return { f: 'sismember', key, value };
    if (dice < 8) return { f: 'spop', key };
    return { f: 'smembers', key };
  }

  #hashStep(): Step {
    const key = this.#key('h');
    const field = `f${this.#chance.below(3)}`;
    const dice = this.#chance.below(10);
    if (dice < 3) return { f: 'hincr', key, field: `n${field}`, by: this.#chance.between(1, 5) };
    if (dice < 5) return { f: 'hset', key, field, value: this.#value() };
    if (dice < 7) return { f: 'hget', key, field };
    if (dice < 8) return { f: 'hdel', key, field };
    return { f: 'hgetall', key };
  }

  /** Several types in one transaction: its keys make one object together, so there are few uses. */
  #mixed(): Call {
    this.#groups += 1;
    const group = `${Math.floor(this.#groups / GROUP_USES_MAX)}${DB_MARK}${this.#db}`;
    const steps: Step[] = [
      { f: 'incr', key: `mc${group}`, by: 1 },
      { ...this.#setStep(), key: `ms${group}` },
      { f: 'append', key: `mq${group}`, value: this.#value() },
      { ...this.#hashStep(), key: `mh${group}` },
    ];
    return together(this.#chance.shuffled(steps).slice(0, this.#chance.between(2, STEPS_MAX)));
  }

  /** Keys that end by themselves: no history could say when, but all servers must agree. */
  #expiry(): Call {
    const key = this.#key('e');
    const ms = String(this.#chance.between(1, EXPIRY_MS_MAX));
    const set = ['SET', key, this.#value(), 'PX', ms];
    const words = this.#chance.pick([set, set, ['PEXPIRE', key, ms], ['GET', key]]);
    return { ...script([], words), read: () => ({ kind: 'ok', results: [] }) };
  }
}
