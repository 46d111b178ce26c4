/**
 * The cases of the matrix on all targets, in turn: within a case's round the targets follow each
 * other, in an order that changes, so that what else the machine does weighs on all alike.
 */
import { measureSyncMs } from '../disk-sync.ts';
import { BASE, type Case, groupsOf } from '../plan.ts';
import type { Run } from '../results.ts';
import { BARE } from '../summary.ts';
import type { Target } from '../targets/target.ts';
import type { Bench } from './bench.ts';
import { Measure } from './measure.ts';

export interface Stage {
  /** Those of three nodes are there for the whole run; others only for their cases. */
  readonly targets: readonly Target[];
  startOther(nodes: number): Promise<Target[]>;
}

export async function runMatrix(cases: readonly Case[], stage: Stage, bench: Bench): Promise<void> {
  const measure = new Measure(bench);
  const byNodes = Map.groupBy(cases, ({ nodes }) => nodes);
  for (const [nodes, some] of byNodes) {
    const others = nodes === BASE.nodes ? [] : await stage.startOther(nodes);
    const bare = stage.targets.filter(({ name }) => name === BARE);
    const targets = nodes === BASE.nodes ? stage.targets : [...bare, ...others];
    bench.progress.expect(some.length * targets.length * bench.options.rounds);
    try {
      for (const group of groupsOf(some)) await runGroup(group, targets, measure, bench);
    } finally {
      for (const other of others) await other.stop();
    }
  }
}

async function runGroup(
  group: readonly Case[],
  targets: readonly Target[],
  measure: Measure,
  bench: Bench,
): Promise<void> {
  const { options, results, progress, dir, signal } = bench;
  for (const target of targets) {
    await measure.fill(target, group[0]?.valueBytes ?? BASE.valueBytes);
    await target.settle(signal);
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const each of group) {
      // Beside each case, since the disk is others' too: its sync time is the floor of that moment.
      results.syncMs.push(measureSyncMs(dir));
      const turn = round % targets.length;
      for (const target of [...targets.slice(turn), ...targets.slice(0, turn)]) {
        signal.throwIfAborted();
        await target.settle(signal);
        const run = await measure.run(each, target, round);
        results.runs.push(run);
        progress.step(lineOf(run));
      }
    }
  }
}

function lineOf({ round, case: name, target, measured }: Run): string {
  const { perSecond, p50Ms, p99Ms, p999Ms, missing, unanswered, pace } = measured;
  const rest = [
    p999Ms === null ? '' : `  p99.9 ${p999Ms.toFixed(3)}`,
    pace === null ? '' : `  (generator late p99 ${pace.lateMs.p99.toFixed(3)})`,
    missing === 0 ? '' : `  ${missing} MISSING`,
    unanswered === 0 ? '' : `  ${unanswered} UNANSWERED`,
  ];
  return (
    `round ${round}  ${name.padEnd(30)}  ${target.padEnd(10)} ` +
    `${String(Math.round(perSecond)).padStart(7)}/s  ` +
    `p50 ${p50Ms.toFixed(3)}  p99 ${p99Ms.toFixed(3)}${rest.join('')}`
  );
}
