/**
 * What an eventual deployment's agents cost the data path: writes to its primary against writes to
 * the same servers with the same settings and no agents, in turns on one machine.
 *
 *   npm run bench:eventual
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askStatus } from '../src/doors/cli/up/agent-http.ts';
import { RespClient } from '../src/doors/cli/up/resp-client.ts';
import { findServer } from '../src/doors/cli/up/server-binary.ts';
import { CONF_LIMITS } from '../src/io/server/conf.ts';
import { renderEventualConf } from '../src/io/server/eventual-conf.ts';
import { inspectServer } from '../src/io/server/locate.ts';
import { PROGRAM } from '../test/system/program.ts';
import { runBenchmark } from './load/redis-benchmark.ts';
import { Child } from './targets/child.ts';
import { findBasePort } from './targets/ports.ts';

const NODES = 3;
const TURNS = 3;
const RUNS = 3;
const LOADS = [
  { name: 'pipeline 1', pipeline: 1, requests: 60_000 },
  { name: 'pipeline 16', pipeline: 16, requests: 400_000 },
] as const;

const NEVER = new AbortController().signal;
const directory = mkdtempSync(join(tmpdir(), 'bench-eventual-'));
const server = findServer(null, process.env);

interface Running {
  readonly port: number;
  stop(): Promise<void>;
}

async function deployment(): Promise<Running> {
  const base = await findBasePort([0, 1_000, 2_000], NODES);
  const words = ['up', '--consistency', 'eventual', '--no-sentinel', '--fresh'];
  const where = ['--base-port', String(base), '--dir', join(directory, 'up'), '--server', server];
  const child = new Child(process.execPath, [PROGRAM, ...words, ...where]);
  let primary = -1;
  const isThere = async (): Promise<boolean> => {
    const all = await Promise.all(indices().map((i) => askStatus(base + 2_000 + i)));
    primary = all.findIndex(({ status }) => status?.role === 'primary');
    return primary >= 0 && hasReplicas(base + primary);
  };
  await child.until(isThere, 'the deployment did not start', NEVER);
  return { port: base + primary, stop: () => child.stop() };
}

/** The servers as an agent would start them, but for what it would tell them then. */
async function bareServers(): Promise<Running> {
  const { flavor } = await inspectServer(server);
  const base = await findBasePort([0], NODES);
  const children = indices().map((i) => {
    const runDir = join(directory, `bare${i}`);
    mkdirSync(runDir, { recursive: true });
    const listen = { host: '127.0.0.1', port: base + i };
    const text = renderEventualConf({
      ...{ flavor, runDir, dataDir: runDir, listen, announced: listen, limits: CONF_LIMITS },
      ...{ agentPassword: 'a', clientPassword: null, replicaPassword: 'r' },
      ...{ users: [], settingLines: [], cluster: null },
    })
      .replace(/^min-replicas-to-write .*$/m, 'min-replicas-to-write 0')
      .replace(/^replicaof .*$/m, i === 0 ? '' : `replicaof 127.0.0.1 ${base}`);
    const path = join(runDir, 'bare.conf');
    writeFileSync(path, text);
    return new Child(server, [path]);
  });
  const [first] = children as [Child];
  await first.until(() => hasReplicas(base), 'the servers did not start', NEVER);
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.stop()));
    for (const i of indices()) rmSync(join(directory, `bare${i}`), { recursive: true });
  };
  return { port: base, stop };
}

function indices(): number[] {
  return Array.from({ length: NODES }, (_, i) => i);
}

async function hasReplicas(port: number): Promise<boolean> {
  const client = new RespClient(port);
  try {
    const text = String(await client.call(['INFO', 'replication'], 1_000));
    return (text.match(/state=online/g)?.length ?? 0) === NODES - 1;
  } catch {
    return false;
  } finally {
    client.close();
  }
}

async function measure(kind: 'bare' | 'eventual', into: Map<string, number[]>): Promise<void> {
  const running = await (kind === 'bare' ? bareServers() : deployment());
  for (let run = 0; run < RUNS; run++)
    for (const { name, pipeline, requests } of LOADS) {
      const order = {
        command: 'set',
        port: running.port,
        connections: 50,
        valueBytes: 100,
      } as const;
      const result = await runBenchmark({ ...order, pipeline, requests, keys: 100_000 }, NEVER);
      into.set(`${kind}, ${name}`, [...(into.get(`${kind}, ${name}`) ?? []), result.perSecond]);
    }
  await running.stop();
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

const results = new Map<string, number[]>();
try {
  for (let turn = 0; turn < TURNS; turn++)
    for (const kind of ['bare', 'eventual'] as const) await measure(kind, results);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
for (const { name } of LOADS) {
  const [bare, eventual] = ['bare', 'eventual'].map((kind) =>
    median(results.get(`${kind}, ${name}`) ?? []),
  ) as [number, number];
  const ratio = (eventual / bare).toFixed(3);
  process.stdout.write(`${name}: bare ${bare}, eventual ${eventual} SET/s, ratio ${ratio}\n`);
}
