import { deepEqual, equal, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Card, Phase } from './card.ts';
import {
  type Charter,
  canonicalText,
  charterOf,
  deploymentIdOf,
  memberNamed,
  nodeIdOf,
  parseCharter,
} from './charter.ts';
import { Founding, type FoundingOutput, mismatchOf } from './founding.ts';

const NAME = 'orders';
const sha = (text: string) => createHash('sha256').update(text).digest('hex');
const directoryOf = (node: string, life = 0) =>
  `${node.charCodeAt(0).toString(16)}${life.toString(16).padStart(14, '0')}`.padEnd(16, '0');
const own = (node: string, life = 0) => ({ node, directory: directoryOf(node, life) });
const charter = (...nodes: string[]) =>
  charterOf(
    NAME,
    nodes.map((node) => own(node)),
  );

function card(node: string, phase: Phase, of: Charter | null = null, life = 0): Card {
  return { ...own(node, life), phase, charter: of };
}

function begin(
  node: string,
  nodesExpected: number | null,
  saved: { phase: Phase; charter: Charter } | null = null,
) {
  const founding = new Founding({ name: NAME, self: own(node), nodesExpected, saved });
  return { founding, first: founding.step({ kind: 'started' }) };
}

const see = (founding: Founding, seen: Card) => founding.step({ kind: 'peerSeen', card: seen });
const kinds = (outputs: readonly FoundingOutput[]) => outputs.map((output) => output.kind);
const codes = (founding: Founding) => founding.problems.map((problem) => problem.code);

test('charterOf sorts its members, and the deployment id does not depend on who signs first', () => {
  const a = charterOf(NAME, [own('b'), own('a'), own('c')]);
  deepEqual(
    a.members.map((member) => member.node),
    ['a', 'b', 'c'],
  );
  const b = charterOf(NAME, [own('c'), own('b'), own('a')]);
  equal(deploymentIdOf(a, sha), deploymentIdOf(b, sha));
  equal(deploymentIdOf(a, sha).length, 32);
  equal(nodeIdOf({ node: 'a', directory: '0123456789abcdef' }), 'a@01234567');
});

test('parseCharter takes what charterOf made, and nothing that is not a charter', () => {
  const good = charter('a', 'b');
  deepEqual(parseCharter(JSON.parse(JSON.stringify(good))), good);
  const [a, b] = good.members;
  const bad: unknown[] = [
    null,
    1,
    [],
    { name: NAME },
    { name: NAME, members: [] },
    { name: '', members: [a] },
    { name: NAME, members: [b, a] },
    { name: NAME, members: [a, a] },
    { name: NAME, members: [{ node: 'a', directory: 'XYZ' }] },
    { name: NAME, members: [{ node: '../a', directory: directoryOf('a') }] },
    { name: NAME, members: new Array(1000).fill(a) },
    { name: NAME, members: [a, { node: 'b', directory: a?.directory }] },
  ];
  for (const value of bad) equal(parseCharter(value), null, JSON.stringify(value)?.slice(0, 80));
});

test('Founding: a single node signs alone and becomes a member once that is durable', () => {
  const { founding, first } = begin('a', 1);
  deepEqual(kinds(first), ['save']);
  equal(founding.card.phase, 'empty', 'not announced before it is durable');
  deepEqual(kinds(founding.step({ kind: 'saved' })), ['announce', 'save']);
  equal(founding.card.phase, 'signed');
  deepEqual(kinds(founding.step({ kind: 'saved' })), ['announce', 'becameMember']);
});

test('Founding: nothing is signed before all expected nodes are visible', () => {
  const { founding, first } = begin('a', 3);
  deepEqual(first, []);
  deepEqual(see(founding, card('b', 'empty')), []);
  founding.step({ kind: 'peerGone', directory: directoryOf('b') });
  deepEqual(see(founding, card('c', 'empty')), []);
  deepEqual(kinds(see(founding, card('b', 'empty'))), ['save']);
});

test('Founding: a signature that was seen counts after its node has gone', () => {
  const all = charter('a', 'b', 'c');
  const { founding } = begin('a', 3, { phase: 'signed', charter: all });
  see(founding, card('b', 'signed', all));
  founding.step({ kind: 'peerGone', directory: directoryOf('b') });
  deepEqual(kinds(see(founding, card('c', 'signed', all))), ['save']);
});

test('Founding: one member of the signed charter is proof enough', () => {
  const all = charter('a', 'b', 'c');
  const { founding } = begin('a', 3, { phase: 'signed', charter: all });
  deepEqual(kinds(see(founding, card('b', 'member', all))), ['save']);
});

test('Founding: the own address in the peer list is not another node', () => {
  const { founding } = begin('a', 2);
  deepEqual(founding.step({ kind: 'peerSeen', card: card('a', 'empty'), isSelf: true }), []);
  deepEqual(founding.step({ kind: 'peerSeen', card: card('a', 'empty') }), []);
});

test('Founding: a wiped node of a deployment joins it as a new one', () => {
  const all = charterOf(NAME, [own('a', 7), own('b'), own('c')]);
  const { founding } = begin('a', 3);
  deepEqual(kinds(see(founding, card('b', 'member', all))), ['save']);
  deepEqual(kinds(founding.step({ kind: 'saved' })), ['announce', 'becameJoined']);
  deepEqual(codes(founding), []);
});

test('Founding: an empty node joins the deployment of its name that it finds, named or not', () => {
  const all = charter('a', 'b', 'c');
  for (const expected of [1, 2, 4, 5]) {
    const { founding, first } = begin('d', expected === 1 ? null : expected);
    deepEqual(first, []);
    const [save] = see(founding, card('b', 'member', all));
    deepEqual(save, { kind: 'save', phase: 'joined', charter: all });
    deepEqual(kinds(founding.step({ kind: 'saved' })), ['announce', 'becameJoined']);
    equal(founding.card.phase, 'joined');
  }
  const { founding } = begin('e', 3);
  deepEqual(
    kinds(see(founding, card('d', 'joined', all))),
    ['save'],
    'whoever joined knows it too',
  );
});

test('Founding: who only joins never signs, however many are there', () => {
  const { founding, first } = begin('a', null);
  deepEqual(first, []);
  for (const node of ['b', 'c', 'd']) deepEqual(see(founding, card(node, 'empty')), []);
  deepEqual(see(founding, card('b', 'signed', charter('b', 'c', 'd'))), []);
  equal(founding.card.phase, 'empty');
});

test('Founding: an empty node does not join while somebody else has its name', () => {
  const all = charterOf(NAME, [own('a', 7), own('b'), own('c')]);
  const { founding } = begin('a', 3);
  deepEqual(kinds(see(founding, card('a', 'member', all, 7))), ['problems']);
  deepEqual(see(founding, card('b', 'member', all)), []);
  ok(codes(founding).includes('NAME_TAKEN'));
});

test('Founding: an empty directory whose own id has signed is a rolled back one', () => {
  const { founding } = begin('a', 2);
  deepEqual(kinds(see(founding, card('b', 'member', charter('a', 'b')))), ['problems']);
  deepEqual(codes(founding), ['DIRECTORY_ROLLED_BACK']);
});

test('Founding: sets that do not fit are CHARTER_STUCK for both sides', () => {
  const all = charter('a', 'b', 'c');
  const { founding } = begin('a', 3, { phase: 'signed', charter: all });
  see(founding, card('b', 'empty', null, 9));
  deepEqual(codes(founding), ['CHARTER_STUCK']);
  const other = begin('d', 3).founding;
  see(other, card('a', 'signed', all));
  deepEqual(codes(other), ['CHARTER_STUCK']);
  const pair = begin('a', 3, { phase: 'signed', charter: all }).founding;
  see(pair, card('b', 'signed', charter('b', 'c')));
  deepEqual(codes(pair), ['CHARTER_STUCK']);
});

test('Founding: an empty node signs nothing while a visible peer has signed another set', () => {
  const { founding } = begin('c', 3);
  see(founding, card('a', 'signed', charter('a', 'b', 'x')));
  deepEqual(kinds(see(founding, card('b', 'empty'))), []);
  deepEqual(codes(founding), ['CHARTER_STUCK']);
});

test('Founding: two nodes of one name found nothing until one of them leaves', () => {
  const { founding } = begin('a', 3);
  see(founding, card('b', 'empty'));
  deepEqual(kinds(see(founding, card('b', 'empty', null, 5))), ['problems']);
  deepEqual(codes(founding), ['NAME_TAKEN']);
  founding.step({ kind: 'peerGone', directory: directoryOf('b', 5) });
  deepEqual(codes(founding), []);
});

test('Founding: more nodes than expected found nothing', () => {
  const { founding } = begin('a', 2);
  const { founding: late } = begin('a', 1);
  see(late, card('b', 'empty'));
  see(founding, card('b', 'signed', charter('b', 'c')));
  deepEqual(codes(founding), ['CHARTER_STUCK']);
  see(founding, card('c', 'empty'));
  deepEqual(codes(founding), ['TOO_MANY_NODES']);
});

test('mismatchOf names the owner of a directory that is started under another name', () => {
  const saved = { phase: 'member' as const, charter: charter('a', 'b') };
  const self = { node: 'z', directory: directoryOf('a') };
  const problem = mismatchOf({ name: NAME, self, nodesExpected: 2, saved });
  equal(problem?.code, 'DIRECTORY_OF_ANOTHER');
  ok(problem?.text.includes('belongs to a of'));
  equal(mismatchOf({ name: NAME, self: own('a'), nodesExpected: 2, saved }), null);
});

/** A world of nodes with disks; every output is carried out as late as the run likes. */
class World {
  readonly nodes: {
    node: string;
    life: number;
    disk: { phase: Phase; charter: Charter } | null;
    pending: { phase: Phase; charter: Charter } | null;
    founding: Founding | null;
  }[];
  /** Every directory that ever signed durably, and what; every charter that got a member. */
  readonly signed = new Map<string, string>();
  readonly founded = new Map<string, Charter>();

  constructor(count: number) {
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
      nodesExpected: this.nodes.length,
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
    const text = canonicalText(it.disk.charter);
    equal(this.signed.get(directory) ?? text, text, 'a directory signs at most one charter');
    this.signed.set(directory, text);
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
        equal(this.signed.get(directory), text, 'a member set whose nodes did not all sign');
      }
    }
  }

  /** Everybody runs, sees everybody as they are, and disks work. */
  settle(): void {
    const all = [...this.nodes.keys()];
    for (const i of all) this.start(i);
    for (let round = 0; round < 6; round++) {
      for (const to of all) for (const from of all) this.hide(from, to);
      for (const to of all) for (const from of all) this.show(from, to);
      for (const i of all) for (let k = 0; k < 3; k++) this.save(i);
    }
  }
}

const step = fc.record({
  what: fc.constantFrom('start', 'show', 'show', 'show', 'show', 'save', 'hide', 'crash', 'wipe'),
  a: fc.nat({ max: 4 }),
  b: fc.nat({ max: 4 }),
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
