/**
 * An optional port on every node of an eventual deployment that always lands on the primary: for
 * clients that know neither Sentinel nor role checks. Bytes pass as they are, and a connection ends
 * when the primary is another.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Endpoint } from '../doors/topology.ts';

export interface PrimaryPortOptions {
  readonly host: string;
  readonly port: number;
  /** Where the primary is, when it is open, as far as this node knows. */
  readonly primary: () => Endpoint | null;
  readonly connectionsMax: number;
  readonly fatal: (error: Error) => void;
}

export class PrimaryPort {
  readonly #o: PrimaryPortOptions;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #target: Endpoint | null = null;

  constructor(options: PrimaryPortOptions) {
    this.#o = options;
    // A client may have said all that it has to say, and wait for the answer.
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (near) =>
      this.#admit(near),
    );
    this.#server.maxConnections = options.connectionsMax;
  }

  /** Rejects when the port is not to be had. */
  async start(): Promise<void> {
    const { host, port, fatal } = this.#o;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.removeListener('error', reject);
        resolve();
      });
    });
    this.#server.on('error', fatal);
  }

  /** Whoever is connected to a former primary looks for the next one. */
  tick(): void {
    const primary = this.#o.primary();
    const [was, is] = [this.#target, primary];
    if (was?.host === is?.host && was?.port === is?.port) return;
    this.#target = primary;
    this.#endAll();
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#endAll();
    await closed;
  }

  #admit(near: Socket): void {
    const target = this.#target;
    near.on('error', () => undefined);
    if (target === null) {
      near.end('-CLUSTERDOWN there is no primary now\r\n');
      return;
    }
    const far = connect({ ...target, noDelay: true, allowHalfOpen: true });
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    far.on('error', () => undefined);
    for (const [one, other] of [pair, [far, near] as const])
      one.pipe(other).once('close', () => {
        this.#pairs.delete(pair);
        one.destroy();
      });
  }

  #endAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }
}
