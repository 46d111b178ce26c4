/**
 * Keys from one server that has loaded them to wherever they belong: several batches under way, so
 * that reading, sending and storing go on beside one another.
 *
 * A key is put whole or not at all. Nothing is remembered: whoever begins again puts every key
 * again, and finds those that are there already.
 */
import type { DatabaseChoice } from '../../core/dataset/databases.ts';
import { type KeyDump, restoreRequest, typeOf } from '../../core/dataset/key-dumps.ts';
import { errorText, isError } from '../../core/dataset/raw-replies.ts';
import type { Tally } from '../../core/dataset/tally.ts';
import { DatasetError } from './errors.ts';
import { Flights } from './flights.ts';
import type { Source } from './source.ts';
import { nameOf, type Target } from './target.ts';

/** Batches under way: each is up to half a megabyte and one value. */
const FLIGHTS_MAX = 6;

export interface MoveOptions {
  readonly source: Source;
  readonly target: Target;
  readonly moves: readonly DatabaseChoice[];
  /** What has the key already is replaced. */
  readonly replace: boolean;
  /** Counts what is put, by type. */
  readonly tally: Tally;
  /** Counts as it goes. */
  readonly onMoved: (keys: number, bytes: number) => void;
  /** Ends between two batches. */
  readonly signal: AbortSignal;
}

export interface MoveReport {
  readonly put: number;
  /** Something had the key. */
  readonly there: number;
}

export async function moveKeys(options: MoveOptions): Promise<MoveReport> {
  const { source, moves, signal } = options;
  const flights = new Flights(FLIGHTS_MAX);
  const report = { put: 0, there: 0 };
  try {
    for (const { from, to } of moves) {
      for await (const dumps of source.dumps(from)) {
        if (signal.aborted) break;
        await flights.begin(async () => {
          const there = await putAll(options, to, dumps);
          report.put += dumps.length - there;
          report.there += there;
          count(options, dumps);
        });
      }
    }
  } finally {
    await flights.end();
  }
  return report;
}

function count({ onMoved, tally }: MoveOptions, dumps: readonly KeyDump[]): void {
  let bytes = 0;
  for (const dump of dumps) {
    tally.add(typeOf(dump), dump.bulk.length);
    bytes += dump.bulk.length;
  }
  onMoved(dumps.length, bytes);
}

/** How many were there already. */
async function putAll(
  { target, replace }: MoveOptions,
  database: number,
  dumps: readonly KeyDump[],
): Promise<number> {
  const requests = dumps.map((dump) => ({ key: dump.key, bytes: restoreRequest(dump, replace) }));
  let there = 0;
  for (const [at, raw] of (await target.run(database, requests)).entries()) {
    if (!isError(raw)) continue;
    const text = errorText(raw);
    if (!text.startsWith('BUSYKEY')) throw refusal(dumps[at] as KeyDump, text);
    there += 1;
  }
  return there;
}

function refusal({ key, bulk }: KeyDump, text: string): DatasetError {
  const name = JSON.stringify(key.toString('utf8'));
  return new DatasetError(
    'TARGET_REFUSED',
    `the target did not take key ${name} (${bulk.length} bytes): ${text}`,
  );
}

/** The command that puts nothing: its time is over long since. It is checked like any other. */
const LONG_AGO = 1;

/** Why `target` would not take what this source gives; null when it would. */
export async function refusedBecause(source: Source, target: Target): Promise<string | null> {
  const bulk = await probeDump(source);
  for (const primary of target.primaries) {
    const key = target.keyAt(primary);
    if (key === null) continue;
    const bytes = restoreRequest({ key, bulk, expiresAt: LONG_AGO }, false);
    const [raw] = await target.run(0, [{ key, bytes }]);
    if (raw !== undefined && isError(raw)) return `${nameOf(primary)}: ${errorText(raw)}`;
  }
  return null;
}

const PROBE = `
redis.call('SET', KEYS[1], 'probe')
local dump = redis.call('DUMP', KEYS[1])
redis.call('DEL', KEYS[1])
return dump`;

async function probeDump(source: Source): Promise<Buffer> {
  const name = `althing:probe:${Math.random()}`;
  const dump = (await source.ask(['EVAL', PROBE, '1', name])) as Buffer;
  return Buffer.concat([Buffer.from(`$${dump.length}\r\n`), dump, Buffer.from('\r\n')]);
}
