import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { parseTicks } from './cpu.ts';
import { parseCsv } from './load.ts';
import { judge, type Run, spreadOf, summaries } from './report.ts';

test('parseCsv finds the row of the command, whatever is around it', () => {
  const output =
    'WARNING: Could not fetch server CONFIG\n' +
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms",' +
    '"p99_latency_ms","max_latency_ms"\n' +
    '"GET","1075268.75","0.651","0.280","0.631","0.871","0.959","1.143"\n';
  const want = { requests: 9, perSecond: 1075268.75, p50Ms: 0.631, p99Ms: 0.959 };
  deepEqual(parseCsv(output, 'get', 9), want);
  throws(() => parseCsv(output, 'set', 9), /no rps/);
});

test('parseTicks sums user and system time, also when the name holds brackets', () => {
  equal(parseTicks('7 (a) (b c) S 1 7 7 0 -1 4194304 10 0 0 0 120 34 0 0 20 0 1 0 5'), 154);
});

test('spreadOf: the median of an even count lies between the middle two', () => {
  deepEqual(spreadOf([4, 1, 3, 2]), { min: 1, median: 2.5, max: 4 });
  deepEqual(spreadOf([5]), { min: 5, median: 5, max: 5 });
});

test('summaries compare within a round, and judge holds them against the marks', () => {
  const run = (round: number, target: string, perSecond: number): Run => ({
    round,
    target,
    workload: 'GET 50 connections -P 16',
    measured: { requests: 100, perSecond, p50Ms: 1, p99Ms: 2 },
    cpuMicros: { [`${target} server`]: 200 * round },
  });
  const runs = [run(1, 'bare', 1000), run(1, 'deployment', 500), run(2, 'deployment', 600)];
  const [summary] = summaries([...runs, run(2, 'bare', 2000)]);
  deepEqual(summary?.share, { min: 0.3, median: 0.4, max: 0.5 });
  deepEqual(summary?.cpuMicrosPerRequest, { 'bare server': 3, 'deployment server': 3 });
  deepEqual(
    judge(summary ? [summary] : []).map(({ isReached }) => isReached),
    [true],
  );
});
