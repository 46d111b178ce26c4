/**
 * Compares what a source holds with what its target has of it, key by key, and sums up both: read
 * by the commands that clients have, in a form that does not depend on the server.
 */
import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  contentsOf,
  contentsRequest,
  factsRequest,
  type KeyFacts,
  keyRecord,
  readFacts,
} from '../../core/dataset/contents.ts';
import type { DatabaseChoice } from '../../core/dataset/databases.ts';
import { DigestSum } from '../../core/dataset/digest-sum.ts';
import { errorText, isError, readValue } from '../../core/dataset/raw-replies.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import { DatasetError } from './errors.ts';
import { Flights } from './flights.ts';
import type { Source } from './source.ts';
import type { Target } from './target.ts';

const FLIGHTS_MAX = 4;
/** Of values that are read in one go, and one value more; from both sides. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_KEYS = 256;
/** A copy that answers reads may be a moment behind what was put. */
const LOOKS_MAX = 4;
const LOOK_MS = 250;
/** Of keys that are named; all are counted. */
const NAMES_MAX = 10;

export interface Difference {
  readonly key: string;
  readonly what: 'missing' | 'differs';
}

export interface Comparison {
  readonly keys: number;
  /** Of what the source has. */
  readonly sourceDigest: string;
  /** Of what the target has of it. */
  readonly targetDigest: string;
  /** The source's keys that never expire: the same, whenever it is read. */
  readonly lastingDigest: string;
  readonly missing: number;
  readonly differing: number;
  readonly named: readonly Difference[];
}

export interface CompareOptions {
  readonly source: Source;
  /** Null: the source is summed up alone. */
  readonly target: Target | null;
  readonly moves: readonly DatabaseChoice[];
  readonly onCompared: (keys: number) => void;
  readonly signal: AbortSignal;
}

export async function compare(options: CompareOptions): Promise<Comparison> {
  const comparing = new Comparing(options);
  const flights = new Flights(FLIGHTS_MAX);
  try {
    for (const move of options.moves) {
      for await (const keys of options.source.pages(move.from)) {
        if (options.signal.aborted) break;
        await flights.begin(() => comparing.page(move, keys));
      }
    }
  } finally {
    await flights.end();
  }
  return comparing.result();
}

class Comparing {
  readonly #options: CompareOptions;
  readonly #sums = { source: new DigestSum(), target: new DigestSum(), lasting: new DigestSum() };
  readonly #counts = { keys: 0, missing: 0, differing: 0 };
  readonly #named: Difference[] = [];

  constructor(options: CompareOptions) {
    this.#options = options;
  }

  async page(move: DatabaseChoice, keys: readonly Buffer[]): Promise<void> {
    const [raw] = await this.#options.source.exchange(move.from, [factsRequest(keys)]);
    for (const batch of batchesOf(readFacts(raw as Buffer, keys))) {
      const contents = await this.#ofSource(move.from, batch);
      const found = batch.filter((_, at) => contents[at] !== null);
      await this.#batch(
        move,
        found,
        contents.filter((each) => each !== null),
      );
      this.#counts.keys += found.length;
      this.#options.onCompared(found.length);
    }
  }

  result(): Comparison {
    const { source, target, lasting } = this.#sums;
    return {
      ...this.#counts,
      sourceDigest: source.text,
      targetDigest: target.text,
      lastingDigest: lasting.text,
      named: this.#named,
    };
  }

  /** Null for a key that expired meanwhile. */
  async #ofSource(database: number, batch: readonly KeyFacts[]): Promise<(Buffer | null)[]> {
    const raws = await this.#options.source.exchange(database, batch.map(contentsRequest));
    return batch.map(({ type }, at) => contentsOf(type, raws[at] as Buffer));
  }

  async #batch(
    move: DatabaseChoice,
    batch: readonly KeyFacts[],
    contents: readonly Buffer[],
  ): Promise<void> {
    const hashes = batch.map((facts, at) =>
      hash('sha256', keyRecord(move.from, facts, contents[at] as Buffer), 'buffer'),
    );
    for (const [at, { expiresAt }] of batch.entries()) {
      this.#sums.source.add(hashes[at] as Buffer);
      if (expiresAt === 0) this.#sums.lasting.add(hashes[at] as Buffer);
    }
    const { target } = this.#options;
    if (target === null) return;
    let left = batch.map((facts, at) => ({ facts, hash: hashes[at] as Buffer }));
    for (let looks = 1; left.length > 0; looks++) {
      const seen = await seenAt(
        target,
        move,
        left.map(({ facts }) => facts),
      );
      const unlike: typeof left = [];
      for (const [at, each] of left.entries()) {
        const other = seen[at] ?? null;
        const isLike = other !== null && each.hash.equals(other);
        if (!isLike && looks < LOOKS_MAX) unlike.push(each);
        else this.#told(each.facts, isLike, other);
      }
      left = unlike;
      if (left.length > 0) await sleep(LOOK_MS);
    }
  }

  #told({ key, expiresAt }: KeyFacts, isLike: boolean, other: Buffer | null): void {
    if (other !== null) this.#sums.target.add(other);
    if (isLike) return;
    const isOver = expiresAt > 0 && expiresAt <= Date.now();
    if (other === null && isOver) return;
    if (other === null) this.#counts.missing += 1;
    else this.#counts.differing += 1;
    if (this.#named.length < NAMES_MAX)
      this.#named.push({ key: key.toString(), what: other === null ? 'missing' : 'differs' });
  }
}

/** The hash of what the target has by each key; null for nothing. */
async function seenAt(
  target: Target,
  move: DatabaseChoice,
  batch: readonly KeyFacts[],
): Promise<(Buffer | null)[]> {
  const requests = batch.flatMap((facts) => [
    { key: facts.key, bytes: contentsRequest(facts) },
    { key: facts.key, bytes: encodeCommand(['PEXPIRETIME', facts.key]) },
  ]);
  const raws = await target.run(move.to, requests);
  return batch.map((facts, at) => {
    const [raw, time] = [raws[2 * at] as Buffer, raws[2 * at + 1] as Buffer];
    const expiry = readValue(time);
    // -2: there is no such key.
    if (expiry === -2) return null;
    const text = isError(raw) ? errorText(raw) : '';
    if (text !== '' && !text.startsWith('WRONGTYPE')) throw refused(facts, text);
    const contents = text === '' ? contentsOf(facts.type, raw) : Buffer.from(text);
    const expiresAt = Math.max(0, Number(expiry));
    if (contents === null) return null;
    return hash('sha256', keyRecord(move.from, { ...facts, expiresAt }, contents), 'buffer');
  });
}

function refused({ key, type }: KeyFacts, text: string): DatasetError {
  const name = JSON.stringify(key.toString());
  return new DatasetError('TARGET_REFUSED', `the target does not show ${type} ${name}: ${text}`);
}

function* batchesOf(all: readonly KeyFacts[]): Generator<KeyFacts[]> {
  let batch: KeyFacts[] = [];
  let bytes = 0;
  for (const facts of all) {
    batch.push(facts);
    bytes += facts.bytes;
    if (bytes < BATCH_BYTES && batch.length < BATCH_KEYS) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
