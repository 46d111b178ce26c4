/** The end of a run on the screen. */
import { aimAloneMs, judge, snapshotRatios } from '../marks.ts';
import type { Results } from '../results.ts';
import { type Spread, spreadOf } from '../spread.ts';
import { type Summary, summaries } from '../summary.ts';

export function tableLines(results: Results): string[] {
  const all = summaries(results.cases, results.runs);
  const byCase = Map.groupBy(all, (summary) => summary.case.name);
  const lines: string[] = [];
  for (const [name, some] of byCase) lines.push('', name, ...some.flatMap(caseLines));
  lines.push('', ...momentLines(results), '', ...floorLines(results), ...markLines(results));
  for (const skipped of results.skipped) lines.push(skipped);
  return lines;
}

function caseLines(summary: Summary): string[] {
  const { target, perSecond, share, p50Ms, p99Ms, p999Ms, cpuMicros } = summary;
  const cpu = Object.entries(cpuMicros).map(([name, micros]) => `${name} ${micros.toFixed(1)}`);
  const shares = share === null ? '' : `  share of bare ${inWords(share, 3)}`;
  const tail = p999Ms === null ? '' : `  p99.9 ${p999Ms.median.toFixed(3)}`;
  return [
    `  ${target.padEnd(11)}${inWords(perSecond, 0)}/s${shares}  ` +
      `p50 ${p50Ms.median.toFixed(3)} ms  p99 ${p99Ms.median.toFixed(3)}${tail}`,
    `             CPU µs per request: ${cpu.join(', ')}`,
  ];
}

function momentLines(results: Results): string[] {
  const { kills, switchovers, idle } = results;
  const lines: string[] = [];
  const ratios = snapshotRatios(results);
  if (ratios.length > 0)
    lines.push(`p99 with a snapshot ÷ without: ${inWords(spreadOf(ratios), 2)}`);
  if (kills.length > 0) {
    const spread = spreadOf(kills.map(({ recoveredMs }) => recoveredMs));
    const sum = (fact: 'acknowledged' | 'lost'): number =>
      kills.reduce((total, kill) => total + kill[fact], 0);
    lines.push(
      `leader killed ${kills.length} times, writes again after ms: ${inWords(spread, 0)}; ` +
        `${sum('acknowledged')} writes acknowledged, ${sum('lost')} lost`,
    );
  }
  if (switchovers.length > 0) {
    const of = (fact: 'clientGapMs' | 'anyGapMs' | 'calmGapMs'): string =>
      inWords(spreadOf(switchovers.map((each) => each[fact])), 1);
    lines.push(
      `${switchovers.length} switchovers, longest gap ms: one client ${of('clientGapMs')}, ` +
        `all together ${of('anyGapMs')}, one client without an order ${of('calmGapMs')}`,
    );
  }
  for (const { target, opened, wanted, processes } of idle) {
    lines.push(`${opened} of ${wanted} idle connections on ${target}:`);
    for (const { name, beforeBytes, afterBytes } of processes) {
      const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);
      const each = (afterBytes - beforeBytes) / Math.max(1, opened) / 1024;
      lines.push(
        `  ${name}: ${mib(beforeBytes)} to ${mib(afterBytes)} MiB, ${each.toFixed(1)} KiB each`,
      );
    }
  }
  return lines;
}

function floorLines(results: Results): string[] {
  const sync = spreadOf(results.syncMs.map(({ median }) => median));
  return [
    `a record appended and synced alone: ${inWords(sync, 3)} ms; ` +
      `2 × that + 0.15 = ${aimAloneMs(results).toFixed(3)} ms`,
  ];
}

function markLines(results: Results): string[] {
  return judge(results).map(
    ({ words, mark, aim, value, verdict }) =>
      `mark: ${words}: ${mark}, aim ${aim}: ${value === '' ? '' : `${value}: `}${verdict}`,
  );
}

function inWords({ min, median, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}
