/** A picture for tests: three nodes, node2 leads in term 4, all serve. */
import type { Status } from '../../view.ts';
import { type NodeSight, type Picture, pictureOf } from './picture.ts';

export function exampleStatus(node: string, changes: Partial<Status> = {}): Status {
  return {
    version: '0.1.0',
    name: 'local',
    deployment: 'd1',
    node,
    consistency: 'strong',
    role: node === 'node2' ? 'leader' : 'follower',
    leader: 'node2',
    term: 4,
    votedFor: 'node2',
    relayThreads: 0,
    pid: 100,
    server: { pid: 200, version: '7.0.15' },
    offsets: { executed: 1_000, committed: 990, applied: 980 },
    log: { bytes: 5_000_000, entries: 90, last: 100, committed: 99, applied: 98 },
    snapshot: { bytes: 0, offset: 0 },
    control: { role: 'follower', leader: 'node1', term: 2, voters: ['node1', 'node2', 'node3'] },
    spec: { version: 1, replicas: 2, forgetAfter: '10m', reads: 'leader', server: {} },
    settings: [],
    members: [
      { node: 'node1', role: 'follower', address: '127.0.0.1:6379', lagBytes: 2_048 },
      { node: 'node2', role: 'leader', address: '127.0.0.1:6380', lagBytes: 0 },
      { node: 'node3', role: 'follower', address: '127.0.0.1:6381', lagBytes: null },
    ],
    discovery: [],
    problems: [],
    ...changes,
  };
}

export function exampleSight(i: number, changes: Partial<NodeSight> = {}): NodeSight {
  const addresses = {
    node: `node${i + 1}`,
    clients: 6379 + i,
    local: null,
    sentinel: null,
    bus: null,
    peers: 7379 + i,
    http: 8379 + i,
  };
  return {
    addresses,
    pid: 100 + i,
    status: exampleStatus(addresses.node),
    ready: true,
    ...changes,
  };
}

export function examplePicture(changes: readonly Partial<NodeSight>[] = []): Picture {
  return pictureOf([0, 1, 2].map((i) => exampleSight(i, changes[i])));
}
