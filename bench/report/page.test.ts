import { equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { exampleResults } from '../example-results.ts';
import { readOptions } from '../options.ts';
import { noResults } from '../results.ts';
import { pageOf } from './page.ts';
import { tableLines } from './table.ts';

function page(results = exampleResults()): string {
  const options = readOptions([]);
  if (options === null) throw new Error('the defaults are options');
  const facts = { date: '2026-11-21T10:00:00.000Z', commit: 'abc', server: 'redis <7> & "x"' };
  return pageOf(results, { ...facts, node: 'v24', machine: '2 × x', load: [1, 2, 3], options });
}

test('the page refers to nothing outside itself, and runs nothing', () => {
  const html = page();
  equal(/<script|<link|<img|url\(|@import/.test(html), false);
  equal(/(src|href)=/.test(html), false);
});

test('the page has the marks, a curve per target and bars of CPU', () => {
  const html = page();
  match(html, /<td class="missed">MISSED<\/td>/);
  match(html, /<td class="reached">aim reached<\/td>/);
  match(html, /p99\.9 3\.000 ms/);
  match(html, /deployment, server: 3\.0 µs/);
  match(html, /one sync of the disk: 0\.10 ms/);
});

test('what others wrote is text in it, never markup', () => {
  const html = page();
  match(html, /redis &lt;7> &amp; &quot;x&quot;/);
});

test('no figure in a plot is not a number, and no plot is there without figures', () => {
  equal(page().includes('NaN'), false);
  const empty = page(noResults([]));
  equal(empty.includes('<svg'), false);
  equal(/Infinity|NaN(?! ms on this disk)/.test(empty), false);
});

test('the table has a line per case and target, and the verdicts', () => {
  const lines = tableLines(exampleResults());
  ok(
    lines.some((line) => /^ {2}deployment .*share of bare 0\.500 \(0\.400 to 0\.600\)/.test(line)),
  );
  ok(lines.some((line) => /^mark: SET, 50 .*: aim reached$/.test(line)));
});
