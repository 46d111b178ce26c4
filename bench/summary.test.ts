import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { exampleResults, exampleRun, SET } from './example-results.ts';
import { sharesOf, summaries, targetsOf } from './summary.ts';

test('shares are of the bare server in the same round; a round without it has none', () => {
  const { runs } = exampleResults();
  deepEqual(sharesOf(runs, SET.name, 'deployment'), [0.4, 0.6]);
  deepEqual(
    sharesOf([...runs, exampleRun(3, 'deployment', 9)], SET.name, 'deployment'),
    [0.4, 0.6],
  );
});

test('a summary has medians of the rounds, and CPU per request by process', () => {
  const { cases, runs } = exampleResults();
  const [bare, deployment] = summaries(cases, runs);
  deepEqual([bare?.target, bare?.share, deployment?.target], ['bare', null, 'deployment']);
  deepEqual(deployment?.share, { min: 0.4, median: 0.5, max: 0.6 });
  deepEqual(deployment?.perSecond, { min: 400, median: 800, max: 1_200 });
  deepEqual(deployment?.cpuMicros, { server: 3, load: 1 });
  deepEqual(deployment?.curve[2], [99.9, 3]);
});

test('targets have one order, whoever ran first; variants come last', () => {
  const runs = ['plain', 'deployment', 'bare'].map((target) => exampleRun(1, target, 1));
  deepEqual(targetsOf(runs), ['bare', 'deployment', 'plain']);
  equal(targetsOf([]).length, 0);
});
