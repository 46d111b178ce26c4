/**
 * 2 | 1, 3 | 2 and 2 | 2 | 1, on hosts of their own: a majority serves, wherever the leader was; a
 * side without one refuses in words and changes nothing; and when the network is whole again all
 * are the same.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Hosts, whyNoHosts } from '../../faults/hosts.ts';
import { LiveNode, portFlags } from '../../faults/live-node.ts';
import { cutsOf, type PartitionShape } from '../../faults/partitions.ts';
import { figures, IS_FULL } from './figures.ts';
import { until } from './processes.ts';
import { atEnd, type Scope } from './scope.ts';
import { Failure, type Value, Wire } from './wire.ts';

/** Of a loaded machine of two cores; the figures say how long it took. */
const SERVING_MS = 60_000;
const CALL_MS = 15_000;
const KEYS = 10;

class Split {
  readonly nodes: readonly LiveNode[];
  readonly acknowledged: string[] = [];
  readonly refused: string[] = [];
  readonly #hosts: Hosts;
  readonly #surprises: string[] = [];

  constructor(scope: Scope, count: number) {
    const dir = mkdtempSync(join(tmpdir(), 'split-'));
    const secret = join(dir, 'secret');
    writeFileSync(secret, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    this.#hosts = new Hosts(count, 'test');
    const addresses = this.#hosts.indices.map((i) => this.#hosts.addressOf(i));
    this.nodes = this.#hosts.indices.map(
      (index) =>
        new LiveNode({
          index,
          dir: join(dir, `node${index + 1}`),
          logPath: join(dir, `node${index + 1}.log`),
          on: this.#hosts.on(index),
          flags: [...portFlags(addresses), '--secret-file', secret, '--relay-threads', '0'],
          environment: {},
          onSurprise: (how) => this.#surprises.push(`node${index + 1}: ${how}`),
        }),
    );
    atEnd(scope, async () => {
      await Promise.all(this.nodes.map((node) => node.close()));
      this.#hosts.remove();
      rmSync(dir, { recursive: true, force: true });
      assert.deepEqual(this.#surprises, []);
    });
  }

  /** The leader is first. */
  async order(): Promise<number[]> {
    const leader = await until('a leader', SERVING_MS, async () => {
      const all = await Promise.all(this.nodes.map((node) => node.status()));
      const at = all.findIndex(({ ready, status }) => ready && status?.role === 'leader');
      return at < 0 ? null : [at];
    });
    return [...leader, ...this.#hosts.indices.filter((i) => !leader.includes(i))];
  }

  async cut(shape: PartitionShape, order: readonly number[]): Promise<void> {
    await this.#hosts.setCuts(cutsOf(shape, order));
  }

  /** All serve, and hold the same bytes of the one history. */
  async heal(): Promise<number> {
    const begun = performance.now();
    await this.#hosts.setCuts([]);
    for (const i of this.#hosts.indices) await this.serves(i, `healed:${i}`);
    await until('all level', SERVING_MS, async () => {
      const all = await Promise.all(this.nodes.map((node) => node.status()));
      const offsets = all.map(({ status }) => {
        return status?.role === 'leader' ? status.offsets.executed : status?.offsets.applied;
      });
      return offsets.every((each) => each !== undefined && each === offsets[0]);
    });
    return Math.round(performance.now() - begun);
  }

  async ask(i: number, ...words: string[]): Promise<Value | 'no answer'> {
    const socket = await this.nodes[i]?.connect().catch(() => null);
    if (!socket) return 'no answer';
    const wire = new Wire(socket);
    wire.command(...words);
    const reply = await wire.reply(CALL_MS).catch((): 'no answer' => 'no answer');
    wire.close();
    return reply;
  }

  async serves(i: number, name: string): Promise<void> {
    await until(`node${i + 1} serves`, SERVING_MS, async () => {
      return (await this.ask(i, 'SET', `${name}:first`, 'x')) === 'OK';
    });
    for (let n = 0; n < KEYS; n += 1)
      if ((await this.ask(i, 'SET', `${name}:${n}`, 'x')) === 'OK')
        this.acknowledged.push(`${name}:${n}`);
  }

  /** In words: a closed connection would leave open whether it was done. */
  async refuses(i: number, name: string): Promise<void> {
    let n = 0;
    await until(`node${i + 1} refuses`, SERVING_MS, async () => {
      n += 1;
      const reply = await this.ask(i, 'SET', `${name}:${n}`, 'x');
      assert.notEqual(reply, 'OK', `node${i + 1} acknowledged a write without a majority`);
      const isRefused = reply instanceof Failure && reply.text.startsWith('CLUSTERDOWN');
      if (isRefused) this.refused.push(`${name}:${n}`);
      return isRefused;
    });
  }

  async assertKept(): Promise<void> {
    for (const i of this.#hosts.indices) {
      const kept = await this.ask(i, 'EXISTS', ...this.acknowledged);
      assert.equal(kept, this.acknowledged.length, `node${i + 1} lacks what was acknowledged`);
      assert.equal(await this.ask(i, 'EXISTS', ...this.refused), 0, 'what was refused was done');
    }
  }
}

const SPLITS: readonly (readonly [string, number, PartitionShape, leaderLast: boolean])[] = [
  ['2 | 1, the leader alone', 3, 'one', false],
  ['2 | 1, the leader with the majority', 3, 'one', true],
  ['3 | 2, the leader with the minority', 5, 'halves', false],
  ['2 | 2 | 1', 5, 'pieces', false],
  ['2 | 2 | 1, the leader alone', 5, 'pieces', true],
];

/** Of `npm test`. */
const SHORT = ['2 | 1, the leader alone', '2 | 2 | 1'];

for (const count of [3, 5])
  test(`partitions of ${count}: a majority serves, others refuse, and all heal`, async (t) => {
    const why = whyNoHosts();
    if (why !== null) return t.skip(why);
    const split = new Split(t, count);
    for (const node of split.nodes) node.start();
    const healMs: Record<string, number> = {};
    for (const [name, nodes, shape, leaderLast] of SPLITS) {
      if (nodes !== count || (!IS_FULL && !SHORT.includes(name))) continue;
      const [leader = 0, ...others] = await split.order();
      const order = leaderLast ? [...others, leader] : [leader, ...others];
      await split.cut(shape, order);
      const cuts = cutsOf(shape, order);
      for (const i of order) {
        const reached = order.filter((j) => !cuts.some(([a, b]) => a === i && b === j));
        if (reached.length > count / 2) await split.serves(i, `${name}:${i}`);
        else await split.refuses(i, `${name}:never:${i}`);
      }
      healMs[name] = await split.heal();
      await split.assertKept();
    }
    figures('splits', { count, healMs, acknowledged: split.acknowledged.length });
  });
