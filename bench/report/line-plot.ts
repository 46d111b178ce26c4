/** Lines over marked places, with the spread of the rounds as bars; the other axis is log scale. */
import { element, logTicks, shortNumber, text } from './svg.ts';

export interface Point {
  /** From 0 at the left to 1 at the right. */
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
  readonly words: string;
}

export interface Series {
  readonly name: string;
  readonly color: string;
  readonly points: readonly Point[];
}

export interface LinePlot {
  readonly title: string;
  readonly unit: string;
  readonly xTitle: string;
  readonly xTicks: readonly { readonly x: number; readonly words: string }[];
  readonly series: readonly Series[];
  /** A level to compare with, drawn across. */
  readonly floor: { readonly y: number; readonly words: string } | null;
}

const WIDTH = 520;
const HEIGHT = 300;
const FRAME = { left: 62, right: 26, top: 30, bottom: 44 };
const INNER_WIDTH = WIDTH - FRAME.left - FRAME.right;
const INNER_HEIGHT = HEIGHT - FRAME.top - FRAME.bottom;
/** Air above and below what is drawn. */
const ROOM = 1.15;
/** A line that is all at one height still needs a scale. */
const RANGE_MIN = 2;

export function linePlot(plot: LinePlot): string {
  const values = plot.series.flatMap(({ points }) =>
    points.flatMap(({ low, high }) => [low, high]),
  );
  const all = [...values, ...(plot.floor === null ? [] : [plot.floor.y])].filter((y) => y > 0);
  const low = Math.min(...all) / ROOM;
  const high = Math.max(Math.max(...all) * ROOM, low * RANGE_MIN);
  const x = (at: number): number => FRAME.left + at * INNER_WIDTH;
  const y = (value: number): number =>
    FRAME.top + INNER_HEIGHT * (1 - Math.log(Math.max(value, low) / low) / Math.log(high / low));
  const scales = { x, y };
  return element(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': plot.title },
    text({ x: FRAME.left, y: 16, class: 'title' }, plot.title),
    ...yAxis(plot, logTicks(low, high), scales),
    ...xAxis(plot, scales),
    ...floorLine(plot, scales),
    ...plot.series.map((series) => drawn(series, scales)),
  );
}

interface Scales {
  readonly x: (at: number) => number;
  readonly y: (value: number) => number;
}

function yAxis({ unit }: LinePlot, ticks: readonly number[], { y }: Scales): string[] {
  const [left, right] = [FRAME.left, FRAME.left + INNER_WIDTH];
  const lines = ticks.map((tick) =>
    element(
      'g',
      {},
      ...[
        element('line', { x1: left, x2: right, y1: y(tick), y2: y(tick), class: 'grid' }),
        text({ x: left - 6, y: y(tick) + 4, class: 'tick end' }, shortNumber(tick)),
      ],
    ),
  );
  return [...lines, text({ x: left - 6, y: 16, class: 'tick end' }, unit)];
}

function xAxis({ xTicks, xTitle }: LinePlot, { x }: Scales): string[] {
  const bottom = FRAME.top + INNER_HEIGHT;
  return [
    element('line', {
      x1: FRAME.left,
      x2: FRAME.left + INNER_WIDTH,
      y1: bottom,
      y2: bottom,
      class: 'axis',
    }),
    ...xTicks.map((tick) =>
      text({ x: x(tick.x), y: bottom + 16, class: 'tick middle' }, tick.words),
    ),
    text({ x: x(0.5), y: HEIGHT - 8, class: 'tick middle' }, xTitle),
  ];
}

function floorLine({ floor }: LinePlot, { y }: Scales): string[] {
  if (floor === null || !(floor.y > 0)) return [];
  const [left, right] = [FRAME.left, FRAME.left + INNER_WIDTH];
  return [
    element('line', { x1: left, x2: right, y1: y(floor.y), y2: y(floor.y), class: 'floor' }),
    text({ x: right, y: y(floor.y) - 4, class: 'tick end' }, floor.words),
  ];
}

function drawn({ name, color, points }: Series, { x, y }: Scales): string {
  const path = points.map(
    (point, i) => `${i === 0 ? 'M' : 'L'}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`,
  );
  const dots = points.map((point) => {
    const at = x(point.x);
    const bar = { x1: at, x2: at, y1: y(point.low), y2: y(point.high), class: 'spread' };
    const said = element('title', {}, `${name}: ${point.words}`.replaceAll('<', '&lt;'));
    return [
      point.low === point.high ? '' : element('line', { ...bar, stroke: color }),
      element('circle', { cx: at, cy: y(point.y), r: 3.5, fill: color }, said),
    ].join('');
  });
  return element(
    'g',
    {},
    element('path', { d: path.join(''), stroke: color, class: 'line' }),
    ...dots,
  );
}
