/** `npm run sim -- --seed N | --seeds N [--from K] [--world W] [--steps N] [--json FILE]` */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pastSeeds, replayCommand } from './seeds.ts';
import { outcomeOf, WORLD_NAMES, type WorldName } from './simulate.ts';
import type { AnyOutcome, EventualOutcome, FoundingOutcome, Outcome } from './verdict.ts';
import { simulateAll } from './workers.ts';

/** Of more seeds only those are told that fail. */
const EACH_TOLD_MAX = 200;
const PROGRESS_EVERY = 500;
const USAGE = [
  'sim --seed N | --seeds N [--from K] [--world data|founding|eventual] [--steps N]',
  '[--json FILE] [--verbose]',
].join(' ');

function count(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined;
  const n = Number(text);
  if (Number.isSafeInteger(n) && n >= 0) return n;
  console.error(`${what} must be a whole number, not "${text}"\nusage: ${USAGE}`);
  process.exit(2);
}

function say(outcome: AnyOutcome): void {
  const { world, seed, failure, figures } = outcome;
  const word = failure === null ? 'ok' : 'FAILED';
  const size = `events ${figures.events}  virtual ${(figures.virtualUs / 1e6).toFixed(1)} s`;
  const rest = wordsOf(outcome);
  console.log(`${world === 'data' ? '' : `${world} `}seed ${seed}  ${word}  ${size}  ${rest}`);
}

function wordsOf(outcome: AnyOutcome): string {
  switch (outcome.world) {
    case 'data':
      return dataWords(outcome);
    case 'founding':
      return foundingWords(outcome);
    case 'eventual':
      return eventualWords(outcome);
  }
}

function eventualWords({ figures }: EventualOutcome): string {
  const { machines, openings, handOvers, accepted, lost, crashes, wipes, wardenKills } = figures;
  const roles = `machines ${machines}  openings ${openings}  handed over ${handOvers}`;
  const trouble = `crashes ${crashes}  wipes ${wipes}  warden kills ${wardenKills}`;
  const healed = `healed in ${(figures.healUs / 1e6).toFixed(1)} s`;
  return `${roles}  accepted ${accepted}  lost ${lost}  ${trouble}  ${healed}`;
}

function foundingWords({ figures }: FoundingOutcome): string {
  const { machines, deployments, crashes, wipes, changes, healUs } = figures;
  const trouble = `crashes ${crashes}  wipes ${wipes}  changes ${changes}`;
  const healed = `healed in ${(healUs / 1e6).toFixed(1)} s`;
  return `machines ${machines}  deployments ${deployments}  ${trouble}  ${healed}`;
}

function dataWords({ figures }: Outcome): string {
  const {
    asked,
    answered,
    reigns,
    crashes,
    serverLives,
    installs,
    changes,
    compactions,
    undecided,
  } = figures;
  const load = `answered ${answered} of ${asked}`;
  const trouble = `reigns ${reigns}  crashes ${crashes}  servers ${serverLives}`;
  const snapshots = `installs ${installs}  compactions ${compactions}`;
  const rest = `changes ${changes}  undecided ${undecided}`;
  return `${load}  ${trouble}  ${snapshots}  ${rest}`;
}

function explain(verdict: AnyOutcome, steps: number | null): void {
  const again = outcomeOf(verdict, steps, { log: true });
  console.log(again.report.tail().join('\n'));
  console.log(`seed ${nameOf(verdict)}: ${verdict.failure}`);
  console.log(`replay: ${replayCommand(verdict, steps)} --verbose`);
}

const OPTIONS = {
  seed: { type: 'string' },
  seeds: { type: 'string' },
  from: { type: 'string' },
  world: { type: 'string' },
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

function worldsNamed(text: string | undefined, usual: readonly WorldName[]): readonly WorldName[] {
  if (text === undefined) return usual;
  const named = WORLD_NAMES.filter((name) => name === text);
  if (named.length > 0) return named;
  console.error(`--world must be ${WORLD_NAMES.join(' or ')}, not "${text}"\nusage: ${USAGE}`);
  process.exit(2);
}

function nameOf({ world, seed }: AnyOutcome): string {
  return world === 'data' ? `${seed}` : `${world} ${seed}`;
}

/** Of a run of many: not a line for each, but a sign of life. */
function sayProgress(done: number, all: number, begun: bigint): void {
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  const left = Math.round(((all - done) * seconds) / done / 60);
  console.log(`${done} of ${all} seeds in ${Math.round(seconds)} s, about ${left} min left`);
}

async function main(): Promise<void> {
  const values = readArguments();
  const steps = count(values.steps, '--steps') ?? null;
  const single = count(values.seed, '--seed');
  const many = count(values.seeds, '--seeds') ?? (single === undefined ? 100 : 0);
  const from = count(values.from, '--from') ?? 1;
  const worlds = worldsNamed(values.world, single === undefined ? WORLD_NAMES : ['data']);
  const past =
    single === undefined ? pastSeeds().filter(({ world }) => worlds.includes(world)) : [];
  const range = Array.from({ length: many }, (_, at) => from + at);
  const fresh = single === undefined ? range : [single];
  const seeds = [...past, ...worlds.flatMap((world) => fresh.map((seed) => ({ world, seed })))];
  const verdicts: AnyOutcome[] = [];
  const begun = process.hrtime.bigint();
  let virtualUs = 0;
  const tell = (verdict: AnyOutcome): void => {
    virtualUs += verdict.figures.virtualUs;
    verdicts.push(verdict);
    if (seeds.length <= EACH_TOLD_MAX || verdict.failure !== null) say(verdict);
    else if (verdicts.length % PROGRESS_EVERY === 0)
      sayProgress(verdicts.length, seeds.length, begun);
    if (verdict.failure !== null) explain(verdict, steps);
  };
  if (values.verbose) {
    const print = (line: string): void => console.log(line);
    for (const run of seeds) tell(outcomeOf(run, steps, { log: true, print }));
  } else await simulateAll(seeds, steps, tell);
  const failed = verdicts.filter((each) => each.failure !== null).map(nameOf);
  const wallSeconds = Number(process.hrtime.bigint() - begun) / 1e9;
  if (values.json !== undefined) {
    const runs = verdicts.map(({ world, seed, failure, figures }) => {
      return { world, seed, failure, figures };
    });
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
