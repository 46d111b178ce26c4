/**
 * Everybody who watches an eventual deployment: a prober that asks every node all the time whether
 * it takes writes, and writers that note what was acknowledged to them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Beside, type Scope } from './scope.ts';
import { Wire } from './wire.ts';

const PROBE_EVERY_MS = 15;
const WRITE_EVERY_MS = 4;
/** A node that does not answer: it is asked again on another connection. */
const ANSWER_MS = 400;
/** What a replica gets within this is counted as waited for. */
const WAIT_MS = 300;

/** A write that a node has taken, at some time between the two, in this history. */
export interface Watched {
  /** Of each node: its port for clients, or the path of its server's socket. */
  readonly places: readonly (number | string)[];
  readonly password?: string;
}

function wireTo({ places, password }: Watched, node: number): Wire {
  const wire = new Wire(places[node % places.length] as number | string);
  if (password !== undefined) wire.command('AUTH', password);
  return wire;
}

/** Behind the answer to AUTH, where there was one. */
async function admitted(wire: Wire, { password }: Watched): Promise<void> {
  if (password !== undefined) await wire.reply(ANSWER_MS);
}

export interface Taken {
  readonly node: number;
  readonly sentMs: number;
  readonly ackedMs: number;
  readonly history: string;
}

export class Prober {
  readonly taken: Taken[] = [];

  constructor(scope: Scope, watched: Watched) {
    for (const node of watched.places.keys())
      new Beside(scope, async (isOn) => {
        let wire: Wire | null = null;
        for (let n = 0; isOn(); n++) {
          try {
            if (wire === null) {
              wire = wireTo(watched, node);
              await admitted(wire, watched);
            }
            await this.#ask(wire, node, n);
          } catch {
            wire?.close();
            wire = null;
          }
          await sleep(PROBE_EVERY_MS);
        }
        wire?.close();
      });
  }

  async #ask(wire: Wire, node: number, n: number): Promise<void> {
    const sentMs = performance.now();
    wire.command('SET', `probe:${node}:${n}`, n);
    wire.command('INFO', 'replication');
    const reply = await wire.reply(ANSWER_MS);
    const ackedMs = performance.now();
    const history = /master_replid:(\w+)/.exec(String(await wire.reply(ANSWER_MS)))?.[1];
    if (reply === 'OK' && history !== undefined)
      this.taken.push({ node, sentMs, ackedMs, history });
  }

  /** The first write that was taken after `afterMs`, in another history than `history`. */
  firstAfter(afterMs: number, history: string): Taken | null {
    return this.taken.find((each) => each.sentMs > afterMs && each.history !== history) ?? null;
  }

  get last(): Taken | null {
    return this.taken.at(-1) ?? null;
  }

  /** Writes taken in a history after a later one had begun: two primaries at one time. */
  get strays(): { readonly stray: Taken; readonly since: Taken }[] {
    const begun = new Map<string, Taken>();
    for (const each of this.taken) if (!begun.has(each.history)) begun.set(each.history, each);
    const order = [...begun.values()];
    return this.taken.flatMap((stray) => {
      const own = order.findIndex(({ history }) => history === stray.history);
      const since = order.slice(own + 1).find(({ ackedMs }) => ackedMs < stray.sentMs);
      return since === undefined ? [] : [{ stray, since }];
    });
  }
}

/** Writes one key after the other to whoever takes them. */
export class EventualWriter {
  readonly acknowledged: string[] = [];
  readonly #beside: Beside<void>;

  /** `replicas`: each write waits for so many, and counts when they have it; 0: for none. */
  constructor(scope: Scope, watched: Watched, name: string, replicas: number) {
    this.#beside = new Beside(scope, async (isOn) => {
      let wire: Wire | null = null;
      let at = 0;
      for (let n = 0; isOn(); n++) {
        if (wire === null) {
          wire = wireTo(watched, at);
          await admitted(wire, watched).catch(() => undefined);
        }
        const key = `${name}:${n}`;
        const outcome = await written(wire, key, replicas);
        if (outcome === 'taken') this.acknowledged.push(key);
        if (outcome === 'refused') {
          wire.close();
          wire = null;
          at += 1;
        }
        await sleep(WRITE_EVERY_MS);
      }
      wire?.close();
    });
  }

  stop(): Promise<void> {
    return this.#beside.stop();
  }
}

/** refused: this node is no primary now, or is not there. */
type Outcome = 'taken' | 'too few have it' | 'refused';

async function written(wire: Wire, key: string, replicas: number): Promise<Outcome> {
  try {
    wire.command('SET', key, key);
    if (replicas > 0) wire.command('WAIT', replicas, WAIT_MS);
    if ((await wire.reply(ANSWER_MS)) !== 'OK') return 'refused';
    if (replicas === 0) return 'taken';
    const having = await wire.reply(ANSWER_MS + WAIT_MS);
    return having === replicas ? 'taken' : 'too few have it';
  } catch {
    return 'refused';
  }
}

/** Those of `keys` that the server of `node` does not have. */
export async function missingKeys(
  watched: Watched,
  node: number,
  keys: readonly string[],
): Promise<string[]> {
  const wire = wireTo(watched, node);
  try {
    await admitted(wire, watched);
    const missing: string[] = [];
    for (let at = 0; at < keys.length; at += 500) {
      const some = keys.slice(at, at + 500);
      for (const key of some) wire.command('EXISTS', key);
      for (const key of some) if ((await wire.reply()) !== 1) missing.push(key);
    }
    return missing;
  } finally {
    wire.close();
  }
}
