/** An eventual deployment with everybody who watches it, and what may happen to its primary. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../src/doors/view.ts';
import { Deployment, type DeploymentOptions } from './deployment.ts';
import { EventualWriter, missingKeys, Prober } from './eventual-watch.ts';
import { signal, until } from './processes.ts';
import type { Scope } from './scope.ts';

/** Far above what a failover takes; the figures say how it was. */
export const FAILOVER_MS_MAX = 20_000;
const SETTLED_MS = 120_000;

export class EventualBed {
  readonly deployment: Deployment;
  readonly prober: Prober;
  readonly writer: EventualWriter;
  readonly waited: EventualWriter;
  readonly #withoutAgent = new Set<number>();

  private constructor(scope: Scope, deployment: Deployment) {
    this.deployment = deployment;
    const watched = { places: deployment.ports };
    this.prober = new Prober(scope, watched);
    this.writer = new EventualWriter(scope, watched, 'w', 0);
    this.waited = new EventualWriter(scope, watched, 'v', deployment.nodes - 1);
  }

  static async begin(scope: Scope, options: DeploymentOptions = {}): Promise<EventualBed> {
    const flags = ['--consistency', 'eventual', ...(options.flags ?? [])];
    const deployment = await Deployment.agents(scope, { ...options, flags });
    await settled(deployment);
    const bed = new EventualBed(scope, deployment);
    await until('writes are taken', FAILOVER_MS_MAX, () => bed.prober.last !== null);
    return bed;
  }

  /** Until `node` is primary and all others follow it, with all of it. */
  settled(): Promise<number> {
    return settled(this.deployment);
  }

  /**
   * Does `harm`, and tells how long it took until a write was taken in another history, by whom.
   * Nothing was written in the former one after that.
   */
  async failover(harm: () => Promise<unknown>): Promise<{ ms: number; node: number }> {
    const { last } = this.prober;
    assert.ok(last !== null);
    const fromMs = performance.now();
    await harm();
    const first = await until('another primary takes writes', FAILOVER_MS_MAX, () =>
      this.prober.firstAfter(fromMs, last.history),
    );
    return { ms: first.ackedMs - fromMs, node: first.node };
  }

  /** All writers have ended: what was acknowledged, and is not there. */
  async lost(): Promise<{ unwaited: string[]; waited: string[]; written: number }> {
    await Promise.all([this.writer.stop(), this.waited.stop()]);
    const primary = await this.settled();
    const watched = { places: this.deployment.ports };
    const { acknowledged } = this.writer;
    return {
      unwaited: await missingKeys(watched, primary, acknowledged),
      waited: await missingKeys(watched, primary, this.waited.acknowledged),
      written: acknowledged.length + this.waited.acknowledged.length,
    };
  }

  status(i: number): Promise<Status> {
    return this.deployment.status(i);
  }

  async serverPid(i: number): Promise<number> {
    return (await this.status(i)).server.pid ?? 0;
  }

  /** The agent, the server, or both of node `i`, at once. */
  async kill(i: number, what: 'agent' | 'server' | 'both'): Promise<void> {
    const { server } = await this.status(i);
    if (what !== 'agent') assert.ok(signal(server.pid, 'SIGKILL'), 'the server was there');
    if (what === 'server') return;
    await this.deployment.stopNode(i, 'SIGKILL');
    this.#withoutAgent.add(i);
  }

  /** Starts node `i` again if its agent is gone. */
  heal(i: number): void {
    if (this.#withoutAgent.delete(i)) this.deployment.startNode(i);
  }
}

export async function settled(deployment: Deployment): Promise<number> {
  const isSettled = async (): Promise<[number] | null> => {
    const answers = await Promise.all(deployment.indices.map((i) => deployment.ask(i)));
    const statuses = answers.map(({ status }) => status);
    const primary = statuses.findIndex((status) => status?.role === 'primary');
    const isWhole = answers.every(({ status, ready }, i) => {
      if (!ready || status === null || status.leader !== `node${primary + 1}`) return false;
      const own = status.members.find(({ node }) => node === status.node);
      return i === primary || (status.role === 'replica' && own?.lagBytes != null);
    });
    if (primary < 0 || !isWhole) return null;
    const healths = await Promise.all(
      deployment.indices.map((i) =>
        fetch(
          `http://127.0.0.1:${deployment.httpPort(i)}/${i === primary ? 'primary' : 'replica'}`,
        ),
      ),
    );
    return healths.every(({ status }) => status === 200) ? [primary] : null;
  };
  const [primary] = await until('a primary that all others follow', SETTLED_MS, async () => {
    const found = await isSettled().catch(() => null);
    if (found === null) await sleep(50);
    return found;
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${deployment.lastWords()}`);
  });
  return primary;
}
