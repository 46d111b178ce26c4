import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apply } from '../control/apply.ts';
import { type Command, decodeCommand, encodeCommand } from '../control/command.ts';
import { type ControlState, type MemberFacts, NOTHING_AGREED, nameOf } from '../control/state.ts';
import { changed, founded, isMember } from '../raft/configuration.ts';
import type { Configuration } from '../raft/protocol.ts';
import { majority } from '../raft/quorum.ts';
import { type NodeId, nodeId } from '../scalars.ts';
import { votersWanted } from './control-voters.ts';
import { isDataSettled, nextDataSteps } from './data-change.ts';
import type { Observation } from './observation.ts';
import { type Action, plan } from './plan.ts';

function id(name: string, directory = 1): NodeId {
  return nodeId(`${name}@${String(directory).padStart(8, '0')}`);
}

function facts(node: NodeId, zone = ''): MemberFacts {
  return {
    peerAddress: `${nameOf(node)}:7379`,
    clientAddress: `${nameOf(node)}:6379`,
    httpAddress: `${nameOf(node)}:8379`,
    zone,
    serverVersion: 'valkey 8.0.1',
    ephemeral: false,
  };
}

/** Two perfect Raft groups, the agreed state, and nodes that are there or not. */
class World {
  state: ControlState = NOTHING_AGREED;
  control: Configuration;
  data: Configuration;
  readonly founders: readonly NodeId[];
  readonly up: Set<NodeId>;
  readonly leavers = new Set<NodeId>();
  readonly zones = new Map<NodeId, string>();
  readonly witnesses = new Set<NodeId>();
  goneMs = 0;
  carriedOut: number | null = null;
  leader: NodeId;
  dataLeader: NodeId;
  #index = 0;

  constructor(...names: readonly string[]) {
    this.founders = names.map((name) => id(name));
    this.up = new Set(this.founders);
    this.control = founded(this.founders);
    this.data = founded(this.founders);
    this.leader = this.founders[0] as NodeId;
    this.dataLeader = this.leader;
  }

  get seen(): Observation {
    const nodes = new Map(
      [...this.up].map((node) => [
        node,
        { facts: this.facts(node), isLeaving: this.leavers.has(node) },
      ]),
    );
    return {
      self: this.leader,
      nowMs: 1,
      nodes,
      goneMs: () => this.goneMs,
      control: this.control,
      data: {
        leader: this.dataLeader,
        configuration: this.data,
        carriedOut: this.carriedOut,
      },
      eventual: null,
    };
  }

  facts(node: NodeId): MemberFacts {
    const all = facts(node, this.zones.get(node));
    return this.witnesses.has(node) ? { ...all, witness: true } : all;
  }

  plan(): Action[] {
    const witnesses = this.founders.filter((node) => this.witnesses.has(node));
    return plan(this.state, this.seen, {
      founders: this.founders,
      witnesses,
      forgetAfterMs: 60_000,
    });
  }

  propose(command: Command): void {
    this.#index += 1;
    this.state = apply(this.state, this.#index, command).state;
  }

  /** As Raft would: refused when there is no majority for it. */
  act(action: Action): void {
    if (!this.hasMajority(this.control)) return;
    if (action.kind === 'propose') {
      this.propose(action.command);
    } else if (action.kind === 'handOver') {
      ok(this.control.voters.includes(action.to) && this.up.has(action.to));
      this.leader = action.to;
    } else {
      const { change } = action;
      ok(change.kind !== 'remove' || change.node !== this.leader, 'a leader removes itself');
      const next = changed(this.control, change, 0);
      ok(next.voters.length > 0);
      if (change.kind === 'addLearner') ok(!isMember(this.control, change.node));
      if (this.hasMajority(next)) this.control = next;
    }
  }

  /** The data group's leader does the next thing, if it may. */
  follow(): void {
    const { data } = this.state;
    this.carriedOut = null;
    if (!this.hasMajority(this.data) || this.state.spec === null) return;
    // It reads what was decided in the control group's log.
    if (!isMember(this.control, this.dataLeader)) return;
    const [next] = nextDataSteps({
      self: this.dataLeader,
      configuration: this.data,
      wanted: data.voters,
      isHeard: (node) => this.up.has(node),
      isWitness: (node) => this.witnesses.has(node),
    });
    if (next === undefined) {
      this.carriedOut = data.decision;
      return;
    }
    if (next.kind === 'handOver') {
      ok(this.data.voters.includes(next.to));
      this.dataLeader = next.to;
      return;
    }
    const { change } = next;
    ok(change.node !== this.dataLeader || change.kind !== 'remove', 'a leader removes itself');
    if (change.kind === 'promote' && !this.up.has(change.node)) return;
    const after = changed(this.data, change, data.decision);
    const copies = (voters: readonly NodeId[]) => voters.filter((node) => this.up.has(node)).length;
    const fewest = Math.min(copies(this.data.voters), copies(data.voters));
    ok(copies(after.voters) >= fewest, 'fewer copies on the way than at either end');
    if (this.hasMajority(after)) this.data = after;
  }

  hasMajority({ voters }: Configuration): boolean {
    return voters.filter((node) => this.up.has(node)).length >= majority(voters.length);
  }

  elect(): void {
    const electable = (group: Configuration) => group.voters.filter((node) => this.up.has(node));
    if (!electable(this.control).includes(this.leader))
      this.leader = electable(this.control)[0] ?? this.leader;
    if (!electable(this.data).includes(this.dataLeader))
      this.dataLeader = electable(this.data)[0] ?? this.dataLeader;
  }

  check(): void {
    ok(this.data.voters.length > 0 && this.control.voters.length > 0);
    if (this.state.spec === null) return;
    for (const node of [...this.data.voters, ...this.data.learners])
      ok(
        this.state.members.some((member) => member.node === node),
        `${node} was forgotten while it counts for the data`,
      );
  }

  /** Until nothing is left to do. */
  settle(): void {
    for (let round = 0; round < 200; round++) {
      this.elect();
      const actions = this.plan();
      for (const action of actions) {
        this.act(action);
        this.check();
      }
      const [before, leaderBefore] = [this.data, this.dataLeader];
      const carriedOutBefore = this.carriedOut;
      this.follow();
      this.elect();
      const isStill =
        before === this.data &&
        leaderBefore === this.dataLeader &&
        carriedOutBefore === this.carriedOut;
      if (actions.length === 0 && isStill) return;
    }
    throw new Error(`it never ends: ${JSON.stringify(this.plan())}`);
  }

  dismiss(node: NodeId, by: 'order' | 'itself' = 'order'): void {
    this.propose({ kind: 'dismiss', atMs: 1, node, by, why: 'it was asked for' });
  }

  scale(replicas: number): void {
    this.propose({ kind: 'spec', atMs: 1, change: { replicas }, ifVersion: null });
  }
}

const [A, B, C, D, E] = ['a', 'b', 'c', 'd', 'e'].map((name) => id(name)) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];

test('the charter is proposed first, and then there is nothing to do', () => {
  const world = new World('a', 'b', 'c');
  const [first] = world.plan();
  equal(first?.kind === 'propose' && first.command.kind, 'found');
  world.settle();
  deepEqual(world.data, founded([A, B, C]));
  const { spec } = world.state;
  deepEqual(spec, { replicas: 2, forgetAfterMs: 60_000, reads: 'leader', server: {} });
});

test('at most seven vote, and an odd number of them', () => {
  deepEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 64].map(votersWanted), [1, 2, 3, 3, 5, 5, 7, 7, 7, 7]);
});

test('who joins is a spare when the data has its copies, and votes where it makes them odd', () => {
  const world = new World('a', 'b', 'c');
  world.up.add(D);
  world.settle();
  deepEqual(world.data.voters, [A, B, C]);
  deepEqual(world.control, { voters: [A, B, C], learners: [D], decision: 0 });
  world.up.add(E);
  world.settle();
  deepEqual(world.control, { voters: [A, B, C, D, E], learners: [], decision: 0 });
});

test('who joins holds the data when the spec wants more copies', () => {
  const world = new World('a');
  world.settle();
  world.scale(2);
  world.up.add(B);
  world.settle();
  deepEqual(world.data.voters, [A, B]);
  world.up.add(C);
  world.settle();
  deepEqual(world.data.voters, [A, B, C]);
  equal(world.data.decision, world.state.data.decision);
  equal(world.state.data.isSettled, true);
});

test('a wiped node is a new one, and takes the place of the one that it was', () => {
  const world = new World('a', 'b', 'c');
  world.settle();
  world.up.delete(C);
  const again = id('c', 2);
  world.up.add(again);
  world.goneMs = 4_999;
  world.settle();
  deepEqual(world.data.voters, [A, B, C], 'the former one may only be restarting');
  world.goneMs = 5_000;
  world.settle();
  deepEqual(world.data.voters, [A, B, again]);
  deepEqual(world.control.voters, [A, B, again]);
  deepEqual(
    world.state.members.map(({ node }) => node),
    [A, B, again],
  );
});

test('two newcomers of one name: the one whose id comes first is met', () => {
  const world = new World('a');
  world.settle();
  world.up.add(id('b', 2));
  world.up.add(id('b', 1));
  world.settle();
  deepEqual(
    world.state.members.map(({ node }) => node),
    [A, id('b', 1)],
  );
});

test('many with long names leave at once: the reason fits a command', () => {
  const names = Array.from({ length: 30 }, (_, i) => `orders-althing-7c9d8b6f5d-x0zq${i}`);
  const world = new World(...names);
  world.settle();
  world.scale(1);
  for (const node of world.founders.slice(2)) world.dismiss(node, 'itself');
  for (const action of world.plan())
    if (action.kind === 'propose') ok(decodeCommand(encodeCommand(action.command)) !== null);
  world.settle();
  equal(world.data.voters.length, 2);
});

test('what a data leader said before it read the decision proves nothing', () => {
  const world = new World('a', 'b', 'c');
  world.settle();
  world.dismiss(C);
  for (const action of world.plan()) world.act(action);
  world.data = founded([A, B]);
  const isAnyForgotten = () =>
    world.plan().some((each) => each.kind === 'propose' && each.command.kind === 'forget');
  equal(isAnyForgotten(), false, 'it may still be at work on an older one');
  world.follow();
  equal(isAnyForgotten(), true);
  world.data = founded([A, B, C]);
  equal(isAnyForgotten(), false, 'whatever is said of the decision: it votes there still');
});

test('a leader of the control group that is to go alone has somebody promoted first', () => {
  const world = new World('a');
  world.settle();
  world.control = { voters: [A], learners: [B], decision: 0 };
  world.up.add(B);
  world.propose({ kind: 'meet', atMs: 1, node: B, facts: facts(B) });
  world.leavers.add(A);
  world.dismiss(A, 'itself');
  world.settle();
  deepEqual([world.control.voters, world.data.voters], [[B], [B]]);
});

test('who is to leave and leads the data is taken into the control group for as long', () => {
  const world = new World('a', 'b', 'c', 'd');
  world.settle();
  // It was down when the fourth vote was taken away, and ordered to leave before it was back.
  world.control = founded([A, B, C]);
  world.dataLeader = D;
  world.dismiss(D);
  world.settle();
  deepEqual(
    [world.data.voters, world.control.voters],
    [
      [A, B, C],
      [A, B, C],
    ],
  );
  equal(isMember(world.control, D), false);
});

test('who leaves by itself and is back before it has left stays', () => {
  const world = new World('a', 'b', 'c');
  world.settle();
  world.up.delete(C);
  for (const node of [A, B]) world.dismiss(node, 'itself');
  world.leavers.add(A);
  world.settle();
  const leaving = () => world.state.members.map(({ leaving: why }) => why?.by ?? null);
  deepEqual(leaving(), ['itself', null, null], 'nobody else is there to go on with');
  world.leavers.clear();
  world.settle();
  deepEqual(leaving(), [null, null, null]);
});

test('of those that are to go from the control group whoever is not there goes first', () => {
  const world = new World('a', 'b', 'c', 'd');
  world.settle();
  for (const node of [B, C]) world.dismiss(node);
  while (world.state.members.length > 2) {
    for (const action of world.plan()) if (action.kind === 'propose') world.act(action);
    world.follow();
  }
  world.up.delete(C);
  const steps = world.plan().flatMap((action) => (action.kind === 'change' ? action.change : []));
  deepEqual(steps, [{ kind: 'remove', node: C }]);
  world.settle();
  deepEqual(world.control.voters.includes(B), false);
});

test('who is no member any more keeps its vote as long as nothing could be decided without it', () => {
  const world = new World('a', 'b', 'c');
  world.up.add(D);
  world.settle();
  world.dismiss(B);
  world.settle();
  // The others that vote are to go as well, one is not there, and who stays has no vote yet.
  world.control = founded([A, B, C]);
  world.dismiss(A);
  world.dismiss(C);
  world.up.delete(C);
  world.settle();
  deepEqual([world.data.voters, world.control.voters], [[D], [D]]);
});

test('two nodes of one name that are both there: the second one waits', () => {
  const world = new World('a', 'b', 'c');
  world.settle();
  world.up.add(id('c', 2));
  world.settle();
  deepEqual(
    world.state.members.map(({ node }) => node),
    [A, B, C],
  );
});

test('who is gone for too long is replaced by a spare; for less long, by nobody', () => {
  const world = new World('a', 'b', 'c');
  world.up.add(D);
  world.settle();
  world.up.delete(B);
  world.goneMs = 59_999;
  deepEqual(world.plan(), []);
  world.goneMs = 60_000;
  world.settle();
  deepEqual(world.data.voters, [A, C, D]);
  world.up.add(B);
  world.settle();
  deepEqual(world.data.voters, [A, C, D]);
  ok(world.state.members.some(({ node }) => node === B));
});

test('who is gone stays a member when those that are there would be no majority', () => {
  const world = new World('a', 'b');
  world.settle();
  world.up.delete(B);
  world.goneMs = 1e9;
  deepEqual(world.plan(), []);
});

test('who leaves is forgotten after it has left the data group, never before', () => {
  const world = new World('a', 'b', 'c');
  world.settle();
  world.dismiss(A);
  for (let round = 0; round < 50; round++) {
    const actions = world.plan();
    const forgets = actions.some(
      (each) => each.kind === 'propose' && each.command.kind === 'forget',
    );
    equal(forgets && isMember(world.data, A), false);
    for (const action of actions) world.act(action);
    world.follow();
  }
  deepEqual(
    [world.data.voters, world.control.voters],
    [
      [B, C],
      [B, C],
    ],
  );
  ok(world.leader !== A && world.dataLeader !== A);
  deepEqual(world.state.removed, [A]);
});

test('places are given such that zones stay even', () => {
  const world = new World('a');
  for (const [node, zone] of [
    [A, 'east'],
    [B, 'east'],
    [C, 'west'],
    [D, 'north'],
  ] as const) {
    world.up.add(node);
    world.zones.set(node, zone);
  }
  world.settle();
  world.scale(2);
  world.settle();
  deepEqual(world.data.voters, [A, C, D]);
});

test('3 -> 5 -> 1 -> 3: the leader keeps its place, the data is never without a copy', () => {
  const world = new World('a', 'b', 'c');
  for (const node of [D, E]) world.up.add(node);
  world.settle();
  world.scale(4);
  world.settle();
  deepEqual(world.data.voters, [A, B, C, D, E]);
  world.dataLeader = D;
  world.scale(0);
  world.settle();
  deepEqual(world.data.voters, [D]);
  world.scale(2);
  world.settle();
  equal(world.data.voters.length, 3);
});

test('four of five leave at once: the data stays with the fifth', () => {
  const world = new World('a', 'b', 'c', 'd', 'e');
  world.settle();
  for (const node of [A, B, C, D]) {
    world.leavers.add(node);
    world.dismiss(node, 'itself');
  }
  world.settle();
  deepEqual([world.data.voters, world.control.voters], [[E], [E]]);
  deepEqual([world.leader, world.dataLeader], [E, E]);
});

test('a witness makes an even number of holders odd, and is no holder', () => {
  const world = new World('a', 'b', 'w');
  const [A, B, W] = world.founders as [NodeId, NodeId, NodeId];
  world.witnesses.add(W);
  world.settle();
  equal(world.state.spec?.replicas, 1, 'two of the founders hold the data');
  deepEqual(world.data.voters, [A, B, W]);

  const D = id('d');
  world.up.add(D);
  world.settle();
  deepEqual(world.data.voters, [A, B, W], 'a spare');
  world.propose({ kind: 'spec', atMs: 2, change: { replicas: 2 }, ifVersion: null });
  world.settle();
  deepEqual(world.data.voters, [A, B, D], 'of four voters three would be needed');
  world.propose({ kind: 'spec', atMs: 3, change: { replicas: 0 }, ifVersion: null });
  world.settle();
  deepEqual(world.data.voters, [A], 'a lone node depends on nobody');
  world.propose({ kind: 'spec', atMs: 4, change: { replicas: 9 }, ifVersion: null });
  world.settle();
  deepEqual(world.data.voters, [A, B, D], 'however many are wanted');
  const [X, V] = [id('x'), id('v')];
  world.witnesses.add(V);
  for (const node of [X, V]) world.up.add(node);
  world.settle();
  equal(world.data.voters.length, 5);
  deepEqual(
    world.data.voters.filter((node) => !world.witnesses.has(node)),
    [A, B, D, X],
  );
});

test('a witness among the founders is no copy, also one that nobody sees at the founding', () => {
  const world = new World('a', 'b', 'w');
  const W = world.founders[2] as NodeId;
  world.witnesses.add(W);
  world.up.delete(W);
  world.goneMs = 5_000;
  world.settle();
  equal(world.state.spec?.replicas, 1);
  world.up.add(W);
  world.up.add(id('d'));
  world.settle();
  deepEqual(world.data.voters, world.founders, 'who comes later is a spare');
});

test('the data group does what others do not depend on when one of them cannot follow', () => {
  const steps = nextDataSteps({
    self: A,
    configuration: { voters: [A], learners: [B], decision: 3 },
    wanted: [A, B, C],
    isHeard: (node) => node !== B,
    isWitness: () => false,
  });
  deepEqual(steps, [
    { kind: 'change', change: { kind: 'addLearner', node: C } },
    { kind: 'change', change: { kind: 'promote', node: B } },
  ]);
});

test('those that nobody hears are removed first, and the leader hands over last', () => {
  const input = {
    self: A,
    configuration: founded([A, B, C, D]),
    wanted: [D],
    isHeard: (node: NodeId) => node !== C,
    isWitness: (node: NodeId) => node === B,
  };
  deepEqual(
    nextDataSteps(input).map((step) => step.kind === 'change' && step.change.node),
    [C, B],
  );
  // Also while somebody is to come: its vote would count against those that are there.
  deepEqual(nextDataSteps({ ...input, configuration: founded([A, C]), wanted: [A, B] }), [
    { kind: 'change', change: { kind: 'remove', node: C } },
    { kind: 'change', change: { kind: 'addLearner', node: B } },
  ]);
  deepEqual(nextDataSteps({ ...input, configuration: founded([A, D]) }), [
    { kind: 'handOver', to: D },
  ]);
  // A witness could not serve.
  const toMany = { ...input, configuration: founded([A, B, D]), wanted: [B, D] };
  deepEqual(nextDataSteps(toMany), [{ kind: 'handOver', to: D }]);
});

type Move =
  | { readonly kind: 'toggle' | 'join' | 'wipe' | 'dismiss' | 'electData' | 'elect'; who: number }
  | { readonly kind: 'scale'; who: number }
  | { readonly kind: 'act'; who: number }
  | { readonly kind: 'follow'; who: number };

const moves = fc.array(
  fc.record({
    kind: fc.constantFrom<Move['kind']>(
      ...(['toggle', 'join', 'wipe', 'dismiss', 'electData', 'elect', 'scale'] as const),
      ...(['act', 'act', 'act', 'act', 'follow', 'follow', 'follow'] as const),
    ),
    who: fc.nat(7),
  }),
  { maxLength: 150 },
);

function move(world: World, { kind, who }: Move): void {
  const all = [...new Set([...world.founders, ...world.state.members.map(({ node }) => node)])];
  const node = all[who % all.length] as NodeId;
  if (kind === 'toggle' && !world.up.delete(node) && !world.state.removed.includes(node))
    world.up.add(node);
  if (kind === 'join') world.up.add(id('defgh'[who % 5] as string));
  if (kind === 'wipe' && world.up.delete(node))
    world.up.add(id(nameOf(node), Number(node.slice(-8)) + 1));
  if (kind === 'dismiss') world.dismiss(node);
  if (kind === 'scale') world.scale(who % 6);
  if (kind === 'electData') world.dataLeader = world.data.voters[who] ?? world.dataLeader;
  if (kind === 'elect') world.leader = world.control.voters[who] ?? world.leader;
  // Interrupted after any of its actions.
  if (kind === 'act') for (const action of world.plan().slice(0, (who % 3) + 1)) world.act(action);
  if (kind === 'follow') world.follow();
  world.elect();
  world.check();
}

test('whatever comes in between, a plan ends with what the spec wants once all are there', () => {
  fc.assert(
    fc.property(moves, (all) => {
      const world = new World('a', 'b', 'c');
      for (const each of all) move(world, each);
      const members = world.state.members.map(({ node }) => node);
      const known = [...world.founders, ...members, ...world.control.voters, ...world.data.voters];
      for (const node of known.filter((each) => !world.state.removed.includes(each)))
        world.up.add(node);
      world.settle();
      const { state, data, control } = world;
      const staying = state.members.filter(({ leaving }) => leaving === null);
      const wanted = Math.min((state.spec?.replicas ?? 0) + 1, staying.length);
      equal(data.voters.length, wanted);
      ok(isDataSettled(data, state.data.voters));
      equal(control.voters.length, votersWanted(staying.length));
      equal(state.members.length, staying.length, 'nobody is still leaving');
    }),
    { numRuns: 1000, includeErrorInReport: true },
  );
});
