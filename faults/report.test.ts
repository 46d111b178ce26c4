import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figuresOf, perSecond } from './figures.ts';
import type { Band } from './nemesis.ts';
import { type Report, verdictOf } from './report.ts';
import { htmlPage } from './report-html.ts';
import { textLines } from './report-text.ts';
import type { Finding } from './run.ts';
import type { Seen } from './tally.ts';

const UNTIL_MS = 3_000;

function reportWith(findings: readonly Finding[]): Report {
  const bands: Band[] = [
    { kind: 'kill', words: 'kill both', nodes: [0, 1], from: 100, to: 900, hitLeader: true },
  ];
  const seen: Seen[] = [
    {
      what: 'append',
      node: 0,
      call: 0,
      end: 10,
      outcome: 'ok',
      isWrite: true,
      isBlocking: false,
      why: '',
    },
    {
      what: 'append',
      node: 0,
      call: 20,
      end: 1_500,
      outcome: 'unknown',
      isWrite: true,
      isBlocking: false,
      why: 'closed',
    },
  ];
  const queue = { pushed: 1, popped: 1, remaining: 0, unknownPops: 0, missing: 0, problems: [] };
  return {
    ...{
      cell: 'kill',
      seconds: 3,
      seed: 5,
      nodes: 3,
      server: 'redis 7',
      command: 'again --seed 5',
    },
    figures: figuresOf(seen, bands, UNTIL_MS),
    perSecond: perSecond(seen, UNTIL_MS),
    ...{ bands, queue, findings, healMs: 12, keys: 4, checked: ['all of it'], kept: null },
    reigns: [{ node: 2, term: 7, from: 950, to: 2_900 }],
  };
}

test('the verdict says clean, or how much was found and how to see it again', () => {
  assert.match(verdictOf(reportWith([])), /^CLEAN: cell kill, seed 5/);
  const found = verdictOf(reportWith([{ what: 'data', words: 'two differ' }]));
  assert.match(found, /^FOUND 1: .* again: again --seed 5$/);
});

test('the page shows findings, faults on every node they hit, and leaders; words are escaped', () => {
  const page = htmlPage(reportWith([{ what: 'data', words: '<b>& differ' }]));
  assert.ok(page.includes('&lt;b&gt;&amp; differ') && !page.includes('<b>& differ'));
  assert.equal(page.match(/<title>kill both, leader, 0\.1 to 0\.9 s/g)?.length, 2);
  assert.match(page, /node3 leads in term 7, 0\.9 to 2\.9 s|node3 leads in term 7, 1\.0 to 2\.9 s/);
  assert.match(page, /no write acknowledged, 0\.0 to 3\.0 s/);
  assert.ok(!/https?:/.test(page), 'it needs nothing else');
});

test('the text ends with what was found', () => {
  const lines = textLines(reportWith([{ what: 'log', words: 'a panic' }]));
  assert.equal(lines.at(-1), 'FOUND log: a panic');
  assert.ok(lines.some((line) => /1 ok, 0 failed, 1 unknown/.test(line)));
});

test('requests count in the second in which they ended', () => {
  const { perSecond: seconds } = reportWith([]);
  assert.deepEqual(
    seconds.map(({ ok, unknown }) => [ok, unknown]),
    [
      [1, 0],
      [0, 1],
      [0, 0],
    ],
  );
});
