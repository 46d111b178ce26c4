/** A View and Orders with settable answers, for the tests of the doors. */
import type { OrderResult, Orders } from './orders.ts';
import type { PeerList, Sample, Status, View } from './view.ts';

export const EXAMPLE_STATUS: Status = {
  name: 'shop',
  deployment: 'd1f0c2',
  node: 'a',
  role: 'leader',
  leader: 'a',
  term: 7,
  pid: 100,
  relayThreads: 0,
  server: { pid: 101, version: '7.0.15' },
  offsets: { executed: 5_000, committed: 4_900, applied: 4_900 },
  log: { bytes: 2_000_000 },
  snapshot: { bytes: 300, offset: 1_000 },
  members: [
    { node: 'a', role: 'leader', address: '127.0.0.1:6379', lagBytes: 0 },
    { node: 'b', role: 'follower', address: '127.0.0.1:6380', lagBytes: 120 },
    { node: 'c', role: 'unreachable', address: '127.0.0.1:6381', lagBytes: null },
  ],
  problems: [],
};

export class ExampleView implements View {
  current: Status = EXAMPLE_STATUS;
  ready = true;
  open = true;
  healthy = true;
  info: string | null = 'redis_version:7.0.15\r\nused_memory:1234\r\n';
  extraSamples: Sample[] = [];

  status(): Status {
    return this.current;
  }
  peers(): PeerList {
    const { name, deployment, node } = this.current;
    const own = { node, peerAddress: '127.0.0.1:7379', httpAddress: '127.0.0.1:8379' };
    return { name, deployment, peers: [own] };
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
    return typeof this.answer === 'function' ? this.answer() : Promise.resolve(this.answer);
  }
}
