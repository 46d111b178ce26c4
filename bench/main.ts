/**
 * `npm run bench`: a bare server and a deployment of three nodes on this machine, in one go and
 * alternating, so that what else the machine does weighs on both.
 *
 * Both run all the time; what is not under load is idle, apart from heartbeats. The load goes to
 * the leader's client port. Results: a table here, JSON under bench-results/.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findServer } from '../src/doors/cli/up/server-binary.ts';
import { readTickMicros, withCpu } from './cpu.ts';
import { requestsOf, runLoad } from './load.ts';
import { measureRecovery, type Recovery } from './recovery.ts';
import { judge, type Run, reportLines, summaries } from './report.ts';
import { BareServer, DeploymentTarget, findBasePort, type Target } from './targets.ts';
import { KEYS, WORKLOADS, type Workload } from './workloads.ts';

const ROOT = join(import.meta.dirname, '..');
const USAGE = `npm run bench -- [--rounds 3] [--requests 200000] [--only WORDS] [--kills 5]
  --only WORDS   only the cases whose name holds WORDS; "recovery" for the kills alone
  --bare-only    the bare server alone, without ratios
  --server PATH  the server for both sides (default: the one on PATH)`;

interface Options {
  readonly rounds: number;
  readonly requests: number;
  readonly kills: number;
  readonly only: string;
  readonly bareOnly: boolean;
  readonly server: string | null;
}

interface Results {
  readonly runs: Run[];
  readonly recoveries: Recovery[];
}

function readOptions(): Options | null {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '3' },
        requests: { type: 'string', default: '200000' },
        kills: { type: 'string', default: '5' },
        only: { type: 'string', default: '' },
        'bare-only': { type: 'boolean', default: false },
        server: { type: 'string' },
      },
    });
    const [rounds, requests, kills] = [values.rounds, values.requests, values.kills].map(Number);
    if (!isCount(rounds) || !isCount(requests) || !isCount(kills)) return null;
    const { only, 'bare-only': bareOnly, server = null } = values;
    return { rounds, requests, kills, only: only.toLowerCase(), bareOnly, server };
  } catch {
    return null;
  }
}

function isCount(n: number | undefined): n is number {
  return n !== undefined && Number.isSafeInteger(n) && n >= 0;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === null) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => stop.abort(new Error(`ended by ${signal}`)));
  const dir = mkdtempSync(join(tmpdir(), 'althing-bench-'));
  const started: Target[] = [];
  const results: Results = { runs: [], recoveries: [] };
  try {
    await compare(options, { dir, started, results, signal: stop.signal });
    return 0;
  } finally {
    for (const target of started.toReversed()) await target.stop();
    rmSync(dir, { recursive: true, force: true });
    if (results.runs.length + results.recoveries.length > 0) publish(options, results);
  }
}

interface Bench {
  readonly dir: string;
  /** What has to be stopped in the end. */
  readonly started: Target[];
  readonly results: Results;
  readonly signal: AbortSignal;
}

async function compare(options: Options, bench: Bench): Promise<void> {
  const { dir, started, results, signal } = bench;
  const server = findServer(options.server, process.env);
  const basePort = await findBasePort([0, 1_000, 2_000], 4);
  const wanted = WORKLOADS.filter(({ name }) => name.toLowerCase().includes(options.only));
  const bare = new BareServer({ server, port: basePort + 3, dir });
  started.push(bare);
  await bare.start(signal);
  const targets: Target[] = [bare];
  let deployment: DeploymentTarget | null = null;
  if (!options.bareOnly) {
    deployment = new DeploymentTarget({ root: ROOT, server, basePort, dir: join(dir, 'nodes') });
    started.push(deployment);
    await deployment.start(signal);
    targets.push(deployment);
  }
  for (let round = 1; round <= options.rounds; round++) {
    // Turn about: neither side is always the one that comes second.
    const order = round % 2 === 1 ? targets : targets.toReversed();
    await runRound({ round, order, wanted, requests: options.requests, results, signal });
  }
  if (deployment === null || !(options.only === '' || options.only === 'recovery')) return;
  for (let kill = 1; kill <= options.kills; kill++) {
    const recovery = await measureRecovery(deployment, `recovery:${kill}`, signal);
    results.recoveries.push(recovery);
    say(`kill ${kill}: writes again after ${Math.round(recovery.recoveredMs)} ms`);
  }
}

interface Round {
  readonly round: number;
  readonly order: readonly Target[];
  readonly wanted: readonly Workload[];
  readonly requests: number;
  readonly results: Results;
  readonly signal: AbortSignal;
}

async function runRound({ round, order, wanted, requests, results, signal }: Round) {
  const tickMicros = readTickMicros();
  let filledBytes = 0;
  for (const workload of wanted) {
    for (const target of order) {
      if (workload.valueBytes !== filledBytes) await fill(target, workload, signal);
      const processes = await target.processes();
      const port = await target.port();
      const count = requestsOf(workload, requests);
      const { result, cpuMicros } = await withCpu(processes, tickMicros, () =>
        runLoad(workload, { port, requests: count, signal }),
      );
      const run = { round, workload: workload.name, target: target.name };
      results.runs.push({ ...run, measured: result, cpuMicros });
      say(
        `round ${round}  ${workload.name}  ${target.name}  ` +
          `${Math.round(result.perSecond)}/s  p50 ${result.p50Ms} ms`,
      );
    }
    filledBytes = workload.valueBytes;
  }
}

/** Most keys hold a value of the size measured, so that GET does not read nothing. */
async function fill(target: Target, { valueBytes }: Workload, signal: AbortSignal): Promise<void> {
  const filling = { name: 'fill', command: 'set', connections: 50, pipeline: 16 } as const;
  const workload: Workload = { ...filling, valueBytes, share: 1 };
  await runLoad(workload, { port: await target.port(), requests: 2 * KEYS, signal });
}

function publish(options: Options, { runs, recoveries }: Results): void {
  const all = summaries(runs);
  for (const line of reportLines(all, recoveries)) say(line);
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, memoryBytes: totalmem() };
  const facts = { date: new Date().toISOString(), commit: commit(), node: process.version };
  const report = { ...facts, machine, options, summaries: all, marks: judge(all) };
  const folder = join(ROOT, 'bench-results');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${facts.date.replace(/[:.]/g, '-')}.json`);
  writeFileSync(path, `${JSON.stringify({ ...report, recoveries, runs }, null, 2)}\n`);
  say(`written to ${path}`);
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
