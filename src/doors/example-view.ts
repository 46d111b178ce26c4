/** A View and Orders with settable answers, for the tests of the doors. */
import type { SpecChange } from '../core/control/spec.ts';
import type { OrderResult, Orders } from './orders.ts';
import type { DataNode, Topology } from './topology.ts';
import type { AssemblyView, PeerList, Sample, Status, View } from './view.ts';

export const EXAMPLE_STATUS: Status = {
  version: '0.1.0',
  name: 'shop',
  deployment: 'd1f0c2',
  node: 'a',
  consistency: 'strong',
  role: 'leader',
  leader: 'a',
  term: 7,
  votedFor: 'a',
  pid: 100,
  relayThreads: 0,
  server: { pid: 101, version: '7.0.15' },
  offsets: { executed: 5_000, committed: 4_900, applied: 4_900 },
  log: { bytes: 2_000_000, entries: 40, last: 140, committed: 139, applied: 138 },
  snapshot: { bytes: 300, offset: 1_000 },
  control: { role: 'leader', leader: 'a', term: 3, voters: ['a', 'b', 'c'] },
  spec: {
    version: 2,
    replicas: 2,
    forgetAfter: '10m',
    reads: 'leader',
    server: { hz: '20', 'io-threads': '4' },
  },
  settings: [
    { name: 'hz', value: '20', pending: null },
    { name: 'io-threads', value: '4', pending: 'the server must start again for it' },
  ],
  members: [
    { node: 'a', role: 'leader', address: '127.0.0.1:6379', lagBytes: 0 },
    { node: 'b', role: 'follower', address: '127.0.0.1:6380', lagBytes: 120 },
    { node: 'c', role: 'unreachable', address: '127.0.0.1:6381', lagBytes: null },
  ],
  discovery: [
    {
      source: 'dns:shop:7379',
      addresses: ['10.0.0.1:7379', '10.0.0.2:7379'],
      lastAnswer: { msAgo: 62_000, addresses: 2 },
      lastError: { msAgo: 1_400, text: 'shop: the name server does not answer' },
      nextTryInMs: 900,
    },
  ],
  problems: [],
};

const EXAMPLE_ASSEMBLY: AssemblyView = {
  members: ['a', 'b'].map((node, i) => ({
    node,
    id: `${node}@0000000${i}`,
    role: i === 0 ? 'leader' : 'spare',
    control: 'voter',
    peerAddress: `10.0.0.${i}:7379`,
    clientAddress: `10.0.0.${i}:6379`,
    httpAddress: `10.0.0.${i}:8379`,
    zone: i === 0 ? 'east' : '',
    serverVersion: '7.0.15',
    ephemeral: false,
    leaving: i === 0 ? null : 'somebody asked for it',
  })),
  decisions: [
    {
      index: 9,
      atMs: Date.UTC(2026, 0, 2, 3, 4, 5),
      kind: 'leave',
      text: 'b leaves: somebody asked for it',
      outcome: null,
      endedAtMs: null,
    },
  ],
};

function exampleData(id: string, port: number): DataNode {
  return { id, host: '10.0.0.1', port, isUp: true, isLevel: true, offset: 4_900 };
}

export const EXAMPLE_TOPOLOGY: Topology = {
  name: 'shop',
  epoch: 7,
  primary: exampleData('a@00', 6379),
  replicas: [exampleData('b@01', 6380), exampleData('c@02', 6381)],
  self: { id: 'a@00', host: '10.0.0.1', port: 26379, isUp: true },
  others: [
    { id: 'b@01', host: '10.0.0.1', port: 26380, isUp: true },
    { id: 'c@02', host: '10.0.0.1', port: 26381, isUp: true },
  ],
  quorum: 2,
  voters: 3,
  votersUp: 3,
  downAfterMs: 1_500,
  failoverMs: 8_000,
  serverVersion: '7.0.15',
};

export class ExampleView implements View {
  current: Status = EXAMPLE_STATUS;
  currentTopology: Topology = EXAMPLE_TOPOLOGY;
  ready = true;
  open = true;
  healthy = true;
  info: string | null = 'redis_version:7.0.15\r\nused_memory:1234\r\n';
  extraSamples: Sample[] = [];

  status(): Status {
    return this.current;
  }
  assembly(): AssemblyView {
    return EXAMPLE_ASSEMBLY;
  }
  peers(): PeerList {
    const { name, deployment, node } = this.current;
    const own = { node, peerAddress: '127.0.0.1:7379', httpAddress: '127.0.0.1:8379' };
    return { name, deployment, peers: [own] };
  }
  topology(): Topology {
    return this.currentTopology;
  }
  isReady(): boolean {
    return this.ready;
  }
  isOpenLeader(): boolean {
    return this.open;
  }
  isHealthy(): boolean {
    return this.healthy;
  }
  samples(): readonly Sample[] {
    return this.extraSamples;
  }
  serverInfo(): Promise<string | null> {
    return Promise.resolve(this.info);
  }
  limits(): ReturnType<View['limits']> {
    return [{ name: 'peersMax', value: 64, why: 'every node holds a link to every other' }];
  }
}

export class ExampleOrders implements Orders {
  asked: (string | null)[] = [];
  answer: OrderResult | (() => Promise<OrderResult>) = { ok: true, text: 'b leads now' };

  switchover(to: string | null): Promise<OrderResult> {
    this.asked.push(to);
    return this.#answered();
  }

  changeSpec(change: SpecChange, ifVersion: number | null): Promise<OrderResult> {
    this.asked.push(`${JSON.stringify(change)} ${ifVersion}`);
    return this.#answered();
  }

  removeNode(node: string): Promise<OrderResult> {
    this.asked.push(`remove ${node}`);
    return this.#answered();
  }

  #answered(): Promise<OrderResult> {
    return typeof this.answer === 'function' ? this.answer() : Promise.resolve(this.answer);
  }
}
