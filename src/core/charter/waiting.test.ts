/** A founding that waits says for whom, why, and what to do; and what it says to do ends it. */
import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import type { Card, Phase } from './card.ts';
import { type Charter, charterOf, witnessesOf } from './charter.ts';
import { FOUNDING_WAIT_TICKS, Founding, type FoundingOutput, mismatchOf } from './founding.ts';

const NAME = 'orders';
const directoryOf = (node: string) => node.charCodeAt(0).toString(16).padEnd(16, '0');

interface Flags {
  /** Null: --join. */
  readonly expect: number | null;
  readonly witness?: boolean;
}

/** A node with a disk, in the hands of somebody who starts it with other flags now and then. */
class Node {
  readonly node: string;
  flags: Flags;
  #disk: { phase: Phase; charter: Charter } | null = null;
  #pending: { phase: Phase; charter: Charter } | null = null;
  #founding: Founding;

  constructor(node: string, flags: Flags) {
    this.node = node;
    this.flags = flags;
    this.#founding = this.#start();
  }

  get card(): Card {
    const { card } = this.#founding;
    return this.flags.witness === true ? { ...card, witness: true } : card;
  }

  get problems() {
    return this.#founding.problems;
  }

  restart(flags: Flags, others: readonly Node[]): void {
    this.flags = flags;
    this.#founding = this.#start();
    for (const other of others) if (other !== this) other.lose(this.node);
  }

  /** Its directory as an earlier life may have left it. */
  keep(saved: { phase: Phase; charter: Charter }): void {
    this.#disk = saved;
    this.#founding = this.#start();
  }

  hear(card: Card): void {
    this.#take(this.#founding.step({ kind: 'peerSeen', card }));
  }

  lose(node: string): void {
    this.#take(this.#founding.step({ kind: 'peerGone', directory: directoryOf(node) }));
  }

  /** What it was about to write becomes durable. */
  save(): void {
    const pending = this.#pending;
    if (pending === null) return;
    this.#disk = pending;
    this.#pending = null;
    this.#take(this.#founding.step({ kind: 'saved' }));
  }

  tick(ticks: number): FoundingOutput[] {
    return Array.from({ length: ticks }, () => this.#founding.step({ kind: 'tick' })).flat();
  }

  #start(): Founding {
    const { expect, witness = false } = this.flags;
    const self = { node: this.node, directory: directoryOf(this.node), witness };
    const options = { name: NAME, self, nodesExpected: expect, saved: this.#disk };
    equal(mismatchOf(options), null);
    this.#pending = null;
    this.#founding = new Founding(options);
    this.#take(this.#founding.step({ kind: 'started' }));
    return this.#founding;
  }

  #take(outputs: readonly FoundingOutput[]): void {
    for (const output of outputs) if (output.kind === 'save') this.#pending = output;
  }
}

function talk(nodes: readonly Node[], isSaved = true): void {
  for (let round = 0; round < 8; round++) {
    for (const to of nodes) for (const from of nodes) if (to !== from) to.hear(from.card);
    if (isSaved) for (const node of nodes) node.save();
  }
}

function nodesOf(names: string, expect = 3): Node[] {
  return [...names].map((node) => new Node(node, { expect }));
}

/** a and b have signed {a, b, c}, and c is about to. */
function twoSigned(): [Node, Node, Node] {
  const [a, b, c] = nodesOf('abc') as [Node, Node, Node];
  talk([a, b, c], false);
  a.save();
  b.hear(a.card);
  b.save();
  deepEqual(
    [a, b, c].map(({ card }) => card.phase),
    ['signed', 'signed', 'empty'],
  );
  return [a, b, c];
}

/** An empty node with a directory like that of node `life`. */
function founderNamed(node: string, life: string): Card {
  return { node, directory: directoryOf(life), phase: 'empty', charter: null };
}

/** Nobody has a word of it at first; after a while all say the same. */
function waitsLong(nodes: readonly Node[], text: RegExp, todo: RegExp): void {
  talk(nodes);
  for (const each of nodes) {
    const before = each.tick(FOUNDING_WAIT_TICKS - 1);
    deepEqual(before, [], 'not before it has lasted');
    equal(each.problems.length, 0);
    const [said] = each.tick(1);
    equal(said?.kind, 'problems');
    deepEqual(
      each.problems.map(({ code }) => code),
      ['FOUNDING_WAITS'],
    );
    match(each.problems[0]?.text ?? '', text);
    match(each.problems[0]?.todo ?? '', todo);
    deepEqual(each.tick(FOUNDING_WAIT_TICKS), [], 'once');
  }
}

function areIn(nodes: readonly Node[], joined = ''): void {
  talk(nodes);
  for (const { node, card, problems } of nodes) {
    equal(card.phase, joined.includes(node) ? 'joined' : 'member', node);
    deepEqual(problems, []);
  }
}

test('Founding: who signed waits for one that now only joins, and says so', () => {
  const [a, b, c] = twoSigned();
  c.restart({ expect: null }, [a, b]);
  waitsLong([a, b, c], /for c: .*only joins \(--join\)/, /^start c without --join/);
  c.restart({ expect: 3 }, [a, b]);
  areIn([a, b, c]);
});

test('Founding: who signed waits for one that now expects more, and says so', () => {
  const [a, b, c] = twoSigned();
  c.restart({ expect: 4 }, [a, b]);
  waitsLong([a, b, c], /for c: .*now it expects 4/, /^start c with --expect 3/);
  c.restart({ expect: 3 }, [a, b]);
  areIn([a, b, c]);
});

test('Founding: who would found waits for one that expects more than there are, and says so', () => {
  const all = [...nodesOf('abc'), new Node('d', { expect: 5 })];
  waitsLong(all, /for d: it expects 5 .* 4 are here; others expect 3/, /^start d with --join/);
  all[3]?.restart({ expect: null }, all);
  areIn(all, 'd');
});

test('Founding: who would found says so where too many are here only to join', () => {
  const [a, c, d] = [new Node('a', { expect: 3 }), ...nodesOf('cd')] as [Node, Node, Node];
  for (const each of [c, d]) each.restart({ expect: null }, [a, c, d]);
  talk([a, c]);
  deepEqual(a.tick(2 * FOUNDING_WAIT_TICKS), [], 'more are to come');
  talk([a, c, d]);
  a.tick(FOUNDING_WAIT_TICKS);
  match(a.problems[0]?.text ?? '', /for more nodes: 1 of the 3 .* c, d only join/);
  for (const each of [c, d]) each.restart({ expect: 3 }, [a, c, d]);
  areIn([a, c, d]);
});

test('Founding: where all that are here only join, all say so', () => {
  const [a, b, c] = nodesOf('abc') as [Node, Node, Node];
  const all = [a, b, c];
  for (const each of all) each.restart({ expect: null }, all);
  deepEqual(a.tick(2 * FOUNDING_WAIT_TICKS), [], 'it has not found the others yet');
  waitsLong(all, /for nodes of a deployment, .*: a, b, c only join/, /start these without --join/);
  for (const each of [a, b]) each.restart({ expect: 2 }, all);
  areIn(all, 'c');
});

test('Founding: who would found waits for one that does not see all, and says so', () => {
  const [a, b, c] = nodesOf('abc') as [Node, Node, Node];
  for (let round = 0; round < 4; round++) {
    for (const [to, from] of [
      [a, b],
      [a, c],
      [b, a],
      [c, a],
    ] as const)
      to.hear(from.card);
  }
  a.tick(FOUNDING_WAIT_TICKS);
  match(a.problems[0]?.text ?? '', /for b: it does not see the same 3 nodes as a/);
  areIn([a, b, c]);
});

test('Founding: who signed waits for one that has gone, and says so', () => {
  const [a, b, c] = twoSigned();
  for (const each of [a, b]) each.lose('c');
  waitsLong([a, b], /for c: it is not in sight/, /^start c as before/);
  areIn([a, b, c]);
});

test('Founding: who is in no charter yet waits for whom its signers wait for, and for no more', () => {
  const [a, b, c] = twoSigned();
  const d = new Node('d', { expect: 3 });
  for (const each of [a, b]) each.lose('c');
  waitsLong([a, b, d], /for c: it is not in sight/, /^start c as before/);
  talk([a, b, c, d]);
  areIn([a, b, c, d], 'd');
});

test('Founding: sets that overlap wait for whoever settles them, and say nothing else', () => {
  const [a, b, c, d] = nodesOf('abcd', 2) as [Node, Node, Node, Node];
  // b, c and d have found one another; c signs first, and goes.
  talk([b, c, d], false);
  b.save();
  for (const each of [b, d]) each.lose('c');
  // a has signed a later round with b, before b was bound.
  const later = charterOf(
    NAME,
    [a, b].map(({ card }) => card),
    2,
  );
  a.keep({ phase: 'signed', charter: later });
  waitsLong([a, b, d], /for c: it is not in sight/, /^start c as before/);
  areIn([a, b, c, d], 'a');
});

test('Founding: a name that two have is said, and nobody is asked for signatures of it', () => {
  const [a, b, c] = twoSigned();
  c.restart({ expect: 3 }, [a, b]);
  const other = founderNamed('c', 'e');
  for (const each of [a, b, c]) each.hear(other);
  talk([a, b, c]);
  for (const each of [a, b, c]) {
    each.tick(2 * FOUNDING_WAIT_TICKS);
    deepEqual(
      each.problems.map(({ code }) => code),
      ['NAME_TAKEN'],
    );
  }
});

test('Founding: nobody signs as a witness what calls it none, nor the other way round', () => {
  for (const witness of [true, false]) {
    const [a, b] = nodesOf('ab') as [Node, Node];
    const c = new Node('c', { expect: 3, witness: !witness });
    talk([a, b, c], false);
    a.save();
    c.restart({ expect: 3, witness }, [a, b]);
    const [is, way] = witness ? ['a witness', 'without'] : ['no witness', 'with'];
    const text = new RegExp(`for c: .*, and now it is ${is}`);
    waitsLong([a, b, c], text, new RegExp(`^start c ${way} --witness`));
    equal(c.card.phase, 'empty');
    c.restart({ expect: 3, witness: !witness }, [a, b]);
    areIn([a, b, c]);
    equal(witnessesOf(c.card.charter as Charter).length, witness ? 0 : 1);
  }
});

test('mismatchOf: who has signed as a witness is not started as none before it is founded', () => {
  const [a, b, c] = twoSigned();
  const saved = { phase: a.card.phase, charter: a.card.charter as Charter };
  const self = { node: 'a', directory: directoryOf('a'), witness: true };
  const options = { name: NAME, self, nodesExpected: 3, saved };
  const problem = mismatchOf(options);
  equal(problem?.code, 'WITNESS_CHANGED');
  match(problem?.todo ?? '', /^start it without --witness/);
  equal(mismatchOf({ ...options, self: { ...self, witness: false } }), null);
  areIn([a, b, c]);
  equal(mismatchOf({ ...options, saved: { ...saved, phase: 'member' } }), null, 'then it may');
});

test('Founding: a wait that ends before it has lasted is never told', () => {
  const [a, b, c] = nodesOf('abc') as [Node, Node, Node];
  for (let times = 0; times < 3; times++) {
    for (const each of [b, c]) a.hear(each.card);
    equal(a.problems.length, 0);
    deepEqual(a.tick(FOUNDING_WAIT_TICKS - 1), [], 'b does not see c, and is waited for');
    a.lose('b');
    deepEqual(a.tick(1.5 * FOUNDING_WAIT_TICKS), [], 'it is only one of those to come');
  }
  areIn([a, b, c]);
  const told = [a, b, c].flatMap((each) => each.tick(2 * FOUNDING_WAIT_TICKS));
  deepEqual(told, []);
});
