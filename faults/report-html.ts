/** The report as one page that needs nothing else. */
import type { Report } from './report.ts';
import { verdictOf } from './report.ts';
import { escapeHtml, legendHtml, timelineSvg } from './timeline.ts';

const STYLE = `
body { font: 15px/1.45 system-ui, sans-serif; color: #1d2433; }
body { margin: 2rem auto; max-width: 1160px; padding: 0 1rem; }
h1 { font-size: 1.35rem; margin: 0 0 .3rem; }
h2 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
.verdict { padding: .6rem .9rem; border-radius: 6px; font-weight: 600; overflow-wrap: anywhere; }
.clean { background: #e2f3e8; }
.found { background: #fbdcdc; }
code { background: #f0f2f6; padding: .1rem .3rem; border-radius: 3px; overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: .8rem 2.2rem; margin: 1rem 0; }
.figures b { display: block; font-size: 1.3rem; color: #1d2433; }
.figures span, .legend { color: #5a6478; }
svg { width: 100%; height: auto; }
svg .name { font-size: 11px; fill: #1d2433; }
svg .time { font-size: 10px; fill: #5a6478; }
svg .band { font-size: 10px; fill: #fff; }
svg .mark { stroke: #e3e7ee; }
.legend { font-size: .85rem; line-height: 1.8; }
.swatch { margin-right: 1rem; white-space: nowrap; }
.swatch i { display: inline-block; width: .8em; height: .8em; margin-right: .35em; }
table { border-collapse: collapse; margin-bottom: 1rem; }
td, th { padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid #e3e7ee; text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
li { overflow-wrap: anywhere; white-space: pre-wrap; }
`;

export function htmlPage(report: Report): string {
  const { cell, seconds, seed, nodes, server, command, findings, checked, kept } = report;
  const isClean = findings.length === 0;
  const title = `Faults: ${cell}, ${seconds} s, seed ${seed}`;
  const found = findings.map(({ what, words }) => `<li><b>${what}</b> ${escapeHtml(words)}</li>`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1>
<p>${nodes} nodes, ${escapeHtml(server)}. Again: <code>${escapeHtml(command)}</code></p>
<p class="verdict ${isClean ? 'clean' : 'found'}">${escapeHtml(verdictOf(report))}</p>
${isClean ? '' : `<h2>Found</h2><ul>${found.join('\n')}</ul>`}
${kept === null ? '' : `<p>Logs, history and data: <code>${escapeHtml(kept)}</code></p>`}
${keyFigures(report)}
<h2>Timeline</h2>
${timelineSvg(report)}
<p class="legend">${legendHtml(report.bands)}<br>Point at anything for its exact times.</p>
<h2>Faults</h2>
${faultTable(report)}
<h2>Requests</h2>
${requestTable(report)}
<h2>Checked</h2>
<ul>${checked.map((line) => `<li>${escapeHtml(line)}</li>`).join('\n')}</ul>
</body></html>
`;
}

function keyFigures({ figures, healMs, reigns, keys }: Report): string {
  const { outcomes, latencyMs, longestGap } = figures;
  const items: readonly (readonly [figure: string, words: string])[] = [
    [String(figures.operations), 'operations'],
    [String(outcomes.ok), 'ok'],
    [String(outcomes.fail), 'failed for certain'],
    [String(outcomes.unknown), 'unknown'],
    [`${ms(longestGap.to - longestGap.from)}`, 'longest time without a write'],
    [`${ms(healMs)}`, 'until all served after the last fault'],
    [`${latencyMs.p50} / ${latencyMs.p99} ms`, 'latency p50 / p99'],
    [String(reigns.length), 'reigns seen'],
    [String(keys), 'keys compared on every server'],
  ];
  const shown = items.map(([figure, words]) => `<span><b>${figure}</b>${words}</span>`);
  return `<div class="figures">${shown.join('\n')}</div>`;
}

function faultTable({ figures }: Report): string {
  if (figures.faults.length === 0) return '<p>None.</p>';
  return table(
    ['fault', '#times', '#next write after, median', '#worst'],
    figures.faults.map(({ words, count, gapMsMedian, gapMsMax }) => [
      ...[words, String(count), ms(gapMsMedian), ms(gapMsMax)],
    ]),
  );
}

function requestTable({ figures }: Report): string {
  const rows = Object.entries(figures.byWorkload).map(([name, { ok, fail, unknown }]) => [
    ...[name, String(ok), String(fail), String(unknown)],
  ]);
  const reasons = figures.reasons.map(([why, count]) => [why, String(count)]);
  return (
    table(['what', '#ok', '#failed', '#unknown'], rows) +
    (reasons.length === 0 ? '' : table(['why not ok', '#times'], reasons))
  );
}

/** A column whose name begins with # holds numbers. */
function table(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const kind = names.map((name) => (name.startsWith('#') ? ' class="number"' : ''));
  const head = names.map((name, i) => `<th${kind[i]}>${name.replace('#', '')}</th>`).join('');
  const body = rows.map(
    (row) => `<tr>${row.map((cell, i) => `<td${kind[i]}>${escapeHtml(cell)}</td>`).join('')}</tr>`,
  );
  return `<table><tr>${head}</tr>${body.join('\n')}</table>`;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
