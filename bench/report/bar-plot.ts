/** Lying bars made of parts, one bar per row: CPU per request by process. */
import { element, linearTicks, shortNumber, text } from './svg.ts';

export interface Bar {
  readonly name: string;
  readonly parts: readonly { readonly name: string; readonly value: number }[];
}

export interface BarPlot {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
  readonly colorOf: (part: string) => string;
}

const WIDTH = 520;
const ROW = 26;
const FRAME = { left: 92, right: 52, top: 30, bottom: 24 };
const INNER_WIDTH = WIDTH - FRAME.left - FRAME.right;

export function barPlot({ title, unit, bars, colorOf }: BarPlot): string {
  const totals = bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const high = Math.max(...totals, Number.MIN_VALUE);
  const x = (value: number): number => FRAME.left + (value / high) * INNER_WIDTH;
  const bottom = FRAME.top + bars.length * ROW;
  const ticks = linearTicks(high).map((tick) =>
    [
      element('line', { x1: x(tick), x2: x(tick), y1: FRAME.top, y2: bottom, class: 'grid' }),
      text({ x: x(tick), y: bottom + 14, class: 'tick middle' }, shortNumber(tick)),
    ].join(''),
  );
  const rows = bars.map(({ name, parts }, i) => {
    const top = FRAME.top + i * ROW + 4;
    let used = 0;
    const pieces = parts.map((part) => {
      const from = x(used);
      used += part.value;
      const box = { x: from, y: top, width: x(used) - from, height: ROW - 8 };
      const said = `${name}, ${part.name}: ${part.value.toFixed(1)} ${unit}`;
      return element('rect', { ...box, fill: colorOf(part.name) }, element('title', {}, said));
    });
    const total = shortNumber(totals[i] ?? 0);
    return [
      text({ x: FRAME.left - 6, y: top + 13, class: 'tick end' }, name),
      ...pieces,
      text({ x: x(used) + 5, y: top + 13, class: 'tick' }, total),
    ].join('');
  });
  return element(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${bottom + FRAME.bottom}`, role: 'img', 'aria-label': title },
    text({ x: FRAME.left, y: 16, class: 'title' }, `${title} (${unit})`),
    ...ticks,
    ...rows,
  );
}
