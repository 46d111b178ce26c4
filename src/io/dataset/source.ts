/** The server that has loaded the files, as what its keys are read from. */
import { dumpRequest, type KeyDump, readDumps } from '../../core/dataset/key-dumps.ts';
import { errorText, isError, type RawValue, readValue } from '../../core/dataset/raw-replies.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import { DatasetError } from './errors.ts';
import { type Access, Pipe, type Place } from './pipe.ts';

export interface SourcePlace {
  readonly place: Place;
  readonly access: Access;
}

/** Keys of a page; they come without their values. */
const PAGE_KEYS = 512;
/** Of values that are read in one go, and one value more. */
const BATCH_BYTES = 512 * 1024;

export class Source {
  readonly #at: SourcePlace;
  readonly #pipes = new Map<number, Promise<Pipe>>();

  constructor(at: SourcePlace) {
    this.#at = at;
  }

  /** All keys with their values. Each is given once, for nobody else writes there. */
  async *dumps(database: number): AsyncGenerator<readonly KeyDump[]> {
    for await (const keys of this.pages(database)) {
      for (let rest = keys; rest.length > 0; ) {
        const [raw] = await this.exchange(database, [dumpRequest(rest, BATCH_BYTES)]);
        const { looked, dumps } = readDumps(raw as Buffer, rest);
        rest = rest.slice(looked);
        if (dumps.length > 0) yield dumps;
      }
    }
  }

  /** All keys, some hundreds at a time; the next page is on its way meanwhile. */
  async *pages(database: number): AsyncGenerator<readonly Buffer[]> {
    let next = this.#page(database, '0');
    for (;;) {
      const { cursor, keys } = await next;
      if (cursor === '0') {
        if (keys.length > 0) yield keys;
        return;
      }
      next = this.#page(database, cursor);
      // Who is not asked for it any more does not hear that it failed.
      next.catch(() => undefined);
      if (keys.length > 0) yield keys;
    }
  }

  /** Rejects with SOURCE_GONE, also for an error reply: it is there for this alone. */
  async exchange(database: number, commands: readonly Uint8Array[]): Promise<Buffer[]> {
    const raws = await (await this.#pipe(database)).exchange(commands);
    const wrong = raws.find(isError);
    if (wrong !== undefined) throw new DatasetError('SOURCE_GONE', errorText(wrong));
    return raws;
  }

  async ask(words: readonly (string | Uint8Array)[]): Promise<RawValue> {
    const [raw] = await this.exchange(0, [encodeCommand(words)]);
    return readValue(raw as Buffer);
  }

  close(): void {
    for (const pipe of this.#pipes.values())
      void pipe.then(
        (open) => open.close(),
        () => undefined,
      );
    this.#pipes.clear();
  }

  async #page(database: number, from: string): Promise<{ cursor: string; keys: Buffer[] }> {
    const words = ['SCAN', from, 'COUNT', String(PAGE_KEYS)];
    const [raw] = await this.exchange(database, [encodeCommand(words)]);
    const [cursor, keys] = readValue(raw as Buffer) as readonly [Buffer, Buffer[]];
    return { cursor: String(cursor), keys };
  }

  #pipe(database: number): Promise<Pipe> {
    const known = this.#pipes.get(database);
    if (known !== undefined) return known;
    const made = Pipe.open({ ...this.#at, database, goneCode: 'SOURCE_GONE' });
    made.catch(() => undefined);
    this.#pipes.set(database, made);
    return made;
  }
}
