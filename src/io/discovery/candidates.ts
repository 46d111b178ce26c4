/**
 * Who knows which address, since when, and how each source fares. Pure: time is an argument.
 *
 * A candidate is a place to ask and nothing more: one address may lead to some node of many (a
 * virtual IP), two may lead to the same. Who is there is for the hello to say (design §5).
 *
 * Invariants: what the latest answer of a source named stays however long the source fails
 * afterwards; what it no longer names goes after the source's `keepMs`; no source holds more than
 * `sourceAddressesMax`.
 */
import { assert } from '../../assert.ts';
import { addressText, byText } from './address.ts';
import type { Answer, Place } from './source.ts';

export interface Candidate extends Place {
  /** `host:port` of the peer listener, IPv6 in brackets: what it is known by. */
  readonly text: string;
  /** Labels of the sources that name it, sorted. */
  readonly sources: readonly string[];
}

export interface Change {
  readonly added: readonly Candidate[];
  readonly removed: readonly Candidate[];
}

export interface SourceStatus {
  readonly source: string;
  /** What counts now: of its latest answer, and of earlier ones still kept. */
  readonly addresses: readonly string[];
  readonly lastAnswer: { readonly msAgo: number; readonly addresses: number } | null;
  /** Null when the latest look was well. */
  readonly lastError: { readonly msAgo: number; readonly text: string } | null;
  /** Null while it is looking, or watching, or has nothing more to ask. */
  readonly nextTryInMs: number | null;
}

interface Entry {
  readonly place: Place;
  readonly namedAtMs: number;
}

interface Book {
  readonly keepMs: number;
  entries: ReadonlyMap<string, Entry>;
  answer: { readonly atMs: number; readonly addresses: number } | null;
  error: { readonly atMs: number; readonly text: string } | null;
  nextTryMs: number | null;
}

export class Candidates {
  readonly #addressesMax: number;
  readonly #books = new Map<string, Book>();
  #listed: ReadonlyMap<string, Candidate> = new Map();

  constructor(addressesMax: number) {
    this.#addressesMax = addressesMax;
  }

  add(source: string, keepMs: number): void {
    assert(!this.#books.has(source), 'a source is added once');
    this.#books.set(source, {
      keepMs,
      entries: new Map(),
      answer: null,
      error: null,
      nextTryMs: null,
    });
  }

  answered(source: string, { places, complaint }: Answer, nowMs: number): Change {
    const book = this.#book(source);
    const { named, leftOut } = this.#named(book, places, nowMs);
    book.entries = this.#withKept(book, named, nowMs);
    book.answer = { atMs: nowMs, addresses: named.size };
    const tooMany = `${leftOut} addresses are left out: ${this.#addressesMax} are the most`;
    const texts = [...(complaint === null ? [] : [complaint]), ...(leftOut > 0 ? [tooMany] : [])];
    book.error = texts.length === 0 ? null : { atMs: nowMs, text: texts.join('; ') };
    book.nextTryMs = null;
    return this.#relist();
  }

  /** Heard beside the answers of `source`: it counts as long as an answer that is not repeated. */
  heard(source: string, place: Place, nowMs: number): Change {
    const book = this.#book(source);
    const entries = new Map(book.entries);
    const key = addressText(place.address);
    if (!entries.has(key) && entries.size >= this.#addressesMax) {
      const [oldest] = [...entries].toSorted((a, b) => a[1].namedAtMs - b[1].namedAtMs);
      if (oldest !== undefined) entries.delete(oldest[0]);
    }
    entries.set(key, { place, namedAtMs: nowMs });
    book.entries = entries;
    return this.#relist();
  }

  failed(source: string, text: string, nowMs: number): void {
    this.#book(source).error = { atMs: nowMs, text };
  }

  /** `source` rests until then; null: it is looking. */
  rests(source: string, nextTryMs: number | null): void {
    this.#book(source).nextTryMs = nextTryMs;
  }

  /** Forgets what has not been named for too long. */
  age(nowMs: number): Change {
    for (const book of this.#books.values()) {
      const { entries, answer, keepMs } = book;
      const stays = ({ namedAtMs }: Entry) =>
        namedAtMs === answer?.atMs || nowMs - namedAtMs < keepMs;
      if (![...entries.values()].every(stays))
        book.entries = new Map([...entries].filter(([, entry]) => stays(entry)));
    }
    return this.#relist();
  }

  /** Sorted by address. */
  list(): readonly Candidate[] {
    return [...this.#listed.values()];
  }

  errorOf(source: string): string | null {
    return this.#book(source).error?.text ?? null;
  }

  /** In the order in which the sources were added. */
  status(nowMs: number): readonly SourceStatus[] {
    return [...this.#books].map(([source, { entries, answer, error, nextTryMs }]) => ({
      source,
      addresses: [...entries.keys()].toSorted(byText),
      lastAnswer:
        answer === null ? null : { msAgo: nowMs - answer.atMs, addresses: answer.addresses },
      lastError: error === null ? null : { msAgo: nowMs - error.atMs, text: error.text },
      nextTryInMs: nextTryMs === null ? null : Math.max(0, nextTryMs - nowMs),
    }));
  }

  /** Those known before come first, so that a long answer in another order changes nothing. */
  #named(book: Book, places: readonly Place[], nowMs: number) {
    const all = new Map(places.map((place) => [addressText(place.address), place]));
    const known = [...all.keys()].filter((key) => book.entries.has(key));
    const fresh = [...all.keys()].filter((key) => !book.entries.has(key));
    const taken = [...known, ...fresh].slice(0, this.#addressesMax);
    const named = new Map<string, Entry>();
    for (const key of taken) {
      const place = all.get(key);
      if (place !== undefined) named.set(key, { place, namedAtMs: nowMs });
    }
    return { named, leftOut: all.size - named.size };
  }

  #withKept(book: Book, named: ReadonlyMap<string, Entry>, nowMs: number): Map<string, Entry> {
    const entries = new Map(named);
    const kept = [...book.entries]
      .filter(([key, entry]) => !named.has(key) && nowMs - entry.namedAtMs < book.keepMs)
      .toSorted((a, b) => b[1].namedAtMs - a[1].namedAtMs)
      .slice(0, this.#addressesMax - named.size);
    for (const [key, entry] of kept) entries.set(key, entry);
    return entries;
  }

  #relist(): Change {
    const found = new Map<string, { place: Place; sources: string[] }>();
    for (const [source, { entries }] of this.#books) {
      for (const [text, { place }] of entries) {
        const before = found.get(text);
        if (before === undefined) found.set(text, { place, sources: [source] });
        else {
          before.sources.push(source);
          if (before.place.http === null) before.place = place;
        }
      }
    }
    const before = this.#listed;
    this.#listed = new Map(
      [...found]
        .toSorted(([a], [b]) => byText(a, b))
        .map(([text, { place, sources }]) => {
          return [text, { text, ...place, sources: sources.toSorted(byText) }];
        }),
    );
    return {
      added: [...this.#listed.values()].filter(({ text }) => !before.has(text)),
      removed: [...before.values()].filter(({ text }) => !this.#listed.has(text)),
    };
  }

  #book(source: string): Book {
    const book = this.#books.get(source);
    assert(book !== undefined, 'a source is added before it speaks');
    return book;
  }
}
