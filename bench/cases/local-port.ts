/**
 * GET at a follower's own port, beside GET at a bare replica: what the server of a follower gives
 * when nothing is in between. Both pairs take the same writes all the time, so that both servers
 * have the same stream to apply, and the machine the same to do.
 */
import { join } from 'node:path';
import { generate } from '../load/generator.ts';
import type { Job } from '../load/job.ts';
import { runBenchmark } from '../load/redis-benchmark.ts';
import { BASE, keysOf } from '../plan.ts';
import type { LocalRun } from '../results.ts';
import { BareServer } from '../targets/bare-server.ts';
import type { DeploymentTarget } from '../targets/deployment.ts';
import type { TargetHouse } from '../targets/house.ts';
import type { Bench } from './bench.ts';
import { Measure } from './measure.ts';

/** Writes at each of the two; a share of what a deployment takes on a small machine. */
const WRITES_PER_SECOND = 500;
const WRITERS = 4;
const PROBE_REQUESTS = 20_000;
const PIPELINE = 16;
/** The writers begin before the first reader, and end after the last; they slow the reads down. */
const MARGIN_MS = 1_500;
const SLOWER = 2.5;
/** Each is read twice in a round: what the machine does meanwhile meets both alike. */
const HALVES = 2;

interface Reader {
  readonly name: 'bare' | 'local';
  readonly port: number;
}

export async function measureLocalPort(house: TargetHouse, bench: Bench): Promise<void> {
  const { options, progress, results } = bench;
  const deployment = house.build('local port', BASE.nodes, options.flags, { hasLocalPorts: true });
  await house.start(deployment);
  const { primary, replica } = await barePair(house, bench);
  const writtenPorts = [await primary.port(), await deployment.port()];
  const readers: Reader[] = [
    { name: 'bare', port: await replica.port() },
    { name: 'local', port: await followersPort(deployment) },
  ];
  progress.expect(options.rounds);
  const measure = new Measure(bench);
  for (const target of [primary, deployment]) await measure.fill(target, BASE.valueBytes);
  const requests = await requestsFor(readers, bench);
  for (let round = 1; round <= options.rounds; round++) {
    const run = await measureRound(round, readers, { writtenPorts, requests }, bench);
    results.locals.push(run);
    const share = (run.localPerSecond / run.barePerSecond).toFixed(3);
    progress.step(`round ${round}  local port  ${share} of a bare replica`);
  }
  for (const target of [deployment, replica, primary]) await target.stop();
}

async function measureRound(
  round: number,
  readers: readonly Reader[],
  { writtenPorts, requests }: { writtenPorts: readonly number[]; requests: number },
  bench: Bench,
): Promise<LocalRun> {
  const ms = 2 * SLOWER * bench.options.seconds * 1_000 + 2 * MARGIN_MS;
  const phase = { kind: 'open', ms, perSecond: WRITES_PER_SECOND } as const;
  const writing = Promise.all(writtenPorts.map((port) => load(port, phase, bench)));
  const seconds = { bare: 0, local: 0 };
  const half = Math.ceil(requests / HALVES);
  // Who is first gets the colder machine: one, the other, the other, and the one.
  const order = round % 2 === 0 ? readers : readers.toReversed();
  for (const { name, port } of [...order, ...order.toReversed()])
    seconds[name] += half / (await read(port, half, bench)).perSecond;
  await writing;
  const perSecond = (name: Reader['name']): number => (HALVES * half) / seconds[name];
  return { round, barePerSecond: perSecond('bare'), localPerSecond: perSecond('local') };
}

async function barePair(house: TargetHouse, bench: Bench) {
  const server = house.server;
  const common = { server, isSynced: false, dir: join(bench.dir, 'local-port') };
  const primary = await house.start(new BareServer({ ...common, name: 'primary', primary: null }));
  const replica = await house.start(new BareServer({ ...common, name: 'replica', primary }));
  return { primary, replica };
}

async function followersPort(deployment: DeploymentTarget): Promise<number> {
  const sights = await deployment.look();
  const port = sights.find(({ status }) => status?.role === 'follower')?.localPort ?? null;
  if (port === null) throw new Error('the deployment has no follower with a port of its own');
  return port;
}

async function requestsFor(readers: readonly Reader[], bench: Bench): Promise<number> {
  let slowest = Number.POSITIVE_INFINITY;
  for (const { port } of readers)
    slowest = Math.min(slowest, (await read(port, PROBE_REQUESTS, bench)).perSecond);
  return Math.round(slowest * bench.options.seconds);
}

function read(port: number, requests: number, { signal }: Bench) {
  const { connections, valueBytes } = BASE;
  const shape = { connections, pipeline: PIPELINE, valueBytes, keys: keysOf(valueBytes) };
  return runBenchmark({ command: 'get', port, ...shape, requests }, signal);
}

async function load(port: number, phase: Job['phase'], { signal }: Bench): Promise<void> {
  const { valueBytes } = BASE;
  const job: Job = {
    ...{ protocol: 'resp', port, connections: WRITERS, pipeline: 1, valueBytes, readPercent: 0 },
    ...{ keys: keysOf(valueBytes), seed: 20_261_127, warmUpMs: 0, phase, keepSamples: false },
  };
  await generate(job, { begin: () => {}, end: () => {} }, signal);
}
