import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { apply } from '../core/control/apply.ts';
import { specFounded } from '../core/control/spec.ts';
import { NOTHING_AGREED } from '../core/control/state.ts';
import { nodeId } from '../core/scalars.ts';
import { commandOf, wantedFrom } from './wanted.ts';

const [A, B, B2] = ['a@00000001', 'b@00000001', 'b@00000002'].map(nodeId);

function stateOf(...founders: (typeof A)[]) {
  const nodes = founders.filter((node) => node !== undefined);
  const spec = specFounded(nodes.length, null);
  return apply(NOTHING_AGREED, 1, { kind: 'found', atMs: 1, spec, founders: nodes }).state;
}

function removal(name: string, state = stateOf(A, B)): string {
  const made = commandOf({ kind: 'remove', name }, state, 7);
  return 'command' in made ? JSON.stringify(made.command) : made.code;
}

test('a node is removed by its name, or by its id where two have one name', () => {
  const by = `"by":"order","why":"somebody asked for it"`;
  const byOrder = `{"kind":"dismiss","atMs":7,"node":"${B}",${by}}`;
  equal(removal('b'), byOrder);
  equal(removal('c'), 'NO_SUCH_NODE');
  equal(removal('b', stateOf(A, B, B2)), 'AMBIGUOUS');
  equal(removal(`${B}`, stateOf(A, B, B2)), byOrder);
});

test('a peer may ask for another spec, a removal and its own leave, and for nothing else', () => {
  const spec = { kind: 'spec', atMs: 1, change: { replicas: 1 }, ifVersion: null };
  const leave = { kind: 'dismiss', atMs: 1, node: A, by: 'itself', why: 'it is stopped' };
  for (const good of [spec, leave, { kind: 'remove', name: 'a' }])
    deepEqual(wantedFrom(good), good);
  for (const bad of [
    null,
    'remove',
    { kind: 'remove' },
    { kind: 'remove', name: 'x'.repeat(81) },
    { kind: 'forget', atMs: 1, node: A },
    { kind: 'decide', atMs: 1, basis: 1, voters: [A], why: '' },
    { ...spec, change: { replicas: -1 } },
  ])
    equal(wantedFrom(bad), null, JSON.stringify(bad));
});
