/** Results for tests: two targets in two rounds, one mark reached, some moments. */
import { BASE, caseOf } from './plan.ts';
import { type Measured, noResults, type Results, type Run } from './results.ts';

export const SET = caseOf('load', BASE);
export const GET_PIPED = caseOf('load', { ...BASE, readPercent: 100, pipeline: 16 });
export const PACED = caseOf('paced', BASE, 'half');

export function exampleMeasured(changes: Partial<Measured> = {}): Measured {
  return {
    generator: 'own',
    requests: 100,
    seconds: 1,
    perSecond: 100,
    p50Ms: 1,
    p99Ms: 2,
    p999Ms: 3,
    maxMs: 4,
    curve: [
      [50, 1],
      [99, 2],
      [99.9, 3],
      [100, 4],
    ],
    missing: 0,
    unanswered: 0,
    pace: null,
    ...changes,
  };
}

export function exampleRun(
  round: number,
  target: string,
  perSecond: number,
  name: string = SET.name,
): Run {
  const measured = exampleMeasured({ perSecond });
  return { round, target, case: name, measured, cpuMicros: { server: 200 * round, load: 100 } };
}

export function exampleResults(): Results {
  const runs = [
    exampleRun(1, 'deployment', 400),
    exampleRun(1, 'bare', 1_000),
    exampleRun(2, 'bare', 2_000),
    exampleRun(2, 'deployment', 1_200),
  ];
  return {
    ...noResults([SET, GET_PIPED, PACED]),
    runs: [
      ...runs,
      ...runs.map((run) => ({ ...run, case: PACED.name })),
      ...runs.map((run) => ({ ...run, case: GET_PIPED.name })),
    ],
    syncMs: [{ min: 0.1, median: 0.1, max: 0.3 }],
  };
}
