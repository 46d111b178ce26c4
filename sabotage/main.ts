/**
 * `npm run sabotage`: breaks the product on purpose, in copies, and shows that it is noticed.
 *
 * Exit code 0 when every sabotage was caught by the check that is meant for it, 1 when one was not
 * or its patch does not apply, 2 for bad usage.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { allSabotages } from './copy.ts';
import type { Sabotage } from './patch.ts';
import { ruleOf, SEEDS_MAX, type Trial, tryControl, tryOut, tryUnit } from './trial.ts';

const USAGE = `npm run sabotage -- [--only NAME] [--seeds N] [--from K] [--units] [--list] [--json FILE]
  --only NAME  sabotages with NAME in their name
  --seeds N    at most so many seeds for each, ${SEEDS_MAX} unless told
  --from K     the first seed, 1 unless told
  --units      runs the unit test that each names, in place of the simulator
  --list       only says what there is`;
/** The unbroken copy runs this many seeds: as many as most sabotages need. */
const CONTROL_SEEDS = 20;

interface Orders {
  readonly sabotages: readonly Sabotage[];
  readonly seedsMax: number;
  readonly from: number;
  readonly units: boolean;
  readonly list: boolean;
  readonly isWhole: boolean;
  readonly json: string | null;
}

function ordersIn(args: readonly string[]): Orders | string {
  const options = {
    only: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string' },
    json: { type: 'string' },
    units: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { only, seeds, from } = values;
  for (const text of [seeds, from])
    if (text !== undefined && !/^[1-9]\d*$/.test(text)) return `'${text}' is no number from 1 on`;
  const all = allSabotages();
  const named = all.filter(({ name }) => only === undefined || name.includes(only));
  if (named.length === 0) return `no sabotage has ${only} in its name`;
  const sabotages = named.filter(({ unit }) => !values.units || unit !== null);
  if (sabotages.length === 0) return `no sabotage with ${only} in its name names a unit test`;
  return {
    sabotages,
    seedsMax: seeds === undefined ? SEEDS_MAX : Number(seeds),
    from: from === undefined ? 1 : Number(from),
    units: values.units,
    list: values.list,
    isWhole: only === undefined && !values.units,
    json: values.json ?? null,
  };
}

async function main(args: readonly string[]): Promise<number> {
  const orders = ordersIn(args);
  if (typeof orders === 'string') {
    print(orders);
    print(USAGE);
    return 2;
  }
  const { sabotages, from, seedsMax, units, isWhole } = orders;
  if (orders.list) {
    for (const { name, what, breaks } of sabotages) print(`${name}: ${what} (${breaks})`);
    return 0;
  }
  const begun = process.hrtime.bigint();
  const control = isWhole ? await tryControl({ from, seedsMax: CONTROL_SEEDS }) : null;
  if (control !== null) print(controlLine(control));
  const trials = await all(sabotages, async (sabotage) => {
    const trial = await (units
      ? tryUnit(sabotage, sabotage.unit ?? '')
      : tryOut(sabotage, { from, seedsMax }));
    for (const line of linesOf(trial)) print(line);
    return trial;
  });
  const wallSeconds = Number(process.hrtime.bigint() - begun) / 1e9;
  const missed = trials.filter(({ isCaught }) => !isCaught).map(({ name }) => name);
  const isSound = control === null || control.failure === null;
  if (orders.json !== null) {
    const details = { from, seedsMax, wallSeconds, missed, control, trials };
    writeFileSync(orders.json, `${JSON.stringify(details, null, 2)}\n`);
  }
  const worst = Math.max(0, ...trials.map(({ seeds }) => seeds));
  const took = `${wallSeconds.toFixed(1)} s`;
  const ok = missed.length === 0 && isSound;
  if (ok) print(`verdict: ok, ${trials.length} caught, at most ${worst} seeds, ${took}`);
  else if (!isSound) print(`verdict: FAILED, what is not broken is caught too, ${took}`);
  else
    print(
      `verdict: FAILED, ${missed.length} of ${trials.length} not caught (${missed.join(' ')}), ${took}`,
    );
  return ok ? 0 : 1;
}

/** As many at a time as there are cores; results in the order given. */
async function all(
  sabotages: readonly Sabotage[],
  run: (sabotage: Sabotage) => Promise<Trial>,
): Promise<Trial[]> {
  const trials: Trial[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const at = next;
      const sabotage = sabotages[at];
      if (sabotage === undefined) return;
      next += 1;
      trials[at] = await run(sabotage);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return trials;
}

function controlLine({ failure, seeds, fault, wallSeconds }: Trial): string {
  const why = failure ?? fault;
  if (why !== null) return `FAIL control: what is not broken fails: ${why}`;
  return `ok   control: what is not broken passes ${seeds} seeds (${wallSeconds.toFixed(1)} s)`;
}

const NAME_WIDTH = 42;
const FAILURE_WIDTH = 160;

function linesOf(trial: Trial): string[] {
  const { name, what, failure, seeds, fault, isCaught, others } = trial;
  const virtual = `${trial.virtualSeconds.toFixed(1)} s virtual`;
  const times = `${seeds === 0 ? '' : `${virtual}, `}${trial.wallSeconds.toFixed(1)} s`;
  const how = seeds === 0 ? 'its test' : `${seeds} seed${seeds === 1 ? '' : 's'}`;
  const head = `${isCaught ? 'ok  ' : 'FAIL'} ${name.padEnd(NAME_WIDTH)}`;
  const lines: string[] = [];
  if (isCaught) {
    const rule = failure === null ? '' : ruleOf(failure);
    lines.push(`${head} ${how.padStart(9)}  ${rule.padEnd(NAME_WIDTH)} ${times}`);
  } else if (fault !== null) {
    lines.push(`${head} ${fault}`);
  } else {
    lines.push(`${head} not caught: ${what} (${how}, ${times})`);
  }
  for (const [rule, count] of Object.entries(others))
    lines.push(`     seen besides, ${count}x: ${rule.slice(0, FAILURE_WIDTH)}`);
  return lines;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (import.meta.main) {
  // So that copies and children are taken away.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => process.exit(1));
  process.exitCode = await main(process.argv.slice(2));
}
