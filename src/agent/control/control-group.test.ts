/**
 * The control group over simulated disks, and a network that delivers what it is given in turns.
 * The data group is a value that does as it was decided.
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { World as DiskWorld, pseudoRandom } from '../../../test/contracts/storage-world.ts';
import type { Answer } from '../../core/control/applied.ts';
import type { Command } from '../../core/control/command.ts';
import { type MemberFacts, nameOf } from '../../core/control/state.ts';
import type { NodeSeen, Observation } from '../../core/plan/observation.ts';
import { changed, founded } from '../../core/raft/configuration.ts';
import { FETCH_LIMITS, type TransferMessage } from '../../core/raft/fetch.ts';
import { RAFT_LIMITS } from '../../core/raft/options.ts';
import type { Configuration, Message } from '../../core/raft/protocol.ts';
import { logIndex, type NodeId, nodeId, term } from '../../core/scalars.ts';
import { Applier } from './applier.ts';
import { CONTROL_GROUP, ControlGroup } from './control-group.ts';
import { ControlLoop, ROUND_TICKS } from './control-loop.ts';
import { DataMembers } from './data-members.ts';
import { NO_STAND, type OpenControlResult, openControl } from './open-control.ts';

function idOf(name: string): NodeId {
  return nodeId(`${name}@00000000`);
}

function factsOf(node: NodeId): MemberFacts {
  const at = (port: number): string => `${nameOf(node)}:${port}`;
  return {
    peerAddress: at(7379),
    clientAddress: at(6379),
    httpAddress: at(8379),
    zone: '',
    serverVersion: 'valkey 8.0.1',
    ephemeral: false,
  };
}

class TrialNode {
  readonly id: NodeId;
  readonly world: TrialAssembly;
  readonly disk: DiskWorld;
  group: ControlGroup | null = null;
  loop: ControlLoop | null = null;
  data: DataMembers | null = null;
  failure: Error | null = null;
  addresses: readonly string[] = [];

  constructor(world: TrialAssembly, id: NodeId, seed: number) {
    this.world = world;
    this.id = id;
    this.disk = new DiskWorld(seed);
  }

  get running(): ControlGroup {
    if (this.group === null) throw new Error(`${this.id} does not run`);
    return this.group;
  }

  start(): void {
    let result: OpenControlResult | null = null;
    const options = {
      group: CONTROL_GROUP,
      mustExist: false,
      segmentBytes: 16 * 1024,
      cacheBytes: 64 * 1024,
      onFailure: (error: Error) => {
        this.failure = error;
      },
    };
    openControl(this.disk.disk, `/${nameOf(this.id)}`, options, (opened) => {
      result = opened;
    });
    this.disk.settle();
    const files = result as OpenControlResult | null;
    if (files === null || !files.ok) throw files?.error ?? new Error('it does not open');
    this.addresses = files.addresses;
    const { world, id } = this;
    const group = new ControlGroup({
      id,
      founders: world.founders,
      files,
      peers: {
        send: (to, message) => world.post(id, to, message),
        sendTransfer: (to, message) => world.postTransfer(id, to, message),
      },
      limits: RAFT_LIMITS,
      fetchLimits: FETCH_LIMITS,
      entropy: world.entropy,
      note: () => undefined,
      onNotice: () => undefined,
      changed: () => undefined,
      fatal: (error) => {
        this.failure = error;
      },
    });
    this.group = group;
    const founding = { founders: world.founders, witnesses: [], forgetAfterMs: 60_000 };
    const observe = () => world.observe(this);
    this.loop = new ControlLoop({
      group,
      founding,
      roundTicks: ROUND_TICKS,
      observe,
      note: () => undefined,
    });
    this.data = new DataMembers({
      id,
      data: () => world.dataLead(id),
      state: () => group.state,
    });
  }

  /** What was not synced is gone. */
  crash(): void {
    this.group = null;
    this.loop = null;
    this.data = null;
    this.disk.crash();
  }

  tick(): void {
    this.group?.tick();
    this.loop?.tick();
    this.data?.tick();
  }
}

type Post = { readonly to: NodeId; readonly give: (group: ControlGroup) => void };

class TrialAssembly {
  readonly founders: readonly NodeId[];
  readonly nodes = new Map<NodeId, TrialNode>();
  readonly entropy = pseudoRandom(7);
  /** Nobody hears those, and they hear nobody. */
  readonly cut = new Set<NodeId>();
  data: Configuration;
  dataLeader: NodeId;
  #posts: Post[] = [];

  constructor(...names: readonly string[]) {
    this.founders = names.map(idOf);
    this.data = founded(this.founders);
    this.dataLeader = this.founders[0] as NodeId;
    for (const name of names) this.add(name);
  }

  add(name: string): TrialNode {
    const node = new TrialNode(this, idOf(name), this.nodes.size + 1);
    this.nodes.set(node.id, node);
    node.start();
    return node;
  }

  at(name: string): TrialNode {
    const node = this.nodes.get(idOf(name));
    if (node === undefined) throw new Error(`there is no ${name}`);
    return node;
  }

  get leader(): TrialNode | null {
    const leading = [...this.nodes.values()].filter((node) => node.group?.isCurrent === true);
    return leading.sort((a, b) => b.running.raft.term - a.running.raft.term)[0] ?? null;
  }

  isUp(id: NodeId): boolean {
    return !this.cut.has(id) && this.nodes.get(id)?.group != null;
  }

  post(from: NodeId, to: NodeId, message: Message): void {
    if (this.isUp(from)) this.#posts.push({ to, give: (group) => group.received(from, message) });
  }

  postTransfer(from: NodeId, to: NodeId, message: TransferMessage): void {
    if (this.isUp(from))
      this.#posts.push({ to, give: (group) => group.transferred(from, message) });
  }

  /** Everything that is under way, and one tick. */
  turn(): void {
    for (const node of this.nodes.values()) {
      node.tick();
      node.disk.settle();
    }
    for (let posts = this.#take(); posts.length > 0; posts = this.#take()) {
      for (const { to, give } of posts) {
        const group = this.isUp(to) ? this.nodes.get(to)?.group : null;
        if (group != null) give(group);
      }
      for (const node of this.nodes.values()) node.disk.settle();
    }
  }

  until(what: string, isSo: () => boolean): void {
    for (let turns = 0; !isSo(); turns++) {
      equal(turns < 4_000, true, `waited in vain: ${what}`);
      this.turn();
    }
  }

  /** Until the loop has nothing to do, everywhere alike. */
  settle(): void {
    const text = (): string => {
      const states = [...this.nodes.values()]
        .filter(({ id }) => this.isUp(id))
        .map(({ running }) => JSON.stringify([running.state, running.raft.configuration]));
      return JSON.stringify([states, this.data, this.dataLeader]);
    };
    let stillTurns = 0;
    let before = text();
    this.until('rest', () => {
      const now = text();
      stillTurns = now === before && this.leader !== null ? stillTurns + 1 : 0;
      before = now;
      return stillTurns > 120;
    });
  }

  propose(command: Command): Answer {
    let answer: Answer | null = null;
    this.until('a leader', () => this.leader !== null);
    this.leader?.running.propose(command, (given) => {
      equal(answer, null, 'one answer each');
      answer = given;
    });
    this.until('an answer', () => answer !== null);
    return answer as unknown as Answer;
  }

  observe({ id }: TrialNode): Observation {
    const nodes = new Map<NodeId, NodeSeen>();
    for (const node of this.nodes.keys())
      if (node === id || this.isUp(node))
        nodes.set(node, { facts: factsOf(node), isLeaving: false });
    return {
      self: id,
      nowMs: 1,
      nodes,
      goneMs: () => 0,
      control: this.nodes.get(id)?.running.raft.configuration ?? this.data,
      data: {
        leader: this.dataLeader,
        configuration: this.data,
        carriedOut: this.nodes.get(this.dataLeader)?.data?.carriedOut ?? null,
      },
      eventual: null,
    };
  }

  dataLead(id: NodeId) {
    if (id !== this.dataLeader) return null;
    return {
      isLeader: true,
      configuration: this.data,
      isHeard: (node: NodeId) => this.isUp(node),
      changeMembers: (
        change: Parameters<typeof changed>[1],
        { decision = 0 }: { readonly decision?: number },
        done: (ok: boolean, why: string) => void,
      ) => {
        equal(decision >= this.data.decision, true, 'H10');
        if (change.kind !== 'remove' && !this.isUp(change.node)) return done(false, 'not heard');
        this.data = changed(this.data, change, decision);
        done(true, 'committed');
      },
      handOver: (to: NodeId, done: (ok: boolean, why: string) => void) => {
        this.dataLeader = to;
        done(true, 'handed over');
      },
    };
  }

  #take(): Post[] {
    const posts = this.#posts;
    this.#posts = [];
    return posts;
  }
}

const [A, B, C, D] = ['a', 'b', 'c', 'd'].map(idOf);

function scale(replicas: number): Command {
  return { kind: 'spec', atMs: 1, change: { replicas }, ifVersion: null };
}

/** Alternates, so that each is a change; some 90 bytes. */
function fill(assembly: TrialAssembly, commands: number): void {
  const facts = (i: number) => ({
    peerAddress: `${'x'.repeat(280)}:${1000 + (i % 2)}`,
    clientAddress: 'x'.repeat(290),
    httpAddress: 'x'.repeat(290),
    zone: '',
    serverVersion: '',
    ephemeral: false,
  });
  // Of a node that is not there: the loop does not mend it.
  for (let i = 0; i < commands; i++)
    assembly.propose({ kind: 'meet', atMs: 1, node: idOf('far'), facts: facts(i) });
}

test('the founders agree on the charter, and every node has the same state', () => {
  const assembly = new TrialAssembly('a', 'b', 'c');
  assembly.settle();
  const states = [...assembly.nodes.values()].map(({ running }) => running.state);
  deepEqual(states[0]?.data.voters, [A, B, C]);
  for (const state of states) deepEqual(state, states[0]);
});

test('who comes is met, learns, and votes once it makes them odd', () => {
  const assembly = new TrialAssembly('a', 'b', 'c');
  assembly.settle();
  assembly.add('d');
  assembly.settle();
  const { configuration } = assembly.at('a').running.raft;
  deepEqual([configuration.voters, configuration.learners], [[A, B, C], [D]]);
  deepEqual(assembly.at('d').running.state, assembly.at('a').running.state);
  assembly.add('e');
  assembly.settle();
  equal(assembly.at('e').running.raft.configuration.voters.length, 5);
});

test('a proposal has one answer: the state machine’s, or why it was not taken', () => {
  const assembly = new TrialAssembly('a', 'b', 'c');
  assembly.settle();
  deepEqual(assembly.propose(scale(1)), { ok: true, text: 'replicas 2 -> 1' });
  const other = { ...scale(0), ifVersion: 1 } as Command;
  const refused = assembly.propose(other);
  equal(!refused.ok && refused.code, 'OTHER_VERSION');
  const follower = [...assembly.nodes.values()].find(({ running }) => !running.isLeader);
  const answers: string[] = [];
  follower?.running.propose(scale(2), (answer) => answers.push(answer.ok ? 'ok' : answer.code));
  deepEqual(answers, ['NOT_NOW']);
});

test('a leader that is cut off answers that it does not know', () => {
  const assembly = new TrialAssembly('a', 'b', 'c');
  assembly.settle();
  const { leader } = assembly;
  ok(leader);
  assembly.cut.add(leader.id);
  const answers: string[] = [];
  leader.running.propose(scale(1), (answer) => answers.push(answer.ok ? 'ok' : answer.code));
  assembly.until('its end as a leader', () => !leader.running.isLeader);
  deepEqual(answers, ['UNKNOWN']);
  assembly.until('another leader', () => assembly.leader !== null && assembly.leader !== leader);
  assembly.cut.clear();
  assembly.settle();
  deepEqual(assembly.at('a').running.state, assembly.at('b').running.state);
  equal(assembly.at('a').running.state.spec?.replicas, 2);
});

test('what was agreed on is there after all have lost their power', () => {
  const assembly = new TrialAssembly('a', 'b', 'c');
  assembly.settle();
  assembly.propose(scale(1));
  assembly.settle();
  const { state } = assembly.at('a').running;
  for (const node of assembly.nodes.values()) node.crash();
  for (const node of assembly.nodes.values()) node.start();
  assembly.settle();
  for (const { running } of assembly.nodes.values()) deepEqual(running.state, state);
});

test('a node that starts knows where the members were before it hears of anybody', () => {
  const assembly = new TrialAssembly('a', 'b', 'c');
  assembly.settle();
  const a = assembly.at('a');
  a.crash();
  a.start();
  deepEqual(a.running.state.members, [], 'nothing is known to be committed');
  deepEqual([...a.addresses].toSorted(), ['a:7379', 'b:7379', 'c:7379']);
});

test('a snapshot takes the place of the log: for a restart, and for who was away', () => {
  const assembly = new TrialAssembly('a', 'b', 'c');
  assembly.settle();
  assembly.cut.add(idOf('c'));
  fill(assembly, 400);
  assembly.settle();
  const [a, c] = [assembly.at('a'), assembly.at('c')];
  ok(a.running.raft.base.index > c.running.raft.last.index, 'c needs what the log lacks');
  const { state } = a.running;
  a.crash();
  a.start();
  deepEqual(a.running.state.spec, state.spec);
  assembly.cut.clear();
  assembly.settle();
  for (const { running } of assembly.nodes.values()) deepEqual(running.state, state);
});

test('an entry that this version does not know ends the node, by name', () => {
  const failures: string[] = [];
  const entry = { index: logIndex(1), term: term(1), payload: Buffer.from([4, 2, 0x7b, 0x7d]) };
  const applier = new Applier({
    stand: NO_STAND,
    log: { read: (_after, _last, _bytesMax, done) => done([entry]) },
    readStand: (done) => done(null, NO_STAND),
    applied: () => undefined,
    caughtUp: () => undefined,
    fatal: (error) => failures.push(error.message),
  });
  applier.committed(entry);
  match(failures.join(), /^COMMAND_UNKNOWN: entry 1 .* run that version/);
  deepEqual(applier.state, NO_STAND.state);
});

test('3 -> 1 -> 3 with a node that comes and one that goes, through crashes of every leader', () => {
  const assembly = new TrialAssembly('a', 'b', 'c');
  assembly.settle();
  assembly.add('d');
  for (const replicas of [0, 2, 3]) {
    assembly.propose(scale(replicas));
    const leader = assembly.leader ?? assembly.at('a');
    leader.crash();
    for (let turns = 0; turns < 80; turns++) assembly.turn();
    leader.start();
    assembly.settle();
    equal(assembly.data.voters.length, replicas + 1);
    equal(assembly.data.decision, assembly.at('a').running.state.data.decision);
  }
  const why = 'somebody asked for it';
  assembly.propose({ kind: 'dismiss', atMs: 1, node: idOf('b'), by: 'order', why });
  assembly.settle();
  deepEqual(assembly.data.voters, [A, C, D]);
  const { state, raft } = assembly.at('a').running;
  deepEqual(state.removed, [B]);
  deepEqual(raft.configuration.voters, [A, C, D]);
  equal(assembly.at('b').running.raft.configuration.voters.includes(idOf('b')), false);
});
