/** All targets of a run: made from the options, started one by one, stopped in reverse. */
import { join } from 'node:path';
import type { Options } from '../options.ts';
import { BASE } from '../plan.ts';
import { BareServer } from './bare-server.ts';
import { DeploymentTarget } from './deployment.ts';
import { EtcdTarget } from './etcd.ts';
import type { Target } from './target.ts';

export interface HouseOptions {
  readonly options: Options;
  readonly server: string;
  readonly dir: string;
  readonly signal: AbortSignal;
}

interface BuildOptions {
  readonly logLimit?: string | null;
  /** In the clear unless asked for, as it is judged. */
  readonly isEncrypted?: boolean;
  /** Servers of followers listen themselves. */
  readonly hasLocalPorts?: boolean;
}

export class TargetHouse {
  readonly #o: HouseOptions;
  readonly #started: Target[] = [];
  #targets: Target[] = [];
  #built = 0;

  constructor(options: HouseOptions) {
    this.#o = options;
  }

  get server(): string {
    return this.#o.server;
  }

  get targets(): readonly Target[] {
    return this.#targets;
  }

  /** The deployment that is judged; null when it was not asked for. */
  get deployment(): DeploymentTarget | null {
    const found = this.#targets.find(({ name }) => name === 'deployment');
    return found instanceof DeploymentTarget ? found : null;
  }

  async open(skipped: (line: string) => void): Promise<void> {
    const { options, server, dir } = this.#o;
    for (const name of options.targets) {
      if (name === 'bare' || name === 'always') {
        await this.#add(
          new BareServer({ name, server, dir, isSynced: name === 'always', primary: null }),
        );
      } else if (name === 'tls') {
        await this.#add(this.build(name, BASE.nodes, options.flags, { isEncrypted: true }));
      } else if (name === 'deployment') {
        await this.#add(this.build(name, BASE.nodes, options.flags));
        for (const variant of options.variants)
          await this.#add(this.build(variant.name, BASE.nodes, variant.flags));
      } else {
        const { path, why } = await findEtcd();
        if (path === null) skipped(`etcd skipped: ${why}`);
        else await this.#add(new EtcdTarget({ program: path, dir }));
      }
    }
  }

  /** Deployments of other sizes, for their own cases only. */
  async startOther(nodes: number): Promise<Target[]> {
    const { options } = this.#o;
    if (!options.targets.includes('deployment')) return [];
    return [await this.start(this.build('deployment', nodes, options.flags))];
  }

  build(
    name: string,
    nodes: number,
    flags: readonly string[],
    { logLimit = null, isEncrypted = false, hasLocalPorts = false }: BuildOptions = {},
  ): DeploymentTarget {
    const { server, dir } = this.#o;
    this.#built += 1;
    const own = join(dir, `deployment-${this.#built}`);
    const how = { logLimit, isEncrypted, hasLocalPorts, flags };
    return new DeploymentTarget({ name, nodes, server, dir: own, ...how });
  }

  /** It is stopped in the end, if nobody does it before. */
  async start<T extends Target>(target: T): Promise<T> {
    this.#started.push(target);
    await target.start(this.#o.signal);
    return target;
  }

  async close(): Promise<void> {
    for (const target of this.#started.toReversed()) await target.stop();
  }

  async #add(target: Target): Promise<void> {
    this.#targets.push(await this.start(target));
  }
}

interface EtcdFound {
  readonly path: string | null;
  readonly why: string;
}

/** By a path in a variable: the script is plain JavaScript, without types. */
async function findEtcd(): Promise<EtcdFound> {
  const script = '../../scripts/servers.mjs';
  const { ensureEtcd } = (await import(script)) as { ensureEtcd: () => Promise<EtcdFound> };
  return await ensureEtcd();
}
