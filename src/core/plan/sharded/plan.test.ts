import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { SLOTS_ALL } from '../../cluster/slots.ts';
import { PIECE_SLOTS } from './balance.ts';
import { FORCE_MS } from './failovers.ts';
import { type Movable, type PlacedShard, placed } from './placement.ts';
import { planSharded } from './plan.ts';
import { seenOf } from './trial-seen.ts';
import { TrialSharded } from './trial-sharded.ts';
import type { ShardedPlan, ShardedSeen, ShardedWish } from './wish.ts';

interface Shape {
  /** `p1` to `pN`, each on a host of its own. */
  readonly primaries: number;
  /** Of each: `r1` is the first one's, `r1b` its second. */
  readonly replicas?: number;
  /** Slots of each, one after the other; in equal parts. */
  readonly slots?: readonly number[];
}

/** A cluster that has settled. */
function cluster({ primaries, replicas = 0, slots }: Shape): TrialSharded {
  const trial = new TrialSharded();
  let from = 0;
  for (let i = 1; i <= primaries; i++) {
    const node = trial.join(`p${i}`);
    node.epoch = i;
    const end =
      slots === undefined ? Math.round((i * SLOTS_ALL) / primaries) : from + (slots[i - 1] ?? 0);
    const own = Array.from({ length: end - from }, (_, at) => from + at);
    if (own.length > 0) run(trial, { kind: 'add-slots', node: node.id, slots: own });
    from = end;
    for (let n = 0; n < replicas; n++) trial.join(`r${i}${'bc'[n - 1] ?? ''}`);
  }
  const [first, ...others] = trial.up();
  for (const { id } of others) run(trial, { kind: 'meet', node: id, other: first?.id ?? '' });
  trial.settle();
  for (const { id, name } of trial.up())
    if (name.startsWith('r'))
      run(trial, { kind: 'replicate', node: id, primary: trial.of(`p${name[1]}`).id });
  trial.settle();
  return trial;
}

function run(trial: TrialSharded, step: Parameters<TrialSharded['perform']>[0]): void {
  for (const _ of trial.perform(step));
}

function wishOf(trial: TrialSharded, shards: number, replicas = 0): ShardedWish {
  const isFounded = trial.up().some((server) => trial.ownedBy(server).length > 0);
  return { isFounded, shards, replicas, members: [...trial.members.values()] };
}

function planned(
  trial: TrialSharded,
  shards: number,
  replicas = 0,
  others: Partial<ShardedSeen> = {},
): ShardedPlan {
  return planSharded(wishOf(trial, shards, replicas), seenOf(trial, others));
}

/** `failover r1 force`, `replicate r1 p2`, `move p1 p2 256`: with the names of members. */
function told(trial: TrialSharded, { actions }: ShardedPlan): string[] {
  const name = (id: string): string => trial.servers.get(id)?.name ?? id;
  return actions.map(({ step }) => {
    if (step.kind === 'failover') return `failover ${name(step.node)} ${step.by}`;
    if (step.kind === 'move')
      return `move ${name(step.from)} ${name(step.to)} ${step.slots.length}`;
    if (step.kind === 'replicate') return `replicate ${name(step.node)} ${name(step.primary)}`;
    if (step.kind === 'meet' || step.kind === 'forget')
      return `${step.kind} ${name(step.node)} ${name(step.other)}`;
    return 'node' in step ? `${step.kind} ${name(step.node)}` : step.kind;
  });
}

function codes({ problems }: ShardedPlan): string[] {
  return problems.map(({ code }) => code);
}

function down(trial: TrialSharded, ...names: string[]): void {
  for (const name of names) trial.of(name).isUp = false;
}

function leave(trial: TrialSharded, ...names: string[]): void {
  for (const name of names) {
    const member = trial.members.get(name);
    ok(member);
    member.isLeaving = true;
  }
}

test('what is as it is wanted is left alone', () => {
  const trial = cluster({ primaries: 3, replicas: 1 });
  deepEqual(planned(trial, 3, 1), { actions: [], waits: [], problems: [] });
});

test('fewer servers than are wanted begin nothing, and fewer nodes than shards never do', () => {
  const trial = new TrialSharded();
  for (const name of ['a', 'b', 'c']) trial.join(name);
  down(trial, 'c');
  for (const { id } of trial.up()) trial.server(id).epoch = 1;
  run(trial, { kind: 'meet', node: trial.of('a').id, other: trial.of('b').id });
  trial.settle();
  deepEqual(planned(trial, 3).waits, ['2 of 3 servers are there']);
  deepEqual(codes(planned(trial, 4)), ['TOO_FEW_NODES']);
  deepEqual(told(trial, planned(trial, 2)), ['add-slots a', 'add-slots b', 'agree']);
});

test('it begins once: who has no slots and sees nobody that has any does not begin again', () => {
  const trial = new TrialSharded();
  trial.join('late').epoch = 1;
  const plan = planSharded({ ...wishOf(trial, 1), isFounded: true }, seenOf(trial));
  deepEqual([plan.actions, codes(plan)], [[], ['SLOTS_UNCOVERED']]);
  deepEqual(told(trial, planned(trial, 1)), ['add-slots late', 'agree']);
});

test('slots are shared out by weight when it begins', () => {
  const trial = new TrialSharded();
  trial.join('a', 'a', '', 3);
  trial.join('b');
  for (const { id } of trial.up()) trial.server(id).epoch = 1;
  run(trial, { kind: 'meet', node: trial.of('a').id, other: trial.of('b').id });
  const [first] = planned(trial, 2).actions;
  equal(first?.step.kind === 'add-slots' && first.step.slots.length, (SLOTS_ALL * 3) / 4);
});

test('R62, R64: the primaries vote while most of them are there, else the slots are taken', () => {
  const three = cluster({ primaries: 3, replicas: 1 });
  down(three, 'p1');
  deepEqual(told(three, planned(three, 3, 1)), ['failover r1 force']);
  const late = { orderedMs: () => FORCE_MS };
  deepEqual(told(three, planned(three, 3, 1, late)), ['failover r1 takeover'], 'nobody heard it');
  down(three, 'p2');
  deepEqual(told(three, planned(three, 3, 1)), ['failover r1 takeover', 'failover r2 takeover']);
  for (const primaries of [1, 2]) {
    const few = cluster({ primaries, replicas: 1 });
    down(few, 'p1');
    deepEqual(told(few, planned(few, primaries, 1)), ['failover r1 takeover']);
  }
});

test('R63: nobody takes over while a lease may be alive, or before it is sure', () => {
  const trial = cluster({ primaries: 3, replicas: 1 });
  down(trial, 'p1');
  const alive = planned(trial, 3, 1, { isFenced: () => false });
  deepEqual([alive.actions, alive.waits], [[], ['p1 is gone: its lease is waited out']]);
  deepEqual(planned(trial, 3, 1, { troubleMs: () => 299 }).actions, []);
});

test('of the replicas whoever has most takes over, never one of another history or of none', () => {
  const trial = cluster({ primaries: 1, replicas: 3 });
  trial.write(5, 'x');
  const [a, b, c] = [trial.of('r1'), trial.of('r1b'), trial.of('r1c')];
  a.standing = { ...a.standing, offset: 9 };
  b.standing = { ...b.standing, offset: 10 };
  trial.of('p1').isUp = false;
  deepEqual(told(trial, planned(trial, 1, 3)), ['failover r1b takeover']);
  b.standing = { ...b.standing, offset: 99, history: 'f'.repeat(40) };
  c.standing = { ...c.standing, offset: 99, history: null };
  deepEqual(told(trial, planned(trial, 1, 3)), ['failover r1 takeover']);
  a.isUp = false;
  const lost = planned(trial, 1, 3);
  deepEqual([lost.actions, codes(lost)], [[], ['SHARD_LOST']]);
  match(lost.problems[0]?.text ?? '', /p1 is gone with slots 0-16383/);
});

test('who has taken over is not replaced at once, though others have not heard of it', () => {
  const trial = cluster({ primaries: 2, replicas: 2 });
  down(trial, 'p1');
  const step = planned(trial, 2, 2).actions[0]?.step;
  ok(step?.kind === 'failover');
  run(trial, step);
  deepEqual(planned(trial, 2, 2).actions, []);
});

test('a replica that was started again is taken only when the primary stays away', () => {
  const trial = cluster({ primaries: 1, replicas: 1 });
  trial.of('r1').standing = { ...trial.of('r1').standing, isExact: false };
  down(trial, 'p1');
  deepEqual(planned(trial, 1, 1, { troubleMs: () => 9_999 }).actions, []);
  deepEqual(told(trial, planned(trial, 1, 1)), ['failover r1 takeover']);
});

test('a primary that was started again is replaced by who lives, else it goes on', () => {
  const trial = cluster({ primaries: 1, replicas: 1 });
  const { standing } = trial.of('p1');
  trial.of('p1').standing = { ...standing, isExact: false };
  trial.of('r1').isLinked = false;
  deepEqual(told(trial, planned(trial, 1, 1)), ['failover r1 takeover']);
  trial.of('r1').standing = { ...standing, isExact: false };
  deepEqual(told(trial, planned(trial, 1, 1)), ['failover p1 again']);
  deepEqual(planned(trial, 1, 1, { isFenced: () => false }).actions, [], 'not under its lease');
  trial.of('p1').standing = { ...standing, history: null, isExact: false };
  trial.of('r1').standing = standing;
  deepEqual(told(trial, planned(trial, 1, 1)), ['failover r1 takeover'], 'its data are gone');
});

test('R54, R56: a newcomer begins a shard that is wanted, and gets its share in pieces', () => {
  const trial = cluster({ primaries: 3, replicas: 1 });
  trial.join('p4');
  deepEqual(told(trial, planned(trial, 4, 1)), ['meet p4 p1', 'agree']);
  run(trial, { kind: 'meet', node: trial.of('p4').id, other: trial.of('p1').id });
  trial.settle();
  deepEqual(told(trial, planned(trial, 4, 1)), [`move p2 p4 ${PIECE_SLOTS}`]);
});

test('R54: but a copy that is lacking goes first', () => {
  const trial = cluster({ primaries: 3, replicas: 1 });
  down(trial, 'r2');
  trial.join('x');
  run(trial, { kind: 'meet', node: trial.of('x').id, other: trial.of('p1').id });
  trial.settle();
  deepEqual(told(trial, planned(trial, 4, 1)), ['replicate x p2', 'agree']);
  deepEqual(codes(planned(trial, 4, 1)), ['TOO_FEW_NODES', 'COPIES_MISSING']);
});

test('R57: a replica that can be spared becomes a primary, and its shard keeps what is wanted', () => {
  const trial = cluster({ primaries: 2, replicas: 2 });
  deepEqual(told(trial, planned(trial, 3, 1)), ['reset r1b']);
  deepEqual(told(trial, planned(trial, 3, 2)), []);
});

test('C75: a shard without replicas gets one from a shard that keeps another', () => {
  const trial = cluster({ primaries: 3, replicas: 1 });
  const extra = trial.join('r3b');
  run(trial, { kind: 'meet', node: extra.id, other: trial.of('p1').id });
  trial.settle();
  run(trial, { kind: 'replicate', node: extra.id, primary: trial.of('p3').id });
  trial.settle();
  down(trial, 'r1');
  deepEqual(planned(trial, 3, 1, { goneMs: () => 4_999 }).actions, [], 'it may be back');
  deepEqual(told(trial, planned(trial, 3, 1)), ['replicate r3 p1', 'agree']);
  for (const name of ['r3', 'r3b']) trial.of(name).isLinked = false;
  deepEqual(planned(trial, 3, 1).actions, [], 'the last level copy stays');
});

test('R65: a primary that is gone is known until its successor is there, and its replicas stay', () => {
  const trial = cluster({ primaries: 2, replicas: 1 });
  trial.wipe('p1');
  const plan = planned(trial, 2, 1, { isFenced: () => false });
  ok(
    !told(trial, plan).some((text) => /forget|replicate|move/.test(text)),
    told(trial, plan).join(),
  );
});

test('R61: an id of nobody is forgotten by all, unless a member has not said which is its own', () => {
  const trial = cluster({ primaries: 2, replicas: 1 });
  const old = trial.of('r1').id;
  trial.wipe('r1');
  run(trial, { kind: 'meet', node: trial.of('r1').id, other: trial.of('p1').id });
  trial.settle();
  run(trial, { kind: 'replicate', node: trial.of('r1').id, primary: trial.of('p1').id });
  trial.settle();
  const plan = planned(trial, 2, 1);
  equal(plan.actions.length, 4);
  ok(plan.actions.every(({ step }) => step.kind === 'forget' && step.other === old));
  const silent = trial.members.get('r2');
  ok(silent);
  silent.server = null;
  ok(
    planned(trial, 2, 1).actions.every(({ step }) => step.kind !== 'forget' || step.other !== old),
  );
});

test('R60: who is to go hands over to a level replica, and is forgotten and reset after that', () => {
  const trial = cluster({ primaries: 2, replicas: 1 });
  trial.join('x');
  run(trial, { kind: 'meet', node: trial.of('x').id, other: trial.of('p1').id });
  leave(trial, 'p1');
  trial.settle();
  deepEqual(told(trial, planned(trial, 2, 1)), ['replicate x p1', 'agree']);
  run(trial, { kind: 'replicate', node: trial.of('x').id, primary: trial.of('p1').id });
  trial.settle();
  deepEqual(told(trial, planned(trial, 2, 1)), ['failover r1 planned']);
  for (const name of ['r1', 'x']) trial.of(name).isLinked = false;
  deepEqual(planned(trial, 2, 1).actions, [], 'nobody is level');
  trial.settle();
  run(trial, {
    kind: 'failover',
    node: trial.of('r1').id,
    primary: trial.of('p1').id,
    by: 'planned',
  });
  trial.settle();
  const last = told(trial, planned(trial, 2, 1));
  deepEqual(
    last.slice(0, 4).toSorted(),
    ['p2', 'r1', 'r2', 'x'].map((name) => `forget ${name} p1`),
  );
  equal(last[4], 'reset p1');
});

test('R60: fewer shards: one is emptied in pieces first, and only if it fits', () => {
  const trial = cluster({ primaries: 3, slots: [5_000, 5_000, 6_384] });
  leave(trial, 'p3');
  deepEqual(told(trial, planned(trial, 2)), [`move p3 p1 ${PIECE_SLOTS}`]);
  const memory = (usedBytes: number) =>
    new Map(trial.up().map(({ id }) => [id, { usedBytes, maxBytes: 100 }]));
  deepEqual(codes(planned(trial, 2, 0, { memory: memory(50) })), []);
  const full = planned(trial, 2, 0, { memory: memory(70) });
  deepEqual([full.actions, codes(full)], [[], ['DOES_NOT_FIT', 'DOES_NOT_FIT']]);
});

test('R60: who is to go and has nobody to go to stays, and is named', () => {
  const trial = cluster({ primaries: 3 });
  leave(trial, 'p3');
  const plan = planned(trial, 3);
  deepEqual([plan.actions, codes(plan)], [[], ['COPIES_MISSING', 'CANNOT_LEAVE']]);
});

test('weights move slots, a difference of two per cent does not', () => {
  const trial = cluster({ primaries: 2, slots: [8_192 - 160, 8_192 + 160] });
  deepEqual(planned(trial, 2).actions, []);
  const heavy = trial.members.get('p1');
  ok(heavy);
  heavy.weight = 3;
  deepEqual(told(trial, planned(trial, 2)), [`move p2 p1 ${PIECE_SLOTS}`]);
});

test('those that moved are met at their new addresses, each part once', () => {
  const trial = cluster({ primaries: 3, replicas: 1 });
  for (const server of trial.up()) server.port += 100;
  equal(told(trial, planned(trial, 3, 1)).filter((text) => text.startsWith('meet')).length, 5);
  trial.of('p1').port -= 100;
  deepEqual(planned(trial, 3, 1).actions, [], 'all find p1, and each other by it');
});

test('a server with data that nobody knows is named and left alone, an empty one forgets first', () => {
  const trial = cluster({ primaries: 2 });
  const stranger = trial.join('s');
  run(trial, { kind: 'add-slots', node: stranger.id, slots: [7] });
  const plan = planned(trial, 2);
  deepEqual([plan.actions, codes(plan)], [[], ['STRANGE_DATA']]);
  const other = cluster({ primaries: 2 });
  other.join('s').knows.set(other.wipe('s').id, 1);
  const late = other.join('t');
  late.knows.set(other.servers.get([...other.servers.keys()][2] ?? '')?.id ?? '', 7_002);
  deepEqual(told(other, planned(other, 2)).slice(0, 1), ['reset t']);
});

test('slots of nobody are given out only when no member is away that may have them', () => {
  const trial = cluster({ primaries: 2 });
  for (const { owners } of trial.up()) owners.fill(-1, 100, 103);
  trial.join('away').isUp = false;
  deepEqual(codes(planned(trial, 2)), ['SLOTS_UNCOVERED']);
  deepEqual(planned(trial, 2).actions, []);
  trial.members.delete('away');
  deepEqual(told(trial, planned(trial, 2)), ['claim p1', 'announce p1', 'close p1']);
});

test('a primary that returns with slots that were taken over is waited for, not mended', () => {
  const trial = cluster({ primaries: 3, replicas: 1 });
  down(trial, 'p1');
  run(trial, {
    kind: 'failover',
    node: trial.of('r1').id,
    primary: trial.of('p1').id,
    by: 'force',
  });
  trial.settle();
  trial.of('p1').isUp = true;
  const plan = planned(trial, 3, 1);
  deepEqual(plan.actions, []);
  match(plan.waits.join(), /the later epoch wins/);
});

const FIXED = (id: string, host: string, zone = ''): PlacedShard => ({
  id,
  fixed: [{ id, host, zone }],
});
const ON = (id: string, host: string, shard: string | null = null, zone = ''): Movable => ({
  ...{ id, host, zone, shard },
});

test('placed: replicas go where they are lacking, away from their hosts, and stay where they can', () => {
  const shards = [FIXED('a', 'h1'), FIXED('b', 'h2')];
  const apart = placed(shards, [ON('x', 'h1'), ON('y', 'h2')], 2);
  deepEqual(
    [...apart],
    [
      ['x', 'b'],
      ['y', 'a'],
    ],
  );
  const exchanged = placed(shards, [ON('x', 'h1', 'a'), ON('y', 'h2', 'b')], 2);
  deepEqual(
    [...exchanged],
    [
      ['x', 'b'],
      ['y', 'a'],
    ],
  );
  const still = placed(shards, [ON('x', 'h1', 'b'), ON('y', 'h2', 'a'), ON('z', 'h3', 'a')], 2);
  deepEqual(
    [...still],
    [
      ['x', 'b'],
      ['y', 'a'],
      ['z', 'a'],
    ],
  );
  const zones = [FIXED('a', 'h1', 'z1'), FIXED('b', 'h2', 'z2')];
  const zoned = placed(zones, [ON('x', 'h3', 'a', 'z1'), ON('y', 'h4', 'b', 'z2')], 2);
  deepEqual(
    [...zoned],
    [
      ['x', 'b'],
      ['y', 'a'],
    ],
  );
});
