/** The run from left to right: requests per second, gaps, leaders, and what was done to whom. */
import type { Second } from './figures.ts';
import type { Band } from './nemesis.ts';
import type { FaultKind } from './plan.ts';
import type { Report } from './report.ts';

const WIDTH = 1_120;
const LEFT = 70;
const BARS_TOP = 22;
const BARS_HEIGHT = 150;
const LANE = 13;
const REIGN_HEIGHT = 7;
const NODE_GAP = 14;
/** A strike that lasts a moment must still be seen. */
const BAND_WIDTH_MIN = 3;
const LABEL_WIDTH_MIN = 60;

export const COLORS: Readonly<Record<FaultKind, string>> = {
  kill: '#d1495b',
  pause: '#edae49',
  partition: '#5b5f97',
  island: '#8f2d56',
  clock: '#00798c',
  'disk-slow': '#a4683d',
  'disk-full': '#6b4226',
  'disk-failing': '#3d2b1f',
  'disk-unsynced': '#c08457',
  'restart-storm': '#e07a9b',
  'member-wipe': '#2b2d42',
  'member-remove': '#7a5195',
  scale: '#6a994e',
};
const OUTCOMES = { ok: '#4c9f70', fail: '#b8bcc4', unknown: '#e8871e' } as const;
const LEADER = '#3066be';
const GAP = '#fbdcdc';

export function timelineSvg(report: Report): string {
  const { perSecond, reigns, bands, nodes, figures } = report;
  const endMs = Math.max(1, perSecond.length) * 1_000;
  const x = (ms: number): number => LEFT + (Math.min(ms, endMs) / endMs) * (WIDTH - LEFT - 10);
  const parts: string[] = [];
  let top = BARS_TOP + BARS_HEIGHT + 18;
  for (let node = 0; node < nodes; node++) {
    const own = lanesOf(
      bands.filter((band) => band.nodes.includes(node)),
      x,
    );
    parts.push(text(8, top + REIGN_HEIGHT + 4, `node${node + 1}`, 'name'));
    parts.push(rect(LEFT, top, x(endMs) - LEFT, REIGN_HEIGHT, '#eef1f6', ''));
    for (const reign of reigns.filter((each) => each.node === node)) {
      const tip = `node${node + 1} leads in term ${reign.term}, ${span(reign.from, reign.to)}`;
      parts.push(rect(x(reign.from), top, width(x, reign), REIGN_HEIGHT, LEADER, tip));
    }
    for (const { band, lane } of own)
      parts.push(bandOf(band, x, top + REIGN_HEIGHT + 3 + lane * LANE));
    const lanes = Math.max(1, ...own.map(({ lane }) => lane + 1));
    top += REIGN_HEIGHT + 3 + lanes * LANE + NODE_GAP;
  }
  const gaps = figures.gaps.map(({ from, to }) =>
    rect(
      x(from),
      BARS_TOP,
      x(to) - x(from),
      top - BARS_TOP,
      GAP,
      `no write acknowledged, ${span(from, to)}`,
    ),
  );
  return [
    `<svg viewBox="0 0 ${WIDTH} ${top + 4}" role="img" aria-label="timeline of the run">`,
    ...gaps,
    ...axis(endMs, x, top),
    ...bars(perSecond, x),
    ...parts,
    '</svg>',
  ].join('\n');
}

export function legendHtml(bands: readonly Band[]): string {
  const kinds = [...new Set(bands.map(({ kind }) => kind))];
  const swatch = (color: string, words: string): string =>
    `<span class="swatch"><i style="background:${color}"></i>${escapeHtml(words)}</span>`;
  return [
    swatch(OUTCOMES.ok, 'ok'),
    swatch(OUTCOMES.fail, 'failed for certain'),
    swatch(OUTCOMES.unknown, 'unknown'),
    swatch(LEADER, 'leads, open to clients'),
    swatch(GAP, 'no write acknowledged for over a second'),
    ...kinds.map((kind) => swatch(COLORS[kind], kind)),
  ].join(' ');
}

export function escapeHtml(words: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return words.replace(/[&<>"]/g, (character) => entities[character] ?? character);
}

type Scale = (ms: number) => number;

function bars(seconds: readonly Second[], x: Scale): string[] {
  const most = Math.max(1, ...seconds.map(({ ok, fail, unknown }) => ok + fail + unknown));
  const height = (count: number): number => (count / most) * BARS_HEIGHT;
  const drawn = seconds.flatMap((second, i) => {
    let bottom = BARS_TOP + BARS_HEIGHT;
    const tip = `second ${i}: ${second.ok} ok, ${second.fail} failed, ${second.unknown} unknown`;
    return (['ok', 'unknown', 'fail'] as const).map((outcome) => {
      bottom -= height(second[outcome]);
      const wide = Math.max(0.5, x((i + 1) * 1_000) - x(i * 1_000) - 0.6);
      return rect(x(i * 1_000), bottom, wide, height(second[outcome]), OUTCOMES[outcome], tip);
    });
  });
  return [
    ...drawn,
    text(8, BARS_TOP + 8, `${most}/s`, 'name'),
    text(8, BARS_TOP + BARS_HEIGHT, 'requests', 'name'),
  ];
}

function axis(endMs: number, x: Scale, bottom: number): string[] {
  const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600];
  const step = (steps.find((each) => endMs / 1_000 / each <= 20) ?? 7_200) * 1_000;
  const marks: string[] = [];
  for (let ms = 0; ms <= endMs; ms += step) {
    marks.push(`<path d="M${n(x(ms))} ${BARS_TOP - 4}V${n(bottom)}" class="mark"/>`);
    if (x(ms) < WIDTH - 30) marks.push(text(x(ms) + 2, 12, `${ms / 1_000} s`, 'time'));
  }
  return marks;
}

function bandOf(band: Band, x: Scale, y: number): string {
  const wide = width(x, band);
  const tip = `${band.words}${band.hitLeader ? ', leader' : ''}, ${span(band.from, band.to)}`;
  const drawn = rect(x(band.from), y, wide, LANE - 2, COLORS[band.kind], tip);
  if (wide < LABEL_WIDTH_MIN) return drawn;
  const room = Math.floor(wide / 6);
  return drawn + text(x(band.from) + 3, y + LANE - 4, band.words.slice(0, room), 'band');
}

/** Those that overlap go below one another. */
function lanesOf(bands: readonly Band[], x: Scale): { band: Band; lane: number }[] {
  const ends: number[] = [];
  return bands
    .toSorted((a, b) => a.from - b.from)
    .map((band) => {
      const free = ends.findIndex((end) => end <= x(band.from));
      const lane = free < 0 ? ends.length : free;
      ends[lane] = x(band.from) + width(x, band) + 1;
      return { band, lane };
    });
}

function width(x: Scale, { from, to }: { from: number; to: number }): number {
  return Math.max(BAND_WIDTH_MIN, x(to) - x(from));
}

function span(from: number, to: number): string {
  return `${(from / 1_000).toFixed(1)} to ${(to / 1_000).toFixed(1)} s`;
}

function rect(x: number, y: number, w: number, h: number, color: string, tip: string): string {
  if (w <= 0 || h <= 0) return '';
  const title = tip === '' ? '' : `<title>${escapeHtml(tip)}</title>`;
  const place = `x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}"`;
  return `<rect ${place} fill="${color}">${title}</rect>`;
}

function text(x: number, y: number, words: string, kind: string): string {
  return `<text x="${n(x)}" y="${n(y)}" class="${kind}">${escapeHtml(words)}</text>`;
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}
