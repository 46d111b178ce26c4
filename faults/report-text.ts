/** The report as lines for a terminal. */
import type { Report } from './report.ts';

export function textLines(report: Report): string[] {
  const { figures, findings, queue } = report;
  const { ok, fail, unknown } = figures.outcomes;
  const { p50, p99, max } = figures.latencyMs;
  const gap = figures.longestGap;
  const lines = [
    `cell ${report.cell}, ${report.seconds} s, seed ${report.seed}, ${report.nodes} nodes, ` +
      report.server,
    `operations  ${figures.operations}: ${ok} ok, ${fail} failed, ${unknown} unknown`,
  ];
  for (const [name, of] of Object.entries(figures.byWorkload))
    lines.push(`  ${name.padEnd(12)} ${of.ok} ok, ${of.fail} failed, ${of.unknown} unknown`);
  for (const [why, count] of figures.reasons) lines.push(`  not ok      ${count} × ${why}`);
  lines.push(
    `queue       ${queue.pushed} pushed, ${queue.popped} popped, ${queue.remaining} left, ` +
      `${queue.missing} of ${queue.unknownPops} untold pops`,
  );
  lines.push(`latency     p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`);
  lines.push(
    `unavailable longest ${ms(gap.to - gap.from)} at ${seconds(gap.from)}; ` +
      `all served ${ms(report.healMs)} after the last fault`,
  );
  for (const { words, count, gapMsMedian, gapMsMax } of figures.faults)
    lines.push(
      `  ${words.padEnd(28)} ${String(count).padStart(3)} times, next write after ` +
        `${ms(gapMsMedian)} (median), ${ms(gapMsMax)} (worst)`,
    );
  lines.push(`leaders     ${report.reigns.length} reigns seen`);
  lines.push(`data        ${report.keys} keys on every server compared`);
  lines.push(...report.checked.map((line) => `checked     ${line}`));
  for (const { what, words } of findings) lines.push(`FOUND ${what}: ${words}`);
  return lines;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

function seconds(value: number): string {
  return `${(value / 1_000).toFixed(1)} s`;
}
