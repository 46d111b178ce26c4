import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { NOTHING_AGREED, UNSEEN } from '../core/control/state.ts';
import type { NodeId } from '../core/scalars.ts';
import type { Agent } from './agent.ts';
import { OwnTopology } from './own-topology.ts';

const [A, B, C] = ['a@00000000', 'b@00000001', 'c@00000002'] as [NodeId, NodeId, NodeId];
const hello = (i: number, more: object = {}) => ({
  clientAddress: `10.0.0.${i}:6379`,
  sentinelAddress: `10.0.0.${i}:26379`,
  serverVersion: 'redis 7.0.15',
  ...more,
});

/** Node a of three, as far as a topology asks. */
function nodeA() {
  const raft = { leader: A as NodeId | null, term: 1, configuration: { learners: [] as NodeId[] } };
  const shard = { raft: { ...raft, view: () => ({ peers: [] }) }, committedOffset: 100 };
  const facts = { ...UNSEEN, clientAddress: '[::3]:6379', sentinelAddress: '[::3]:26379' };
  const agent = {
    config: { name: 'shop', witness: false },
    shard,
    eventual: null,
    group: null,
    voters: [A, B, C],
    dataLeader: A as NodeId | null,
    clientAddress: '10.0.0.1:6379',
    serverVersion: 'redis 7.0.15',
    membership: { id: A, hello: hello(1), up: new Map<NodeId, object>([[B, hello(2)]]) },
    assembly: {
      state: { ...NOTHING_AGREED, members: [{ node: C, facts, leaving: null }] },
      sightings: { dataLeader: () => null },
    },
  };
  const lead = (leader: NodeId | null, term: number) => {
    agent.dataLeader = leader;
    Object.assign(shard.raft, { leader, term });
  };
  return { agent, lead, topology: new OwnTopology(agent as unknown as Agent) };
}

test('OwnTopology: the leader is the primary, the others are replicas, away or not', () => {
  const { primary, replicas, others, self, ...rest } = nodeA().topology.now();
  equal(primary?.host, '10.0.0.1');
  deepEqual(
    replicas.map(({ host, port, isUp }) => [host, port, isUp]),
    [
      ['10.0.0.2', 6379, true],
      ['::3', 6379, false],
    ],
  );
  deepEqual(
    others.map(({ host, port, isUp }) => [host, port, isUp]),
    [
      ['10.0.0.2', 26379, true],
      ['::3', 26379, false],
    ],
  );
  deepEqual([self.host, self.port], ['10.0.0.1', 26379]);
  deepEqual([rest.quorum, rest.voters, rest.votersUp, rest.serverVersion], [2, 3, 2, '7.0.15']);
});

test('OwnTopology: without a leader the last one is told as down, before any nobody is', () => {
  const { lead, topology } = nodeA();
  lead(null, 0);
  equal(topology.now().primary, null);
  lead(B, 2);
  equal(topology.now().primary?.isUp, true);
  lead(null, 3);
  const { primary, epoch } = topology.now();
  deepEqual([primary?.id, primary?.isUp, epoch], [B, false, 2]);
});

test('OwnTopology: a leader of an earlier term does not come back', () => {
  const { lead, topology } = nodeA();
  lead(B, 5);
  topology.now();
  lead(A, 4);
  const { primary, epoch } = topology.now();
  deepEqual([primary?.id, primary?.isUp, epoch], [B, false, 5]);
});

test('OwnTopology: a witness is a door, and neither primary nor replica', () => {
  const { agent, lead, topology } = nodeA();
  topology.now();
  agent.membership.up.set(B, hello(2, { witness: true }));
  lead(B, 2);
  const { primary, replicas, others, epoch } = topology.now();
  deepEqual([primary?.id, primary?.isUp, epoch], [A, false, 1]);
  deepEqual(
    replicas.map(({ id }) => id),
    [C],
  );
  equal(others.length, 2);
});
