/**
 * The network between the agents, as something that can be cut: every ordered pair of nodes has a
 * proxy of its own, through which the one dials the other.
 *
 * A cut link drops nothing and closes nothing. It stands still, as a network does whose packets
 * are lost: neither side learns of it but by silence.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Deployment } from './deployment.ts';
import { atEnd, type Scope } from './scope.ts';

/** An address of this machine at which no agent listens: what one tells of itself leads nowhere. */
const NOWHERE = '127.0.0.9';

interface Pipe {
  readonly from: number;
  readonly to: number;
  readonly ends: readonly [Socket, Socket];
}

export class CuttableNetwork {
  readonly #servers: Server[] = [];
  readonly #ports = new Map<string, number>();
  readonly #pipes = new Set<Pipe>();
  readonly #cut = new Set<string>();
  #deployment: Deployment | null = null;

  /** A deployment whose agents reach one another through this network only. */
  static async build(scope: Scope): Promise<{ network: CuttableNetwork; deployment: Deployment }> {
    const network = new CuttableNetwork();
    atEnd(scope, async () => network.#close());
    const deployment = await Deployment.prepare(scope, {
      // Otherwise they would learn where the others really are, and go around this network.
      flags: ['--announce', NOWHERE],
      peersOf: (i, all) =>
        all.indices.map((j) => `127.0.0.1:${i === j ? all.peerPort(i) : network.#portOf(i, j)}`),
    });
    network.#deployment = deployment;
    for (const from of deployment.indices)
      for (const to of deployment.indices) if (from !== to) await network.#open(from, to);
    deployment.startAll();
    await deployment.ready();
    return { network, deployment };
  }

  /** What `from` says to `to` over connections it dialed, and what comes back on those. */
  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
    this.#apply();
  }

  /** Nothing to or from this node any more. */
  isolate(node: number): void {
    for (const other of this.#deployment?.indices ?? []) {
      if (other === node) continue;
      this.#cut.add(`${node}>${other}`).add(`${other}>${node}`);
    }
    this.#apply();
  }

  heal(): void {
    this.#cut.clear();
    this.#apply();
  }

  #portOf(from: number, to: number): number {
    return this.#ports.get(`${from}>${to}`) ?? 0;
  }

  #apply(): void {
    for (const pipe of this.#pipes) {
      const isCut = this.#cut.has(`${pipe.from}>${pipe.to}`);
      for (const end of pipe.ends) {
        if (isCut) end.pause();
        else end.resume();
      }
    }
  }

  async #open(from: number, to: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const port = this.#deployment?.peerPort(to) ?? 0;
      const far = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
      const pipe: Pipe = { from, to, ends: [near, far] };
      this.#pipes.add(pipe);
      for (const [one, other] of [pipe.ends, pipe.ends.toReversed() as [Socket, Socket]]) {
        one.on('data', (bytes) => other.write(bytes));
        one.on('end', () => other.end());
        one.on('error', () => undefined);
        one.on('close', () => {
          this.#pipes.delete(pipe);
          other.destroy();
        });
      }
      this.#apply();
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#ports.set(`${from}>${to}`, (server.address() as { port: number }).port);
  }

  #close(): void {
    for (const server of this.#servers) server.close();
    for (const { ends } of this.#pipes) for (const end of ends) end.destroy();
  }
}
