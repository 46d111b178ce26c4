import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Card, Phase } from './card.ts';
import {
  CHARTER_MEMBERS_MAX,
  type Charter,
  charterOf,
  deploymentIdOf,
  importerOf,
  nodeIdOf,
  parseCharter,
  witnessesOf,
} from './charter.ts';
import { FOUNDING_WAIT_TICKS, Founding, type FoundingOutput, mismatchOf } from './founding.ts';

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

/** Of an empty node that would found with `nodes`. */
function founder(node: string, nodes: string, life = 0): Card {
  const sees = [...nodes].map((each) => directoryOf(each, each === node ? life : 0));
  return { ...card(node, 'empty', null, life), sees };
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
    { name: NAME, members: [{ node: 'a', directory: directoryOf('a'), witness: 1 }] },
    { name: NAME, members: [{ node: '../a', directory: directoryOf('a') }] },
    { name: NAME, members: new Array(1000).fill(a) },
    { name: NAME, members: [a, { node: 'b', directory: a?.directory }] },
  ];
  for (const value of bad) equal(parseCharter(value), null, JSON.stringify(value)?.slice(0, 80));
});

test('a charter says who signed as a witness, and nothing of others', () => {
  const plain = charter('a', 'b');
  const mixed = charterOf(NAME, [
    { ...own('a'), witness: false },
    { ...own('b'), witness: true },
  ]);
  deepEqual(parseCharter(JSON.parse(JSON.stringify(mixed))), mixed);
  deepEqual([witnessesOf(plain), witnessesOf(mixed)], [[], [nodeIdOf(own('b'))]]);
  deepEqual(mixed.members[0], own('a'));
  notEqual(deploymentIdOf(mixed, sha), deploymentIdOf(plain, sha));
  const { founding } = begin('a', 2);
  const [save] = see(founding, { ...founder('b', 'ab'), witness: true });
  deepEqual(save, { kind: 'save', phase: 'signed', charter: mixed });
});

test('a charter says whose data are the first, of one node at most, and no witness', () => {
  const plain = charter('a', 'b');
  const importing = charterOf(NAME, [own('a'), { ...own('b'), imports: true }]);
  deepEqual(parseCharter(JSON.parse(JSON.stringify(importing))), importing);
  deepEqual([importerOf(plain), importerOf(importing)], [null, nodeIdOf(own('b'))]);
  notEqual(deploymentIdOf(importing, sha), deploymentIdOf(plain, sha));
  const both = importing.members.map((member) => ({ ...member, imports: true }));
  equal(parseCharter({ ...importing, members: both }), null);
  const witness = importing.members.map((member) => ({ ...member, witness: true }));
  equal(parseCharter({ ...importing, members: witness }), null);
  const { founding } = begin('a', 2);
  const [save] = see(founding, { ...founder('b', 'ab'), imports: true });
  deepEqual(save, { kind: 'save', phase: 'signed', charter: importing });
});

test('Founding: nothing is signed while two nodes bring data in', () => {
  const { founding } = begin('a', 2);
  const c = { ...founder('c', 'c'), imports: true };
  see(founding, { ...founder('b', 'b'), imports: true });
  deepEqual(kinds(see(founding, c)), ['announce', 'problems']);
  deepEqual(codes(founding), ['SEVERAL_IMPORTS']);
  founding.step({ kind: 'peerGone', directory: c.directory });
  deepEqual(codes(founding), []);
  deepEqual(kinds(see(founding, { ...founder('b', 'ab'), imports: true })), ['save']);
});

test('Founding: who brings data in joins no deployment, and says so', () => {
  const self = { ...own('c'), imports: true };
  const founding = new Founding({ name: NAME, self, nodesExpected: 1, saved: null });
  see(founding, card('a', 'member', charter('a', 'b')));
  deepEqual(codes(founding), ['IMPORT_TOO_LATE']);
  deepEqual(kinds(see(founding, card('b', 'member', charter('a', 'b')))), []);
  const saved = { phase: 'signed', charter: charterOf(NAME, [self]) } as const;
  const options = { name: NAME, self: own('c'), nodesExpected: 1, saved };
  equal(mismatchOf(options)?.code, 'IMPORT_CHANGED');
  equal(mismatchOf({ ...options, self }), null);
});

test('Founding: a single node signs alone and becomes a member once that is durable', () => {
  const { founding, first } = begin('a', 1);
  deepEqual(kinds(first), ['save', 'announce']);
  equal(founding.card.phase, 'empty', 'not announced before it is durable');
  deepEqual(kinds(founding.step({ kind: 'saved' })), ['announce', 'save']);
  equal(founding.card.phase, 'signed');
  deepEqual(kinds(founding.step({ kind: 'saved' })), ['announce', 'becameMember']);
});

test('Founding: nothing is signed before all expected nodes are visible', () => {
  const { founding, first } = begin('a', 3);
  deepEqual(kinds(first), ['announce']);
  deepEqual(see(founding, founder('b', 'b')), []);
  founding.step({ kind: 'peerGone', directory: directoryOf('b') });
  deepEqual(see(founding, founder('c', 'abc')), []);
  deepEqual(kinds(see(founding, founder('b', 'abc'))), ['save', 'announce']);
});

test('Founding: nothing is signed first before all have said that they see the same nodes', () => {
  const { founding } = begin('a', 3);
  see(founding, founder('b', 'b'));
  deepEqual(founding.card.sees, [directoryOf('a')], 'too few are nobody');
  deepEqual(kinds(see(founding, founder('c', 'c'))), ['announce']);
  deepEqual(
    founding.card.sees,
    ['a', 'b', 'c'].map((node) => directoryOf(node)),
  );
  deepEqual(see(founding, founder('b', 'abc')), []);
  deepEqual(see(founding, founder('c', 'bcd')), [], 'it sees others');
  deepEqual(kinds(see(founding, founder('c', 'abc'))), ['save']);
  deepEqual(founding.card.sees?.length, 3, 'and says so until it has signed');
});

test('Founding: what was signed first is signed by all that it names, whomever they see', () => {
  const all = charter('a', 'b', 'c');
  const { founding } = begin('a', 3);
  for (const node of ['b', 'c', 'd']) see(founding, founder(node, 'abcd'.replace(node, '')));
  const [save] = see(founding, card('b', 'signed', all));
  deepEqual(save, { kind: 'save', phase: 'signed', charter: all });
  const { founding: alone } = begin('a', 3);
  deepEqual(see(alone, card('b', 'signed', all)), [], 'not while one of them is missing');
  const { founding: careful } = begin('a', 4);
  see(careful, founder('c', 'abc'));
  deepEqual(see(careful, card('b', 'signed', all)), [], 'not with fewer than it expects');
});

test('Founding: who only joins is not waited for', () => {
  const { founding } = begin('a', 2);
  see(founding, card('j', 'empty'));
  deepEqual(kinds(see(founding, founder('b', 'ab'))), ['save', 'announce']);
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

test('Founding: so is one that joined it, where no other founder is left', () => {
  const all = charter('a', 'b', 'c');
  const { founding } = begin('a', 3, { phase: 'signed', charter: all });
  // b's directory was lost: it came back as a new node, and took the place of the former.
  const outputs = see(founding, card('b', 'joined', all, 1));
  deepEqual(outputs, [{ kind: 'save', phase: 'member', charter: all }]);
  deepEqual(codes(founding), []);
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
    const { founding } = begin('d', expected === 1 ? null : expected);
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

test('Founding: who knows its charter to be void founds again, in a later round', () => {
  const saved = { phase: 'signed', charter: charter('a', 'b', 'c') } as const;
  const { founding } = begin('a', 3, saved);
  const other = charter('b', 'c', 'd');
  for (const node of ['c', 'd']) see(founding, founder(node, 'bcd'));
  equal(founding.card.sees, undefined, 'what it has signed may yet be signed by all');
  see(founding, card('b', 'signed', other));
  deepEqual(
    founding.card.sees,
    ['a', 'c', 'd'].map((node) => directoryOf(node)),
  );
  equal(founding.card.phase, 'signed', 'b may get all signatures to its own');
  see(founding, card('c', 'signed', saved.charter));
  deepEqual(kinds(see(founding, { ...founder('c', 'abcd'), ...saved })), ['announce']);
  see(founding, { ...founder('d', 'abcd') });
  const view = { sees: founder('b', 'abcd').sees ?? [] };
  const [save] = see(founding, { ...card('b', 'signed', other), ...view });
  const all = ['a', 'b', 'c', 'd'].map((node) => own(node));
  deepEqual(save, { kind: 'save', phase: 'signed', charter: charterOf(NAME, all, 2) });
  founding.step({ kind: 'saved' });
  equal(founding.card.sees, undefined);
  for (const node of ['b', 'c']) see(founding, card(node, 'signed', charterOf(NAME, all, 2)));
  const [member] = see(founding, card('d', 'signed', charterOf(NAME, all, 2)));
  equal(member?.kind === 'save' && member.phase, 'member');
});

test('Founding: a signature of a later round voids an earlier charter, and not the reverse', () => {
  const members = ['a', 'b', 'c'].map((node) => own(node));
  const second = charterOf(NAME, members, 2);
  const { founding } = begin('a', 3, { phase: 'signed', charter: second });
  see(founding, founder('c', 'abc'));
  see(founding, card('b', 'signed', charter('a', 'b', 'c')));
  equal(founding.card.sees, undefined, 'b may still sign it');
  see(founding, card('b', 'signed', charterOf(NAME, members, 3)));
  equal(founding.card.charter?.round, 2);
  deepEqual(kinds(founding.step({ kind: 'saved' })), ['announce']);
  equal(founding.card.charter?.round, 3);
});

test('Founding: of several charters that may be signed, all choose the same', () => {
  const abc = charter('a', 'b', 'c');
  const bcd = charter('b', 'c', 'd');
  const cards = [card('a', 'signed', abc), card('d', 'signed', bcd)];
  for (const seen of [cards, cards.toReversed()]) {
    const { founding } = begin('c', 3);
    for (const each of seen) deepEqual(kinds(see(founding, each)).includes('save'), false);
    const [save] = see(founding, founder('b', 'bcd'));
    deepEqual(save, { kind: 'save', phase: 'signed', charter: abc });
  }
});

test('Founding: who signed alone joins those of its set that founded without it', () => {
  const saved = { phase: 'signed', charter: charter('a', 'b', 'c') } as const;
  const { founding } = begin('a', 3, saved);
  const founded = charter('b', 'c', 'd');
  deepEqual(kinds(see(founding, card('b', 'signed', founded))), ['announce']);
  const [save] = see(founding, card('b', 'member', founded));
  equal(save?.kind === 'save' && save.phase, 'joined');
  const stranger = begin('a', 3, saved).founding;
  see(stranger, card('x', 'member', charter('x', 'y', 'z')));
  equal(stranger.card.phase, 'signed', 'nobody of its set is in it: the set may yet be whole');
});

test('Founding: a signed charter whose node has lost its directory is CHARTER_STUCK for all', () => {
  const all = charter('a', 'b', 'c');
  const signed = { phase: 'signed', charter: all } as const;
  const { founding } = begin('a', 3, signed);
  see(founding, card('b', 'empty', null, 9));
  for (let tick = 0; tick < 2 * FOUNDING_WAIT_TICKS; tick++) founding.step({ kind: 'tick' });
  see(founding, card('d', 'empty'));
  deepEqual(codes(founding), ['CHARTER_STUCK'], 'it waits for nobody');
  founding.step({ kind: 'peerGone', directory: directoryOf('b', 9) });
  deepEqual(codes(founding), [], 'it may be back as it was');
  for (const node of ['b', 'd']) {
    const other = begin(node, null).founding;
    const lost = node === 'b' ? 'a' : 'b';
    see(other, card('c', 'signed', all));
    see(other, card(lost, 'empty', null, 9));
    deepEqual(codes(other), ['CHARTER_STUCK'], `${node}, which only joins`);
    match(other.problems[0]?.text ?? '', /was replaced after c had signed/);
  }
  const { founding: knowing } = begin('a', 3, signed);
  see(knowing, card('b', 'signed', all));
  knowing.step({ kind: 'peerGone', directory: directoryOf('b') });
  see(knowing, card('b', 'empty', null, 9));
  deepEqual(codes(knowing), [], 'its signature is known');
});

test('Founding: charters with nobody in common are CHARTER_STUCK for who signed one', () => {
  const saved = { phase: 'signed', charter: charter('a', 'b', 'c') } as const;
  const { founding } = begin('a', 3, saved);
  see(founding, card('d', 'signed', charter('d', 'e', 'f')));
  deepEqual(codes(founding), ['CHARTER_STUCK']);
  see(founding, card('e', 'signed', charter('c', 'e')));
  deepEqual(codes(founding), [], 'it is void, and d signs anew');
});

test('Founding: sets that overlap, and nodes that are in none, are not stuck', () => {
  const all = charter('a', 'b', 'c');
  const outside = begin('d', 3).founding;
  see(outside, card('a', 'signed', all));
  deepEqual(codes(outside), [], 'it joins them');
  const { founding } = begin('a', 3, { phase: 'signed', charter: all });
  see(founding, founder('d', 'd'));
  deepEqual(codes(founding), [], 'so they see it');
  see(founding, card('b', 'signed', charter('b', 'c')));
  deepEqual(codes(founding), [], 'a later round follows');
});

test('Founding: an empty node signs nothing while a visible peer has signed another set', () => {
  const { founding } = begin('c', 3);
  see(founding, card('a', 'signed', charter('a', 'b', 'x')));
  deepEqual(kinds(see(founding, card('b', 'empty'))), []);
});

test('Founding: two nodes of one name found nothing until one of them leaves', () => {
  const { founding } = begin('a', 3);
  see(founding, founder('b', 'abc'));
  deepEqual(kinds(see(founding, founder('b', 'abc', 5))), ['problems']);
  deepEqual(codes(founding), ['NAME_TAKEN']);
  founding.step({ kind: 'peerGone', directory: directoryOf('b', 5) });
  deepEqual(codes(founding), []);
});

test('Founding: more nodes than expected found one deployment together', () => {
  const { founding } = begin('a', 2);
  for (const node of ['b', 'c']) see(founding, founder(node, 'a'));
  see(founding, founder('b', 'abc'));
  const [save] = see(founding, founder('c', 'abc'));
  deepEqual(save, { kind: 'save', phase: 'signed', charter: charter('a', 'b', 'c') });
  const { founding: crowded } = begin('a', 2);
  for (let life = 1; life <= CHARTER_MEMBERS_MAX; life++)
    see(crowded, { ...founder('b', 'b', life), node: `b${life}` });
  deepEqual(codes(crowded), ['TOO_MANY_NODES']);
});

test('mismatchOf names the owner of a directory that is started under another name', () => {
  const saved = { phase: 'member' as const, charter: charter('a', 'b') };
  const self = { node: 'z', directory: directoryOf('a') };
  const problem = mismatchOf({ name: NAME, self, nodesExpected: 2, saved });
  equal(problem?.code, 'DIRECTORY_OF_ANOTHER');
  ok(problem?.text.includes('belongs to a of'));
  equal(mismatchOf({ name: NAME, self: own('a'), nodesExpected: 2, saved }), null);
});

test('founds only once it is known how many do, and no more when nobody does', () => {
  const { founding } = begin('a', null);
  equal(founding.card.sees, undefined);
  deepEqual(kinds(see(founding, founder('b', 'ab'))), []);
  deepEqual(kinds(founding.step({ kind: 'expects', nodesExpected: 2 })), ['save', 'announce']);
  const other = begin('c', 2).founding;
  see(other, card('d', 'empty'));
  deepEqual(kinds(other.step({ kind: 'expects', nodesExpected: null })), []);
  equal(other.card.sees, undefined);
  deepEqual(kinds(see(other, founder('d', 'cd'))), []);
});

test('what it has signed counts although nobody founds any more', () => {
  const both = charter('a', 'b');
  const { founding } = begin('a', null, { phase: 'signed', charter: both });
  founding.step({ kind: 'expects', nodesExpected: null });
  deepEqual(kinds(see(founding, card('b', 'signed', both))), ['save']);
});
