/** The cases that look at moments: snapshots, kills, switchovers, idle connections. */
import type { Results } from '../results.ts';
import { type Spread, spreadOf } from '../spread.ts';
import { escapeHtml } from './svg.ts';

type Row = readonly [what: string, value: string];

export function momentTable(results: Results): string {
  const rows = [
    ...snapshotRows(results),
    ...killRows(results),
    ...switchoverRows(results),
    ...idleRows(results),
    ...results.skipped.map((why): Row => ['left out', why]),
  ];
  if (rows.length === 0) return '';
  const lines = rows.map(
    ([what, value]) => `<tr><td>${escapeHtml(what)}</td><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<div class="wide"><table>${lines.join('\n')}</table></div>`;
}

function snapshotRows({ snapshots }: Results): Row[] {
  return snapshots.map(({ round, target, perSecond, snapshots: count, quiet, during }) => [
    `${target}, snapshots, round ${round}`,
    `${count} at ${perSecond} writes/s: p50 / p99 / worst ms ` +
      `${moments(during)} while one is taken (${during.requests} requests), ` +
      `${moments(quiet)} else (${quiet.requests})`,
  ]);
}

function moments({ p50Ms, p99Ms, maxMs }: { p50Ms: number; p99Ms: number; maxMs: number }): string {
  return [p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(2)).join(' / ');
}

function killRows({ kills }: Results): Row[] {
  if (kills.length === 0) return [];
  const sum = (fact: 'acknowledged' | 'lost'): number =>
    kills.reduce((total, kill) => total + kill[fact], 0);
  const spread = spreadOf(kills.map(({ recoveredMs }) => recoveredMs));
  return [
    [
      `leader killed ${kills.length} times`,
      `writes again after ${inMs(spread)}; ${sum('acknowledged')} acknowledged, ` +
        `${sum('lost')} lost`,
    ],
  ];
}

function switchoverRows({ switchovers }: Results): Row[] {
  if (switchovers.length === 0) return [];
  const of = (fact: 'clientGapMs' | 'anyGapMs' | 'calmGapMs'): string =>
    inMs(spreadOf(switchovers.map((each) => each[fact])));
  return [
    [`${switchovers.length} switchovers, longest gap of one client`, of('clientGapMs')],
    ['the same over the writes of all clients', of('anyGapMs')],
    ['of one client in as long a time without', of('calmGapMs')],
  ];
}

function idleRows({ idle }: Results): Row[] {
  return idle.map(({ target, opened, wanted, processes }) => {
    const each = processes.map(({ name, beforeBytes, afterBytes }) => {
      const bytes = (afterBytes - beforeBytes) / Math.max(1, opened);
      return `${name} ${(bytes / 1024).toFixed(1)} KiB`;
    });
    return [
      `${target}, ${opened} of ${wanted} idle connections`,
      `resident memory per connection: ${each.join(', ')}`,
    ];
  });
}

function inMs({ min, median, max }: Spread): string {
  return `${median.toFixed(1)} ms (${min.toFixed(1)} to ${max.toFixed(1)})`;
}
