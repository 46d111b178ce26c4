import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import { exampleMeasured, exampleResults } from './example-results.ts';
import { aimAloneMs, type Judgement, judge } from './marks.ts';
import { noResults, type Results } from './results.ts';

function judgement(results: Results, words: RegExp): Judgement | undefined {
  return judge(results).find((each) => words.test(each.words));
}

function withAlone(p50Ms: number): Results {
  const run = { round: 1, case: 'SET 1 connection', target: 'deployment', cpuMicros: {} };
  const results = exampleResults();
  results.runs.push({ ...run, measured: exampleMeasured({ p50Ms }) });
  return results;
}

test('what was not measured is not judged', () => {
  const verdicts = judge(noResults([])).map(({ verdict }) => verdict);
  equal(verdicts.length, 9);
  deepEqual([...new Set(verdicts)], ['not measured']);
});

test('the median of the shares is held against mark and aim', () => {
  const results = exampleResults();
  equal(judgement(results, /^SET, 50/)?.verdict, 'aim reached');
  equal(judgement(results, /^GET, pipeline/)?.verdict, 'MISSED');
  equal(judgement(results, /^SET, 50/)?.value, '0.500 (0.400 to 0.600)');
});

test('one connection: the aim is from the sync time of the same run', () => {
  equal(aimAloneMs(exampleResults()).toFixed(3), '0.350');
  const verdicts = [0.34, 0.39, 0.41].map((ms) => judgement(withAlone(ms), /one conn/)?.verdict);
  deepEqual(verdicts, ['aim reached', 'mark reached', 'MISSED']);
});

test('a kill is judged by median and worst, and a lost write is a miss', () => {
  const kills = (all: readonly number[], lost = 0): Results => ({
    ...exampleResults(),
    kills: all.map((recoveredMs) => ({ recoveredMs, acknowledged: 9, lost })),
  });
  const verdict = (results: Results) => judgement(results, /^leader killed/)?.verdict;
  equal(verdict(kills([500, 500, 1_400])), 'aim reached');
  equal(verdict(kills([500, 500, 2_900])), 'mark reached');
  equal(verdict(kills([500, 500, 3_100])), 'MISSED');
  equal(verdict(kills([1_100, 1_100, 1_200])), 'MISSED');
  equal(verdict(kills([500], 1)), 'MISSED');
});

test('a switchover is judged by what the worst client saw', () => {
  const switchover = { clientGapMs: 120, anyGapMs: 5, calmGapMs: 3, answer: '' };
  const results = { ...exampleResults(), switchovers: [switchover] };
  equal(judgement(results, /switchover/)?.verdict, 'MISSED');
});

test('the port of a follower’s server is held against a bare replica of the same rounds', () => {
  const verdict = (...shares: readonly number[]) => {
    const locals = shares.map((share, i) => {
      return { round: i + 1, barePerSecond: 1_000, localPerSecond: 1_000 * share };
    });
    return judgement({ ...exampleResults(), locals }, /own port/)?.verdict;
  };
  equal(verdict(0.9, 1, 1.1), 'aim reached');
  equal(verdict(0.94, 0.96, 0.97), 'mark reached');
  equal(verdict(0.9, 0.94, 1), 'MISSED');
});

test('snapshots are judged only on the deployment and on enough requests', () => {
  const moments = (p99Ms: number, requests = 5_000) => ({ requests, p50Ms: 1, p99Ms, maxMs: 9 });
  const run = { round: 1, perSecond: 1_000, snapshots: 3, quiet: moments(2) };
  const results = exampleResults();
  results.snapshots.push(
    { ...run, target: 'deployment', during: moments(2.8) },
    { ...run, target: 'deployment', during: moments(99, 999) },
    { ...run, target: 'plain', during: moments(99) },
  );
  const judged = judgement(results, /snapshot/);
  equal(judged?.verdict, 'mark reached');
  match(judged?.value ?? '', /^1\.40 ×/);
});
