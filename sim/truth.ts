/**
 * What was agreed on, kept outside of all nodes: one string of stream bytes, made of the committed
 * entries in their order, and at each offset in it one state of the data. Every server must be a
 * prefix of it, but for what a leader's has executed ahead and nobody was told of.
 */
import type { Entry } from '../src/core/raft/protocol.ts';
import type { LogIndex, NodeId, Term } from '../src/core/scalars.ts';
import { unitEnds } from './unit-scan.ts';
import { must } from './violation.ts';

const KIND_DATA = 2;
const HEADER_BYTES = 9;

interface State {
  readonly digest: number;
  readonly by: string;
}

export class Truth {
  #bytes = Buffer.alloc(1 << 16);
  #length = 0;
  /** The stream's end after each committed index. */
  readonly #ends: number[] = [0];
  /** Of entries that nobody has committed yet, by index and term. */
  readonly #payloads = new Map<LogIndex, Map<Term, Buffer>>();
  readonly #states = new Map<number, State>();
  #growths = 0;
  checks = 0;

  /** The end of what was committed, by anybody. */
  get length(): number {
    return this.#length;
  }

  /** Changes when the stream has grown. */
  get growths(): number {
    return this.#growths;
  }

  /** Whole execution units only (DESIGN §3.3, holes H7). */
  appended(node: NodeId, entries: readonly Entry[]): void {
    for (const { index, term, payload } of entries) {
      if (index < this.#ends.length) continue;
      const known = this.#payloads.get(index) ?? new Map<Term, Buffer>();
      if (known.has(term)) continue;
      const bytes = Buffer.from(payload);
      if (bytes[0] === KIND_DATA) {
        const ends = unitEnds(bytes.subarray(HEADER_BYTES));
        must(typeof ends !== 'string', 'entries hold whole execution units', () => {
          return `${node} ${index}/${term}: ${ends}`;
        });
        this.checks += 1;
      }
      known.set(term, bytes);
      this.#payloads.set(index, known);
    }
  }

  /** The first commit of an index, by whomever: here the history grows. */
  committed(index: LogIndex, term: Term): void {
    if (index < this.#ends.length) return;
    must(index === this.#ends.length, 'commits leave nothing out', () => `${index}`);
    const payload = this.#payloads.get(index)?.get(term);
    must(payload !== undefined, 'what is committed was appended', () => `${index}/${term}`);
    this.#payloads.delete(index);
    if (payload[0] === KIND_DATA) {
      const start = Number(payload.readBigUInt64BE(1));
      must(start === this.#length, 'an entry begins where the history ends', () => {
        return `${index}/${term} begins at ${start}, the history ends at ${this.#length}`;
      });
      this.#grow(payload.subarray(HEADER_BYTES));
    }
    this.#ends.push(this.#length);
    this.#growths += 1;
  }

  /** The first index whose end reaches `offset`; null when that is not committed. */
  indexOf(offset: number): LogIndex | null {
    if (offset > this.#length) return null;
    let low = 0;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ends[middle] as number) >= offset) high = middle;
      else low = middle + 1;
    }
    return low as LogIndex;
  }

  holds(start: number, bytes: Buffer): boolean {
    const end = start + bytes.length;
    return end <= this.#length && this.#bytes.subarray(start, end).equals(bytes);
  }

  /** Every server is the same at equal offsets. */
  stateAt(who: string, offset: number, digest: number): void {
    const known = this.#states.get(offset);
    if (known === undefined) this.#states.set(offset, { digest, by: who });
    else
      must(known.digest === digest, 'servers are the same at equal offsets', () => {
        return `${who} at ${offset}: ${digest}, and ${known.by}: ${known.digest}`;
      });
    this.checks += 1;
  }

  #grow(bytes: Buffer): void {
    const need = this.#length + bytes.length;
    if (need > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(need, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    bytes.copy(this.#bytes, this.#length);
    this.#length = need;
  }
}
