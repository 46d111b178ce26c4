import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { NOTHING_AGREED } from '../core/control/state.ts';
import { founded } from '../core/raft/configuration.ts';
import { type NodeId, nodeId } from '../core/scalars.ts';
import { Agent } from './agent.ts';
import { AgentOrders } from './agent-orders.ts';
import { AgentView } from './agent-view.ts';
import type { NodeConfig } from './config.ts';
import type { Membership } from './founding/membership.ts';
import type { Journal } from './journal.ts';
import type { DataGroup } from './shard/data-group.ts';
import { votersKnown } from './voters-known.ts';

const [A, B, C, D] = ['a', 'b', 'c', 'd'].map((name) => nodeId(`${name}@00000001`)) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];

const JOURNAL = { info: () => undefined } as unknown as Journal;

/** `a` leads, and the log says that `d` took the place of `c`. */
function groupOf(handedOver: (NodeId | null)[] = []) {
  return {
    raft: {
      leader: A,
      term: 1,
      role: 'leader',
      configuration: founded([A, B, D]),
      last: { index: 9, term: 1 },
      committed: 8,
      view: () => ({ peers: [] }),
    },
    stop: () => undefined,
    strong: { isOpen: true, executedOffset: 0, committedOffset: 0, stage: { kind: 'open' } },
    committedOffset: 0,
    index: { baseIndex: 2, lastEndingBy: () => ({ index: 7, term: 1 }) },
    logBytes: 0,
    snapshot: { bytes: 0, offset: 0 },
    snapshotProblem: null,
    handOver: (to: NodeId | null, done: (ok: boolean, why: string) => void) => {
      handedOver.push(to);
      done(false, 'not now');
    },
  } as unknown as DataGroup;
}

/** What doors see of an agent whose charter names a, b, c, and that sees nobody but `up`. */
function agentWith(group: DataGroup, up: readonly NodeId[] = []): Agent {
  const node = (name: string) => ({ node: name, directory: '00000001' });
  const hello = { node: 'a', phase: 'member', serverVersion: '1', clientAddress: '' };
  const members = new Map(up.map((id) => [id, { ...hello, node: id[0] }]));
  return {
    group,
    shard: group,
    voters: group.raft.configuration.voters,
    config: { node: 'a', name: 'n', relayThreads: 0 },
    localProblem: null,
    eventual: null,
    observedServer: null,
    ownServer: { pid: 1, lastDown: null, lastDivergence: null },
    settings: { view: [] },
    identity: { now: { deployment: 'x', charter: { members: ['a', 'b', 'c'].map(node) } } },
    membership: { id: A, up: members, hello, problems: [], voters: [A, B, C] },
    dataLeader: A,
    mesh: { peers: () => [] },
    assembly: { state: NOTHING_AGREED, group: null, leader: null, leaderlessMs: 0, waits: '' },
    discovery: { status: () => [] },
    route: { leaderlessMs: 0 },
  } as unknown as Agent;
}

test('who votes is said by the log once it is open, and by what was decided where it is not in it', () => {
  const self = { id: A, founders: [A, B, C] } as unknown as Membership;
  deepEqual(votersKnown(null, NOTHING_AGREED, self), [A, B, C], 'as founded');
  deepEqual(votersKnown(groupOf(), NOTHING_AGREED, self), [A, B, D]);
  const decided = { ...NOTHING_AGREED, data: { decision: 1, voters: [B, D], isSettled: true } };
  deepEqual(votersKnown(groupOf(), decided, self), [A, B, D], 'the log of a member');
  const spare = { id: C, founders: [A, B, C] } as unknown as Membership;
  deepEqual(votersKnown(groupOf(), decided, spare), [B, D]);
});

test('a planned stop hands over while the log has other voters, whatever the charter says', async () => {
  for (const isSoleVoter of [true, false]) {
    const agent = new Agent(
      { relayThreads: 0, discover: [] as const } as unknown as NodeConfig,
      JOURNAL,
    );
    const handedOver: (NodeId | null)[] = [];
    const group = groupOf(handedOver);
    agent.group = { ...group, raft: { ...group.raft, isSoleVoter } } as unknown as DataGroup;
    await agent.stop(true);
    deepEqual(handedOver, isSoleVoter ? [] : [null]);
  }
});

test('a voter that came after the founding is handed over to, and one that is gone is not', async () => {
  const handedOver: NodeId[] = [];
  const orders = new AgentOrders(agentWith(groupOf(handedOver), [B, C, D]));
  await orders.switchover('d');
  const result = await orders.switchover('c');
  deepEqual(handedOver, [D]);
  equal(result.ok ? '' : result.text, 'c is no voter; voters are a, b, d');
});

test('a witness is handed over to by no order, and is no follower in any view', async () => {
  const handedOver: NodeId[] = [];
  const agent = agentWith(groupOf(handedOver), [B, D]);
  const hello = agent.membership.up.get(D);
  (agent.membership.up as Map<NodeId, unknown>).set(D, { ...hello, witness: true });
  const result = await new AgentOrders(agent).switchover('d');
  deepEqual([handedOver, result.ok ? '' : result.code], [[], 'WITNESS']);
  const { members } = new AgentView(agent).status();
  deepEqual(
    members.map(({ node, role }) => `${node} ${role}`),
    ['a leader', 'b follower', 'd witness'],
  );
});

test('the view has the members of the log, and misses only those', () => {
  const { members, problems } = new AgentView(agentWith(groupOf(), [B])).status();
  deepEqual(
    members.map(({ node, role }) => `${node} ${role}`),
    ['a leader', 'b follower', 'd unreachable'],
  );
  deepEqual(
    problems.map(({ code, text }) => `${code}: ${text}`),
    ['NODE_UNREACHABLE: d cannot be reached from a'],
  );
});
