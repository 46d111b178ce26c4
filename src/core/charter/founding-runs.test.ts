/** Founding as a whole: nodes with disks that see, forget, crash and are wiped as a run likes. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Phase } from './card.ts';
import { type Charter, canonicalText, memberNamed } from './charter.ts';
import { Founding, type FoundingOutput, mismatchOf } from './founding.ts';

const NAME = 'orders';
const directoryOf = (node: string, life: number) =>
  `${node.charCodeAt(0).toString(16)}${life.toString(16).padStart(14, '0')}`.padEnd(16, '0');
const own = (node: string, life: number) => ({ node, directory: directoryOf(node, life) });

/** A world of nodes with disks; every output is carried out as late as the run likes. */
class World {
  readonly nodes: {
    node: string;
    life: number;
    disk: { phase: Phase; charter: Charter } | null;
    pending: { phase: Phase; charter: Charter } | null;
    founding: Founding | null;
  }[];
  /** What a directory has signed last, durably; every charter that got a member. */
  readonly signed = new Map<string, Charter>();
  readonly founded = new Map<string, Charter>();

  readonly expected: number;

  constructor(count: number, expected = count) {
    this.expected = expected;
    this.nodes = Array.from({ length: count }, (_, i) => ({
      node: String.fromCharCode(97 + i),
      life: 0,
      disk: null,
      pending: null,
      founding: null,
    }));
  }

  start(i: number): void {
    const it = this.nodes[i];
    if (it === undefined || it.founding !== null) return;
    const options = {
      name: NAME,
      self: own(it.node, it.life),
      nodesExpected: this.expected,
      saved: it.disk,
    };
    equal(mismatchOf(options), null);
    it.founding = new Founding(options);
    this.take(i, it.founding.step({ kind: 'started' }));
  }

  take(i: number, outputs: readonly FoundingOutput[]): void {
    const it = this.nodes[i];
    for (const output of outputs) {
      if (output.kind === 'save' && it !== undefined) it.pending = output;
      if (output.kind === 'becameMember')
        this.founded.set(canonicalText(output.charter), output.charter);
    }
    this.check();
  }

  /** `lands`: whether the write that was under way reached the disk before the crash. */
  crash(i: number, lands: boolean): void {
    const it = this.nodes[i];
    if (it === undefined || it.founding === null) return;
    if (lands) this.land(i);
    it.pending = null;
    it.founding = null;
  }

  land(i: number): void {
    const it = this.nodes[i];
    if (it?.pending === null || it === undefined) return;
    it.disk = { phase: it.pending.phase, charter: it.pending.charter };
    it.pending = null;
    if (it.disk.phase === 'joined') return;
    const directory = directoryOf(it.node, it.life);
    const { charter } = it.disk;
    const text = canonicalText(charter);
    const before = this.signed.get(directory) ?? charter;
    const old = canonicalText(before);
    ok(old === text || before.round < charter.round, 'a directory signs one charter of a round');
    ok(old === text || !this.founded.has(old), 'nobody leaves a charter with members');
    this.signed.set(directory, charter);
  }

  save(i: number): void {
    const it = this.nodes[i];
    if (it === undefined || it.founding === null || it.pending === null) return;
    this.land(i);
    this.take(i, it.founding.step({ kind: 'saved' }));
  }

  wipe(i: number): void {
    this.crash(i, false);
    const it = this.nodes[i];
    if (it === undefined) return;
    it.disk = null;
    it.life += 1;
  }

  show(from: number, to: number): void {
    const source = this.nodes[from]?.founding;
    const target = this.nodes[to]?.founding;
    if (from === to || !source || !target) return;
    this.take(to, target.step({ kind: 'peerSeen', card: source.card }));
  }

  hide(from: number, to: number): void {
    const it = this.nodes[from];
    const target = this.nodes[to]?.founding;
    if (it === undefined || !target) return;
    // A wiped life may still be thought visible: each of them is hidden on its own.
    for (let life = 0; life <= it.life; life++)
      this.take(to, target.step({ kind: 'peerGone', directory: directoryOf(it.node, life) }));
  }

  check(): void {
    const seen = new Map<string, string>();
    for (const [text, { members }] of this.founded) {
      for (const { directory } of members) {
        equal(seen.get(directory) ?? text, text, 'two deployments share a directory');
        seen.set(directory, text);
        const signed = this.signed.get(directory);
        equal(signed && canonicalText(signed), text, 'a member set whose nodes did not all sign');
      }
    }
  }

  /** Everybody runs, sees everybody as they are, and disks work. */
  settle(isHiddenFirst = true): void {
    const all = [...this.nodes.keys()];
    for (const i of all) this.start(i);
    for (let round = 0; round < 8; round++) {
      if (isHiddenFirst) for (const to of all) for (const from of all) this.hide(from, to);
      for (const to of all) for (const from of all) this.show(from, to);
      for (const i of all) for (let k = 0; k < 3; k++) this.save(i);
    }
  }
}

const step = fc.record({
  what: fc.constantFrom('start', 'show', 'show', 'show', 'show', 'save', 'hide', 'crash', 'wipe'),
  a: fc.nat({ max: 5 }),
  b: fc.nat({ max: 5 }),
  lands: fc.boolean(),
});
type Step = { what: string; a: number; b: number; lands: boolean };

function play(world: World, steps: readonly Step[], canWipe: boolean): void {
  const count = world.nodes.length;
  for (const { what, a, b, lands } of steps) {
    const [i, j] = [a % count, b % count];
    if (what === 'start') world.start(i);
    if (what === 'show') world.show(i, j);
    if (what === 'save') world.save(i);
    if (what === 'hide') world.hide(i, j);
    if (what === 'crash') world.crash(i, lands);
    if (what === 'wipe' && canWipe) world.wipe(i);
  }
}

test('H8: no run of crashes, wipes and partitions founds two deployments from one directory', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 3, max: 5 }),
      fc.array(step, { maxLength: 150 }),
      fc.nat({ max: 4 }),
      fc.array(step, { maxLength: 80 }),
      (count, before, victim, after) => {
        const world = new World(count);
        play(world, before, true);
        world.settle();
        world.wipe(victim % count);
        play(world, after, true);
        world.settle();
        world.check();
        for (const { founding, node } of world.nodes) {
          if (founding?.card.phase !== 'joined') continue;
          const named = memberNamed(founding.card.charter as Charter, node);
          ok(named !== undefined && named.directory !== founding.card.directory);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('H8: without wipes every node becomes a member of one charter once all see one another', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(step, { maxLength: 120 }),
      (count, steps) => {
        const world = new World(count);
        play(world, steps, false);
        world.settle();
        deepEqual(
          world.nodes.map(({ founding }) => founding?.card.phase),
          world.nodes.map(() => 'member'),
        );
        equal(world.founded.size, 1);
      },
    ),
    { numRuns: 200 },
  );
});

/** How many are there, and how many of them are expected: more than half. */
const crowd = fc
  .integer({ min: 1, max: 6 })
  .chain((count) =>
    fc.tuple(fc.constant(count), fc.integer({ min: (count >> 1) + 1, max: count })),
  );

/** All are in one deployment, and nobody complains. */
function isOne(world: World): void {
  equal(world.founded.size, 1);
  for (const { founding } of world.nodes) {
    ok(founding?.card.phase === 'member' || founding?.card.phase === 'joined');
    equal(founding.problems.length, 0);
  }
}

test('H8: where more than half are expected, one deployment is founded, whoever sees whom', () => {
  fc.assert(
    fc.property(crowd, fc.array(step, { maxLength: 200 }), ([count, expected], steps) => {
      const world = new World(count, expected);
      play(world, steps, false);
      world.settle();
      isOne(world);
    }),
    { numRuns: 400 },
  );
});

test('H8: nodes that start in any order, more than expected, all come into one deployment', () => {
  const grows = step.filter(({ what }) => ['start', 'show', 'save'].includes(what));
  fc.assert(
    fc.property(crowd, fc.array(grows, { maxLength: 200 }), ([count, expected], steps) => {
      const world = new World(count, expected);
      play(world, steps, false);
      world.settle(false);
      isOne(world);
    }),
    { numRuns: 400 },
  );
});
