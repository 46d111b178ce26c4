/** What people and programs meet of this node, beside the port for clients. */
import { httpToken } from '../doors/access.ts';
import { HttpDoor } from '../doors/http/server.ts';
import type { Orders } from '../doors/orders.ts';
import { SentinelDoor } from '../doors/sentinel/server.ts';
import type { View } from '../doors/view.ts';
import type { NodeConfig } from './config.ts';
import type { Journal } from './journal.ts';
import { monotonicMs } from './monotonic.ts';

export interface OwnDoorsOptions {
  readonly config: NodeConfig;
  readonly view: View;
  readonly orders: Orders;
  readonly journal: Journal;
}

export class OwnDoors {
  readonly #http: HttpDoor;
  readonly #sentinel: SentinelDoor | null;

  constructor({ config, view, orders, journal }: OwnDoorsOptions) {
    const { bind, ports, secret, password, sentinelPort, sentinelAlias } = config;
    const both = { view, orders, host: bind.http, journal };
    const token = secret === null ? null : httpToken(secret);
    this.#http = new HttpDoor({ ...both, port: ports.http, token });
    this.#sentinel =
      sentinelPort === null
        ? null
        : new SentinelDoor({
            ...both,
            port: sentinelPort,
            alias: sentinelAlias,
            password,
            nowMs: monotonicMs,
          });
  }

  /** Rejects with an error that names the port, when one is not to be had. */
  async start(): Promise<void> {
    await this.#http.start();
    await this.#sentinel?.start();
  }

  /** Closes every connection. */
  async stop(): Promise<void> {
    await this.#http.stop();
    await this.#sentinel?.stop();
  }
}
