import { ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../scalars.ts';
import { isMember } from './configuration.ts';
import { type Member, SmallWorld } from './small-world.test.ts';

const SEEDS = 200;
const STEPS = 1000;

type Chance = (outOf: number) => boolean;

function disturb(world: SmallWorld, chance: Chance, pick: (n: number) => number): void {
  const members = [...world.members.values()];
  const member = members[pick(members.length)];
  ok(member);
  const name = member.id.slice(0, 1);
  if (!member.isUp) {
    if (chance(8)) world.restart(name);
    return;
  }
  const other = world.voters[pick(world.voters.length)];
  ok(other);
  const copies = [...world.members.keys()].filter((id) => !world.voters.includes(id));
  const fate = pick(220);
  if (fate >= 215) world.isolate(name);
  else if (fate >= 209) world.cuts.add(`${member.id}>${other}`);
  else if (fate >= 205) world.cuts.clear();
  else if (fate >= 200) world.handle(name, { kind: 'copiesKnown', copies });
  else disturbNode(world, member, fate, chance, other);
}

function disturbNode(
  world: SmallWorld,
  member: Member,
  fate: number,
  chance: Chance,
  other: NodeId,
): void {
  const name = member.id.slice(0, 1);
  const { pending } = member.log;
  if (fate < 3) world.crash(name, world.random() % (pending + 1));
  else if (fate < 6) world.handle(name, { kind: 'transferWanted', to: chance(2) ? null : other });
  else if (fate < 8) world.handle(name, { kind: 'resignWanted', why: 'test' });
  else if (fate < 14) world.handle(name, { kind: 'peerLost', peer: other });
  else if (fate < 20) world.handle(name, { kind: 'peerFound', peer: other });
  else if (fate < 28) world.compact(member);
  else if (fate < 40) world.finishFetch(chance(2));
  else if (fate < 65) world.wantRound(member);
  else if (fate < 110) world.propose(member, `${name}${world.random() % 1000}`);
  else world.tick(name);
}

function step(world: SmallWorld, lossOutOf: number): void {
  const pick = (n: number) => (n === 0 ? 0 : world.random() % n);
  const chance = (outOf: number) => pick(outOf) === 0;
  const fate = pick(9);
  if (fate < 3) {
    disturb(world, chance, pick);
  } else if (fate < 5) {
    const member = [...world.members.values()][pick(world.members.size)];
    if (member?.isUp) member.log.sync(1 + pick(member.log.pending));
  } else if (world.wire.length > 0) {
    // Mostly in order, as connections do it, sometimes not.
    const at = chance(4) ? pick(world.wire.length) : 0;
    if (chance(lossOutOf)) world.wire.splice(at, 1);
    else world.deliver(at, chance(15));
  } else {
    world.tick();
  }
}

/** All nodes are up and nothing gets lost: they must agree, and go on. */
function heal(world: SmallWorld): void {
  for (const member of world.members.values())
    if (!member.isUp) world.restart(member.id.slice(0, 1));
  world.cuts.clear();
  world.settle();
  const isLevel = () => {
    const leader = world.leader();
    if (leader === undefined) return false;
    const copies = [...world.members.keys()].filter((id) => !world.voters.includes(id));
    leader.driver.handle({ kind: 'copiesKnown', copies });
    const { last, configuration } = leader.driver.raft;
    const isFed = (id: NodeId) => isMember(configuration, id) || copies.includes(id);
    return [...world.members.values()].every(
      ({ id, applied, driver: { raft } }) =>
        !isFed(id) || (applied === last.index && raft.committed === last.index),
    );
  };
  world.until(isLevel);
  // A handover that is still under way refuses proposals until it ends.
  const before = world.committed.length;
  world.until(() => {
    const leader = world.leader();
    if (leader !== undefined) world.propose(leader, 'afterwards');
    world.settle();
    return world.committed.length > before;
  });
  const leader = world.leader();
  ok(leader);
  const round = world.wantRound(leader);
  world.settle();
  ok(leader.driver.raft.confirmedRound >= round, 'the healed group confirms rounds');
}

test('random worlds: one leader per term, logs match, nothing committed is lost', () => {
  let committed = 0;
  let terms = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const names = ['abc', 'ab', 'abcde', 'abc', 'a'][seed % 5] ?? 'abc';
    const copies = seed % 3 === 0 ? 'x' : '';
    const limits = { electionTicksMin: 6, electionTicksMax: 12, heartbeatTicks: 2 };
    const bytes = { appendBytesMax: 10, windowBytesMax: 30, uncommittedBytesMax: 100 };
    const world = new SmallWorld(names, seed, { ...limits, ...bytes }, copies);
    try {
      for (let i = 0; i < STEPS; i++) {
        step(world, 2 + (seed % 20));
        if (i % 50 === 0) world.checkLogs();
      }
      heal(world);
      world.checkLogs();
    } catch (cause) {
      throw new Error(`seed ${seed}`, { cause });
    }
    committed += world.committed.length;
    terms += world.leaders.size;
  }
  ok(committed > SEEDS * 4, `the worlds did something: ${committed} entries`);
  ok(terms > SEEDS, `the worlds had elections: ${terms}`);
});

const CHANGES = ['addLearner', 'promote', 'remove'] as const;

/** Somebody who may lead is asked for some change; most are refused. */
function change(world: SmallWorld): void {
  const members = [...world.members.values()];
  const asked = world.leader() ?? members[world.random() % members.length];
  const node = members[world.random() % members.length];
  const kind = CHANGES[world.random() % CHANGES.length];
  ok(asked && node && kind);
  if (!asked.isUp) return;
  const decision = world.random() % 4 === 0 ? 1 + Math.floor(world.committed.length / 20) : 0;
  const leaderMayLeave = world.random() % 2 === 0;
  const name = asked.id.slice(0, 1);
  world.change(name, kind, node.id.slice(0, 1), { decision, leaderMayLeave });
}

test('random worlds whose members change: whatever is in force, there is one history', () => {
  let configurations = 0;
  let removedLeaders = 0;
  let rolledBack = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const names = ['abc', 'ab', 'a', 'abcd'][seed % 4] ?? 'abc';
    const limits = { electionTicksMin: 6, electionTicksMax: 12, heartbeatTicks: 2 };
    const bytes = { appendBytesMax: 100, windowBytesMax: 300, uncommittedBytesMax: 1000 };
    const world = new SmallWorld(names, seed, { ...limits, ...bytes }, 'xyz');
    world.onNotice = (_, notice) => {
      if (notice.kind === 'steppedDown' && notice.why === 'this node was removed')
        removedLeaders += 1;
      if (notice.kind === 'configurationChanged' && notice.state === 'rolledBack') rolledBack += 1;
    };
    try {
      for (let i = 0; i < STEPS; i++) {
        if (world.random() % 8 === 0) change(world);
        else step(world, 2 + (seed % 40));
        world.checkConfigurations();
        if (i % 50 === 0) world.checkLogs();
      }
      heal(world);
      world.checkLogs();
      world.checkConfigurations();
    } catch (cause) {
      throw new Error(`seed ${seed}`, { cause });
    }
    configurations += world.configurations.length - 1;
  }
  ok(configurations > SEEDS, `members changed: ${configurations} times`);
  ok(removedLeaders > SEEDS / 20, `leaders removed themselves: ${removedLeaders}`);
  ok(rolledBack > SEEDS / 40, `changes were rolled back: ${rolledBack}`);
});
