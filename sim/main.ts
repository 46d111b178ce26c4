/** `npm run sim -- --seed N | --seeds N [--from K] [--steps N] [--json FILE] [--verbose]` */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pastSeeds, replayCommand } from './seeds.ts';
import { STEPS_DEFAULT, simulate } from './simulate.ts';
import type { Outcome } from './verdict.ts';
import { simulateAll } from './workers.ts';

/** Of more seeds only those are told that fail. */
const EACH_TOLD_MAX = 200;
const PROGRESS_EVERY = 500;
const USAGE = 'sim --seed N | --seeds N [--from K] [--steps N] [--json FILE] [--verbose]';

function count(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined;
  const n = Number(text);
  if (Number.isSafeInteger(n) && n >= 0) return n;
  console.error(`${what} must be a whole number, not "${text}"\nusage: ${USAGE}`);
  process.exit(2);
}

function say(verdict: Outcome): void {
  const { seed, failure } = verdict;
  const {
    events,
    virtualUs,
    asked,
    answered,
    reigns,
    crashes,
    serverLives,
    installs,
    changes,
    compactions,
    undecided,
  } = verdict.figures;
  const load = `answered ${answered} of ${asked}`;
  const trouble = `reigns ${reigns}  crashes ${crashes}  servers ${serverLives}`;
  const snapshots = `installs ${installs}  compactions ${compactions}`;
  const rest = `changes ${changes}  undecided ${undecided}`;
  const size = `events ${events}  virtual ${(virtualUs / 1e6).toFixed(1)} s`;
  const word = failure === null ? 'ok' : 'FAILED';
  console.log(`seed ${seed}  ${word}  ${size}  ${load}  ${trouble}  ${snapshots}  ${rest}`);
}

function explain(verdict: Outcome, steps: number): void {
  const again = simulate({ seed: verdict.seed, steps, log: true });
  console.log(again.report.tail().join('\n'));
  console.log(`seed ${verdict.seed}: ${verdict.failure}`);
  console.log(`replay: ${replayCommand(verdict.seed, steps)} --verbose`);
}

const OPTIONS = {
  seed: { type: 'string' },
  seeds: { type: 'string' },
  from: { type: 'string' },
  steps: { type: 'string' },
  json: { type: 'string' },
  verbose: { type: 'boolean', default: false },
} as const;

function readArguments() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\nusage: ${USAGE}`);
    process.exit(2);
  }
}

/** Of a run of many: not a line for each, but a sign of life. */
function sayProgress(done: number, all: number, begun: bigint): void {
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  const left = Math.round(((all - done) * seconds) / done / 60);
  console.log(`${done} of ${all} seeds in ${Math.round(seconds)} s, about ${left} min left`);
}

async function main(): Promise<void> {
  const values = readArguments();
  const steps = count(values.steps, '--steps') ?? STEPS_DEFAULT;
  const single = count(values.seed, '--seed');
  const many = count(values.seeds, '--seeds') ?? (single === undefined ? 100 : 0);
  const from = count(values.from, '--from') ?? 1;
  const range = Array.from({ length: many }, (_, at) => from + at);
  const seeds = single === undefined ? [...pastSeeds(), ...range] : [single];
  const verdicts: Outcome[] = [];
  const begun = process.hrtime.bigint();
  let virtualUs = 0;
  const tell = (verdict: Outcome): void => {
    virtualUs += verdict.figures.virtualUs;
    verdicts.push(verdict);
    if (seeds.length <= EACH_TOLD_MAX || verdict.failure !== null) say(verdict);
    else if (verdicts.length % PROGRESS_EVERY === 0)
      sayProgress(verdicts.length, seeds.length, begun);
    if (verdict.failure !== null) explain(verdict, steps);
  };
  if (values.verbose) {
    const print = (line: string): void => console.log(line);
    for (const seed of seeds) tell(simulate({ seed, steps, log: true, print }));
  } else await simulateAll(seeds, steps, tell);
  const failed = verdicts.filter((each) => each.failure !== null).map((each) => each.seed);
  const wallSeconds = Number(process.hrtime.bigint() - begun) / 1e9;
  if (values.json !== undefined) {
    const runs = verdicts.map(({ seed, failure, figures }) => ({ seed, failure, figures }));
    const details = { steps, wallSeconds, virtualSeconds: virtualUs / 1e6, failed, runs };
    writeFileSync(values.json, `${JSON.stringify(details, null, 2)}\n`);
  }
  const time = `${(virtualUs / 3.6e9).toFixed(2)} h of virtual time in ${wallSeconds.toFixed(1)} s`;
  console.log(
    failed.length === 0
      ? `verdict: ok, ${seeds.length} seeds, ${time}`
      : `verdict: FAILED, ${failed.length} of ${seeds.length} seeds (${failed.join(' ')}), ${time}`,
  );
  process.exitCode = failed.length === 0 ? 0 : 1;
}

if (import.meta.main) await main();
