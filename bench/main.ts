/**
 * `npm run bench`: a deployment beside its peers on this machine, in one go and alternating.
 *
 * All targets run all the time; what is not under load is idle, apart from heartbeats. Results: a
 * table here, a JSON file and a page under bench-results/.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServer } from '../src/doors/cli/up/server-binary.ts';
import type { Bench } from './cases/bench.ts';
import { runMatrix } from './cases/matrix.ts';
import { runSpecials } from './cases/specials.ts';
import { readTickMicros } from './cpu.ts';
import { measureSyncMs } from './disk-sync.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { type Plan, planOf } from './plan.ts';
import { Progress } from './progress.ts';
import { publish } from './report/publish.ts';
import { noResults } from './results.ts';
import { TargetHouse } from './targets/house.ts';

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === null) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const plan = planOf({ scope: options.scope, only: options.only, perSecond: options.rate });
  if (options.isList) {
    for (const name of [...plan.cases.map((each) => each.name), ...plan.specials]) say(name);
    return 0;
  }
  if (plan.cases.length + plan.specials.length === 0) {
    process.stderr.write(`no case is called "${options.only}"; --list shows them\n`);
    return 2;
  }
  return await measure(options, plan);
}

async function measure(options: Options, plan: Plan): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => stop.abort(new Error(`ended by ${signal}`)));
  const dir = mkdtempSync(join(tmpdir(), 'althing-bench-'));
  const results = noResults(plan.cases);
  const bench: Bench = {
    options,
    dir,
    results,
    progress: new Progress(say, () => performance.now()),
    signal: stop.signal,
    tickMicros: readTickMicros(),
  };
  const server = findServer(options.server, process.env);
  const house = new TargetHouse({ options, server, dir, signal: stop.signal });
  try {
    results.syncMs.push(measureSyncMs(dir));
    await house.open((line) => {
      results.skipped.push(line);
      say(line);
    });
    if (plan.cases.length > 0) await runMatrix(plan.cases, house, bench);
    await runSpecials(plan.specials, house, bench);
    return 0;
  } finally {
    await house.close();
    rmSync(dir, { recursive: true, force: true });
    await publish(results, { options, server, say });
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`bench: ${(error as Error).stack}\n`);
    process.exit(1);
  },
);
