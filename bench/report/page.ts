/** One self-contained HTML page: the marks, the plots, and every figure behind them in a table. */
import { JUDGED, type Judgement, judge, MARKS } from '../marks.ts';
import type { Options } from '../options.ts';
import type { Results } from '../results.ts';
import { spreadOf } from '../spread.ts';
import { type Summary, summaries, targetsOf } from '../summary.ts';
import { colorOf } from './colors.ts';
import { momentTable } from './moment-table.ts';
import { cpuPlots, curvePlots, latencyPlots, mixPlots, throughputPlots } from './plots.ts';
import { STYLE } from './style.ts';
import { escapeHtml } from './svg.ts';

export interface Facts {
  readonly date: string;
  readonly commit: string;
  readonly server: string;
  readonly node: string;
  readonly machine: string;
  /** Of the whole machine when the run ended: 1, 5 and 15 minutes. */
  readonly load: readonly number[];
  readonly options: Options;
}

export function pageOf(results: Results, facts: Facts): string {
  const all = summaries(results.cases, results.runs);
  const targets = targetsOf(results.runs);
  const marked = MARKS.flatMap((mark) => ('case' in mark ? [mark.case] : []));
  const cpu = cpuPlots(all, (name) => marked.includes(name));
  const legend = legendOf(targets.map((name) => ({ name, color: colorOf(name, targets) })));
  const title = `althing bench, ${facts.date.slice(0, 16).replace('T', ' ')}`;
  const parts = [
    `<h1>${title}</h1>`,
    introduction(facts, results),
    section('Marks', marksTable(judge(results))),
    section('Throughput by connections', legend, ...plots(throughputPlots(all, 'connections'))),
    section('Latency by connections', legend, ...plots(latencyPlots(all, results))),
    section('Throughput by pipeline', legend, ...plots(throughputPlots(all, 'pipeline'))),
    section('Throughput by size of values', legend, ...plots(throughputPlots(all, 'valueBytes'))),
    section('Throughput by share of reads', legend, ...plots(mixPlots(all))),
    section('Throughput by nodes', legend, ...plots(throughputPlots(all, 'nodes'))),
    section('Latency at a fixed rate', CURVE_WORDS, legend, ...plots(curvePlots(all, results))),
    section('CPU per request', CPU_WORDS, legendOf(cpu.parts), ...plots(cpu.plots)),
    section('Moments', momentTable(results)),
    section('All figures', figuresTable(all)),
  ];
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${title}</title>` +
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    `<style>${STYLE}</style></head><body>\n${parts.join('\n')}\n</body></html>\n`
  );
}

const CURVE_WORDS =
  '<p class="soft">Requests are due at a fixed rate, whatever the target does; latency counts ' +
  'from when a request was due, so that a stall counts for all that came due meanwhile. Medians ' +
  'of the rounds at each percentile. At <em>half of its peak</em> each target has a rate of its ' +
  'own; at a given rate all have the same.</p>';
const CPU_WORDS =
  '<p class="soft">User and system time of each process, all threads, per request; <em>load</em> ' +
  'is the generator, which shares the cores.</p>';

function introduction(facts: Facts, results: Results): string {
  const { commit, server, node, machine, load, options } = facts;
  const sync = spreadOf(results.syncMs.map(({ median }) => median));
  const words = [
    `Commit ${commit}; ${escapeHtml(server)}; Node ${node}; ${escapeHtml(machine)}; ` +
      'load of the machine at the end ' +
      `${load.join(', ')}.`,
    `${options.rounds} rounds of ${options.seconds} s, all targets in turn in each round. Points ` +
      'are medians, bars behind them reach from the lowest to the highest round. ' +
      `An appended record synced alone takes ${sync.median.toFixed(3)} ms on this disk.`,
    'SET and GET by <b>redis-benchmark</b>, for etcd by our own generator over gRPC; mixes and ' +
      'fixed rates by our own generator for all. Reads of <b>deployment</b> and <b>etcd</b> are ' +
      'linearizable and go to the leader.',
  ];
  return words.map((each) => `<p class="soft">${each}</p>`).join('\n');
}

/** Without anything to show there is no section. */
function section(title: string, ...content: string[]): string {
  const isEmpty = content.every((each) => !/<(svg|table)/.test(each));
  return isEmpty ? '' : `<h2>${title}</h2>\n${content.join('\n')}`;
}

function plots(some: readonly string[]): string[] {
  if (some.length === 0) return [];
  const figures = some.map((svg) => `<figure>${svg}</figure>`);
  return [`<div class="plots">${figures.join('\n')}</div>`];
}

function legendOf(names: readonly { readonly name: string; readonly color: string }[]): string {
  const entries = names.map(
    ({ name, color }) => `<span><i style="background:${color}"></i>${escapeHtml(name)}</span>`,
  );
  return `<div class="legend">${entries.join('')}</div>`;
}

function marksTable(judgements: readonly Judgement[]): string {
  const rows = judgements.map(({ words, mark, aim, value, verdict }) => {
    const kind =
      verdict === 'MISSED' ? 'missed' : verdict === 'not measured' ? 'unknown' : 'reached';
    const cells = [words, mark, aim, value].map((cell) => `<td>${escapeHtml(cell)}</td>`);
    return `<tr>${cells.join('')}<td class="${kind}">${verdict}</td></tr>`;
  });
  const head = ['', 'mark', 'aim', `measured (${JUDGED})`, ''].map((word) => `<th>${word}</th>`);
  return `<div class="wide"><table><tr>${head.join('')}</tr>${rows.join('\n')}</table></div>`;
}

function figuresTable(all: readonly Summary[]): string {
  const titles = ['case', 'target', 'per second', '', 'share of bare', '', 'p50 ms', 'p99 ms'];
  const head = [...titles, 'p99.9 ms', 'CPU µs per request'].map((word) => `<th>${word}</th>`);
  let last = '';
  const rows = all.map((summary) => {
    const isFirst = summary.case.name !== last;
    last = summary.case.name;
    return `<tr${isFirst ? ' class="first"' : ''}>${figuresRow(summary, isFirst)}</tr>`;
  });
  if (rows.length === 0) return '';
  return `<div class="wide"><table><tr>${head.join('')}</tr>${rows.join('\n')}</table></div>`;
}

function figuresRow(summary: Summary, isFirst: boolean): string {
  const { perSecond, share, p50Ms, p99Ms, p999Ms, cpuMicros } = summary;
  const cpu = Object.entries(cpuMicros).map(([name, micros]) => `${name} ${micros.toFixed(1)}`);
  const number = (words: string): string => `<td class="number">${words}</td>`;
  const shares = share === null ? '' : `${share.min.toFixed(2)} to ${share.max.toFixed(2)}`;
  const whole = (value: number): string => Math.round(value).toLocaleString('en');
  return [
    `<td>${isFirst ? escapeHtml(summary.case.name) : ''}</td>`,
    `<td>${escapeHtml(summary.target)}</td>`,
    number(whole(perSecond.median)),
    `<td class="soft">${whole(perSecond.min)} to ${whole(perSecond.max)}</td>`,
    number(share === null ? '' : share.median.toFixed(3)),
    `<td class="soft">${shares}</td>`,
    number(p50Ms.median.toFixed(3)),
    number(p99Ms.median.toFixed(3)),
    number(p999Ms === null ? '' : p999Ms.median.toFixed(3)),
    `<td class="soft">${escapeHtml(cpu.join(', '))}</td>`,
  ].join('');
}
