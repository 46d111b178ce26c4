import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { logIndex, term } from '../scalars.ts';
import type { EntryHead, EntryId } from './protocol.ts';
import { id } from './small-world.test.ts';
import { Trail } from './trail.ts';

/** The same log as a plain list: the judge. */
class PlainTrail {
  base: EntryId = id(0, 0);
  heads: EntryHead[] = [];

  get last(): EntryId {
    const head = this.heads.at(-1);
    return head === undefined ? this.base : id(head.index, head.term);
  }

  bytes(after: number, upTo: number): number {
    let sum = 0;
    for (const head of this.heads) if (head.index > after && head.index <= upTo) sum += head.bytes;
    return sum;
  }

  termAt(index: number): number | null {
    if (index === this.base.index) return this.base.term;
    return this.heads.find((head) => head.index === index)?.term ?? null;
  }
}

function compare(trail: Trail, plain: PlainTrail): void {
  deepEqual(trail.last, plain.last);
  deepEqual(trail.base, plain.base);
  const from = Math.max(0, plain.base.index - 1);
  for (let i = from; i <= plain.last.index + 1; i++) {
    equal(trail.termAt(logIndex(i)), plain.termAt(i), `term at ${i}`);
    for (let j = i; j <= plain.last.index; j++)
      equal(trail.bytesBetween(logIndex(i), logIndex(j)), plain.bytes(i, j), `bytes ${i}..${j}`);
    for (const bytesMax of [0, 3, 7, 1000]) {
      if (i < plain.base.index || i >= plain.last.index) continue;
      let fits = i + 1;
      while (fits < plain.last.index && plain.bytes(i, fits + 1) <= bytesMax) fits++;
      equal(trail.fit(logIndex(i), bytesMax).index, fits, `fit after ${i}, ${bytesMax} bytes`);
    }
    for (let t = 0; t <= plain.last.term; t++) {
      let at = Math.max(plain.base.index, Math.min(i, plain.last.index));
      while (at > plain.base.index && (plain.termAt(at) ?? 0) > t) at--;
      equal(trail.lastUpTo(logIndex(i), term(t)).index, at, `last up to ${i} of term ${t}`);
    }
  }
}

test('a trail answers like a plain list, whatever was appended, cut, compacted and reset', () => {
  const command = fc.tuple(
    fc.constantFrom('append', 'append', 'cut', 'compact', 'reset'),
    fc.nat(9),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
      const trail = new Trail(id(0, 0), []);
      const plain = new PlainTrail();
      for (const [kind, n] of commands) {
        const { last, base } = plain;
        const held = id(base.index + (n % (last.index - base.index + 1)), 0);
        const at = id(held.index, plain.termAt(held.index) ?? 0);
        if (kind === 'append') {
          const head = { ...id(last.index + 1, last.term + (n % 2)), bytes: n };
          trail.append(head.term, head.bytes);
          plain.heads.push(head);
        } else if (kind === 'cut') {
          trail.truncateAfter(at.index);
          plain.heads = plain.heads.filter((head) => head.index <= at.index);
        } else if (kind === 'compact') {
          trail.compactTo(at);
          plain.heads = plain.heads.filter((head) => head.index > at.index);
          plain.base = at;
        } else {
          plain.base = id(last.index + n, last.term);
          plain.heads = [];
          trail.reset(plain.base);
        }
        compare(trail, plain);
      }
    }),
    { numRuns: 300 },
  );
});

test('a trail refuses a log with gaps and terms that fall', () => {
  throws(() => new Trail(id(0, 0), [{ ...id(2, 1), bytes: 1 }]), /no gaps/);
  const trail = new Trail(id(4, 3), []);
  throws(() => trail.append(term(2), 1), /never decrease/);
});
