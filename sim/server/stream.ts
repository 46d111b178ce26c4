/**
 * The replication stream of one server: its ids, how many bytes it has, and the last of them.
 *
 * `facts/engine.md` §6.3: two ids, of which the second counts up to where it was left; the offset
 * counts every byte; a SELECT stands before the first command after the database changed.
 */
import type { FlavorFacts } from './flavor.ts';
import { bulks } from './resp.ts';

export interface Effect {
  readonly db: number;
  readonly words: readonly string[];
}

const NO_ID = '0'.repeat(40);
/** Forgotten chunks are cut off the list when it has so many. */
const FORGOTTEN_MAX = 1024;

export class ReplicationStream {
  readonly #flavor: FlavorFacts;
  readonly #entropy: () => number;
  #chunks: Buffer[] | null = null;
  #forgotten = 0;
  /** Bytes in `#chunks`: those up to `offset`. */
  #held = 0;
  /** -1: the next command is preceded by SELECT in any case. */
  #db = -1;
  replid: string;
  replid2 = NO_ID;
  /** `replid2` is as good as `replid` for who asks for a byte up to this one. */
  replid2Until = -1;
  offset = 0;

  constructor(flavor: FlavorFacts, entropy: () => number) {
    this.#flavor = flavor;
    this.#entropy = entropy;
    this.replid = this.#newId();
  }

  get hasBacklog(): boolean {
    return this.#chunks !== null;
  }

  /** The database of the last command, for a snapshot. */
  get streamDb(): number {
    return Math.max(this.#db, 0);
  }

  forceSelect(): void {
    this.#db = -1;
  }

  openBacklog(): void {
    this.#chunks ??= [];
  }

  dropBacklog(): void {
    this.#chunks = null;
    this.#forgotten = 0;
    this.#held = 0;
  }

  /** There is no past that anybody could continue. */
  renew(): void {
    this.replid = this.#newId();
    this.forgetSecond();
  }

  forgetSecond(): void {
    this.replid2 = NO_ID;
    this.replid2Until = -1;
  }

  /** A new history begins here; the old one is known up to here. */
  shift(): void {
    this.adopt(this.#newId());
    this.#db = -1;
  }

  /** Somebody else's new name for what follows. */
  adopt(replid: string): void {
    this.replid2 = this.replid;
    this.replid2Until = this.offset + 1;
    this.replid = replid;
  }

  /** Whether bytes from `next` of `replid` are here. */
  covers(replid: string, next: number): boolean {
    const isSecond = replid === this.replid2 && next <= this.replid2Until;
    if (replid !== this.replid && !isSecond) return false;
    return this.hasBacklog && next > this.offset - this.#held && next <= this.offset + 1;
  }

  since(next: number): Buffer {
    let skip = this.#held - (this.offset + 1 - next);
    const found: Buffer[] = [];
    for (const chunk of (this.#chunks ?? []).slice(this.#forgotten)) {
      if (skip < chunk.length) found.push(chunk.subarray(Math.max(skip, 0)));
      skip -= chunk.length;
    }
    return Buffer.concat(found);
  }

  /** One execution unit as it stands in the stream. */
  encode(effects: readonly Effect[]): Buffer {
    if (effects.length > 1) return this.#encodeTransaction(effects);
    let text = '';
    for (const effect of effects) text += this.#select(effect.db) + bulks(effect.words);
    return Buffer.from(text, 'latin1');
  }

  /** Counts bytes, and keeps the last `bytesMax` of them at least. */
  append(bytes: Buffer, bytesMax: number): void {
    this.offset += bytes.length;
    const chunks = this.#chunks;
    if (chunks === null) return;
    chunks.push(bytes);
    this.#held += bytes.length;
    let oldest = chunks[this.#forgotten] as Buffer;
    while (this.#held - oldest.length >= bytesMax) {
      this.#held -= oldest.length;
      this.#forgotten += 1;
      oldest = chunks[this.#forgotten] as Buffer;
    }
    if (this.#forgotten > FORGOTTEN_MAX) {
      this.#chunks = chunks.slice(this.#forgotten);
      this.#forgotten = 0;
    }
  }

  #encodeTransaction(effects: readonly Effect[]): Buffer {
    const first = effects[0] as Effect;
    let text = this.#flavor.selectsInsideMulti ? '' : this.#select(first.db);
    text += bulks(['MULTI']);
    for (const effect of effects) text += this.#select(effect.db) + bulks(effect.words);
    return Buffer.from(text + bulks(['EXEC']), 'latin1');
  }

  #select(db: number): string {
    if (db === this.#db || db < 0) return '';
    this.#db = db;
    return bulks(['SELECT', String(db)]);
  }

  #newId(): string {
    let id = '';
    while (id.length < 40) id += (this.#entropy() >>> 0).toString(16).padStart(8, '0');
    return id;
  }
}
