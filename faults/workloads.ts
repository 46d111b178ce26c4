/** What clients ask for, drawn from the seed: keys that live for a while, and steps on them. */
import type { Step } from '../sim/check/history.ts';
import type { Chance } from '../sim/time.ts';
import type { Manner } from './requests.ts';

export interface Request {
  readonly manner: Manner | 'watch';
  readonly steps: readonly Step[];
}

export interface Workload {
  readonly name: string;
  next(chance: Chance): Request;
  /** A read of something that is being written. */
  read(chance: Chance): Step;
  /** Reads that tell at the end what every key holds. */
  finalReads(): Step[];
}

const READS: ReadonlySet<Step['f']> = new Set([
  ...(['read', 'range', 'len', 'sismember', 'smembers', 'hget', 'hgetall', 'exists'] as const),
]);

export function isWrite(steps: readonly Step[]): boolean {
  return steps.some(({ f }) => !READS.has(f));
}

/**
 * A few live keys, each half as likely as the one before it; one that was written often enough is
 * retired and another takes its place. So keys are fought over, and histories of one stay short.
 */
export class KeyPool {
  readonly #prefix: string;
  readonly #writesMax: number;
  readonly #live: { key: string; writes: number }[] = [];
  #made = 0;

  constructor(prefix: string, live: number, writesMax: number) {
    this.#prefix = prefix;
    this.#writesMax = writesMax;
    for (let i = 0; i < live; i++) this.#live.push(this.#fresh());
  }

  read(chance: Chance): string {
    return this.#pick(chance).key;
  }

  /** `count` is how many writes the key had before, this one included: no two are the same. */
  write(chance: Chance): { key: string; count: number } {
    const picked = this.#pick(chance);
    picked.writes++;
    const { key, writes: count } = picked;
    if (count >= this.#writesMax) this.#live[this.#live.indexOf(picked)] = this.#fresh();
    return { key, count };
  }

  /** Retired ones as well. */
  all(): string[] {
    return Array.from({ length: this.#made }, (_, i) => this.#name(i));
  }

  #pick(chance: Chance): { key: string; writes: number } {
    let i = 0;
    while (i < this.#live.length - 1 && chance.permille(500)) i++;
    return this.#live[i] as { key: string; writes: number };
  }

  #fresh(): { key: string; writes: number } {
    return { key: this.#name(this.#made++), writes: 0 };
  }

  #name(i: number): string {
    return `${this.#prefix}${i}`;
  }
}

/** Jepsen's list-append: 1 to 4 steps on 12 live keys, 128 writes to each. */
export class Appends implements Workload {
  readonly name = 'append';
  readonly #keys = new KeyPool('append:', 12, 128);

  next(chance: Chance): Request {
    const steps = Array.from({ length: chance.between(1, 4) }, () => this.#step(chance));
    if (steps.length === 1) return { manner: chance.permille(850) ? 'one' : 'script', steps };
    return { manner: chance.permille(750) ? 'transaction' : 'script', steps };
  }

  read(chance: Chance): Step {
    return { f: 'range', key: this.#keys.read(chance) };
  }

  finalReads(): Step[] {
    return this.#keys.all().map((key) => ({ f: 'range', key }));
  }

  #step(chance: Chance): Step {
    if (chance.permille(500)) return this.read(chance);
    const { key, count } = this.#keys.write(chance);
    return { f: 'append', key, value: String(count) };
  }
}

/** GET, SET, SET GET, and compare-and-set by script or by WATCH. Every value is written once. */
export class Registers implements Workload {
  readonly name = 'register';
  readonly #keys = new KeyPool('register:', 4, 60);
  /** What was last asked to be written: a guess that makes a compare-and-set succeed at times. */
  readonly #latest = new Map<string, string>();

  next(chance: Chance): Request {
    const draw = chance.below(100);
    if (draw < 35) return { manner: 'one', steps: [this.read(chance)] };
    const { key, count } = this.#keys.write(chance);
    const from = this.#latest.get(key) ?? null;
    const value = `v${count}`;
    this.#latest.set(key, value);
    if (draw < 60) return { manner: 'one', steps: [{ f: 'write', key, value }] };
    if (draw < 70) return { manner: 'one', steps: [{ f: 'getset', key, value }] };
    const cas: Step = { f: 'cas', key, from, to: value };
    return { manner: draw < 85 ? 'one' : 'watch', steps: [cas] };
  }

  read(chance: Chance): Step {
    return { f: 'read', key: this.#keys.read(chance) };
  }

  finalReads(): Step[] {
    return this.#keys.all().map((key) => ({ f: 'read', key }));
  }
}

/** Counters, sets, hashes and lists, one command at a time. */
export class Structures implements Workload {
  readonly name = 'structures';
  readonly #counters = new KeyPool('counter:', 2, 100);
  readonly #sets = new KeyPool('set:', 2, 60);
  readonly #hashes = new KeyPool('hash:', 2, 60);
  readonly #lists = new KeyPool('list:', 2, 60);

  next(chance: Chance): Request {
    const draw = [this.#counter, this.#set, this.#hash, this.#list];
    const step = chance.pick(draw).call(this, chance);
    return { manner: chance.permille(850) ? 'one' : 'script', steps: [step] };
  }

  read(chance: Chance): Step {
    return { f: 'read', key: this.#counters.read(chance) };
  }

  finalReads(): Step[] {
    return [
      ...this.#counters.all().map((key): Step => ({ f: 'read', key })),
      ...this.#sets.all().map((key): Step => ({ f: 'smembers', key })),
      ...this.#hashes.all().map((key): Step => ({ f: 'hgetall', key })),
      ...this.#lists.all().map((key): Step => ({ f: 'range', key })),
    ];
  }

  #counter(chance: Chance): Step {
    if (chance.permille(400)) return { f: 'read', key: this.#counters.read(chance) };
    const { key } = this.#counters.write(chance);
    return { f: 'incr', key, by: chance.between(1, 9) };
  }

  #set(chance: Chance): Step {
    if (chance.permille(300)) return { f: 'smembers', key: this.#sets.read(chance) };
    const value = `m${chance.below(8)}`;
    if (chance.permille(200)) return { f: 'sismember', key: this.#sets.read(chance), value };
    const { key } = this.#sets.write(chance);
    if (chance.permille(150)) return { f: 'spop', key };
    return { f: chance.permille(600) ? 'sadd' : 'srem', key, value };
  }

  #hash(chance: Chance): Step {
    const field = `f${chance.below(4)}`;
    if (chance.permille(250)) return { f: 'hgetall', key: this.#hashes.read(chance) };
    if (chance.permille(250)) return { f: 'hget', key: this.#hashes.read(chance), field };
    const { key, count } = this.#hashes.write(chance);
    if (chance.permille(200)) return { f: 'hdel', key, field };
    // Numbers have a field of their own: what is text cannot be counted.
    if (chance.permille(400)) return { f: 'hincr', key, field: 'n', by: chance.between(1, 9) };
    return { f: 'hset', key, field, value: `v${count}` };
  }

  #list(chance: Chance): Step {
    if (chance.permille(250)) return { f: 'range', key: this.#lists.read(chance) };
    if (chance.permille(150)) return { f: 'len', key: this.#lists.read(chance) };
    const { key, count } = this.#lists.write(chance);
    if (chance.permille(150)) return { f: 'lpop', key };
    if (chance.permille(150)) return { f: 'rpop', key };
    return { f: chance.permille(500) ? 'push' : 'append', key, value: `e${count}` };
  }
}
