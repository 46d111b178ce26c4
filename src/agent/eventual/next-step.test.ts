import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Primary } from '../../core/control/state.ts';
import { nodeId } from '../../core/scalars.ts';
import { nextStep, type StepInput } from './next-step.ts';
import type { ServerSeen } from './ports.ts';
import { TRIAL_SEEN } from './trial-seen.ts';

const [A, B] = [nodeId('a@00000001'), nodeId('b@00000001')];
const [H1, H2, OWN] = ['1'.repeat(40), '2'.repeat(40), '9'.repeat(40)];

const REPLICA: ServerSeen = { ...TRIAL_SEEN, history: H1, offset: 100 };
const PRIMARY: ServerSeen = { ...REPLICA, role: 'primary', isShut: false };
const UNOPENED_A: Primary = {
  decision: 7,
  node: A,
  isPlanned: false,
  base: H1,
  history: null,
  from: null,
  former: B,
};
const OPEN_A: Primary = { ...UNOPENED_A, history: H2 };
const TO_B: Primary = { ...UNOPENED_A, node: B, former: A, isPlanned: true };

/** On node a. */
function step(primary: Primary | null, seen: ServerSeen, others: Partial<StepInput> = {}) {
  const next = nextStep({
    id: A,
    primary,
    addressOf: (node) => (node === A ? 'a:6379' : 'b:6379'),
    seen,
    mayBeOpen: false,
    untilMs: 5_000,
    minReplicas: 0,
    isInForce: true,
    isCleared: false,
    isHolder: true,
    holdsBase: true,
    isPromoted: false,
    holdsLease: false,
    isPaused: false,
    holdsHistory: H1,
    ...others,
  });
  return next?.kind ?? null;
}

test('before anybody was appointed a server is a replica of nobody', () => {
  equal(step(null, REPLICA), null);
  equal(step(null, PRIMARY), 'detach');
});

test('who is appointed promotes its server only once no older lease is alive', () => {
  equal(step(UNOPENED_A, REPLICA), null);
  equal(step(UNOPENED_A, REPLICA, { isCleared: true }), 'promote');
  equal(step(UNOPENED_A, { ...REPLICA, isLoading: true }, { isCleared: true }), null);
  const less = { isCleared: true, holdsBase: false };
  equal(step(UNOPENED_A, REPLICA, less), null, 'nor with less than was agreed on');
  equal(step(OPEN_A, REPLICA, { isCleared: true }), null, 'never for what has opened already');
});

test('a promoted server stays shut until its history is agreed on and a lease is held', () => {
  const promoted = { ...PRIMARY, history: OWN, isShut: true };
  equal(step(UNOPENED_A, promoted, { isPromoted: true, mayBeOpen: true }), null);
  equal(step({ ...OPEN_A, history: OWN }, promoted, { isPromoted: true }), null);
  const open = nextStep({
    id: A,
    primary: { ...OPEN_A, history: OWN },
    addressOf: () => '',
    seen: promoted,
    mayBeOpen: true,
    untilMs: 4_321,
    minReplicas: 1,
    isInForce: true,
    isHolder: true,
    isCleared: true,
    holdsBase: true,
    isPromoted: true,
    holdsLease: false,
    isPaused: false,
    holdsHistory: OWN,
  });
  deepEqual(open, { kind: 'open', untilMs: 4_321, minReplicas: 1 });
});

test('an open server without a lease is shut, and keeps its role', () => {
  const open = { ...PRIMARY, history: H2 };
  equal(step(OPEN_A, open, { mayBeOpen: true }), null);
  equal(step(OPEN_A, open), 'shut');
  equal(step(OPEN_A, { ...open, isShut: true }), null);
});

test('a primary of any other history than the agreed one is none', () => {
  equal(step(OPEN_A, { ...PRIMARY, history: OWN }, { mayBeOpen: true }), 'detach');
  equal(step(UNOPENED_A, { ...PRIMARY, history: OWN }), 'detach');
});

test('who takes a hand-over back goes on with the history that it has', () => {
  equal(step(UNOPENED_A, { ...PRIMARY, isShut: true }), null);
  equal(step(UNOPENED_A, { ...PRIMARY, isShut: true }, { holdsHistory: H2 }), 'detach');
});

test('a primary that was replaced detaches at once', () => {
  equal(step({ ...TO_B, isPlanned: false }, PRIMARY, { holdsLease: true }), 'detach');
  equal(step({ ...TO_B, history: H2 }, PRIMARY, { holdsLease: true }), 'detach');
});

test('a hand-over: writes wait, until the heir has everything', () => {
  const at = (offset: number) => ({ ...PRIMARY, replicas: [{ address: 'b:6379', offset }] });
  const paused = { holdsLease: true, isPaused: true };
  equal(step(TO_B, at(100), { holdsLease: true }), 'pause');
  equal(step(TO_B, at(99), paused), null);
  equal(step(TO_B, at(100), paused), 'detach');
  equal(step(TO_B, PRIMARY, paused), null, 'the heir is not connected');
  equal(step(TO_B, at(99), { isPaused: true }), 'shut', 'the lease is over');
  equal(step(TO_B, { ...at(99), isShut: true }), null, 'shut, it waits as well');
});

test('a replica follows whoever has opened, and no decision that may be an old one', () => {
  const openB = { ...TO_B, history: H2 };
  equal(step(TO_B, REPLICA), null, 'it stays with whom it has until then');
  equal(step(openB, REPLICA, { isInForce: false }), null);
  equal(step(openB, REPLICA), 'follow');
  equal(step(openB, { ...REPLICA, upstream: 'b:6379' }), null);
  equal(step(openB, REPLICA, { addressOf: () => '' }), null);
});

test('a spare follows nobody, and no primary is one', () => {
  const openB = { ...TO_B, history: H2 };
  const spare = { isHolder: false };
  equal(step(openB, REPLICA, spare), null);
  equal(step(openB, { ...REPLICA, upstream: 'b:6379' }, spare), 'detach');
  equal(step(openB, PRIMARY, spare), 'detach');
  equal(
    step(OPEN_A, { ...PRIMARY, history: H2, isShut: true }, { ...spare, mayBeOpen: true }),
    'open',
  );
});

test('replicas that writes need are given to an open primary, and make no shut one open', () => {
  const open = { ...PRIMARY, history: H2, minReplicas: 1 };
  equal(step(OPEN_A, open, { mayBeOpen: true, minReplicas: 1 }), null);
  equal(step(OPEN_A, open, { mayBeOpen: true, minReplicas: 2 }), 'open');
  equal(step(OPEN_A, open, { mayBeOpen: true }), 'open');
  equal(step(OPEN_A, open, { minReplicas: 1 }), 'shut', 'a number of theirs is none of ours');
  equal(step(OPEN_A, { ...open, isShut: true }, { minReplicas: 1 }), null);
});
