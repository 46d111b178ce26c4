/** Which plots a run gives: throughput along each axis, latency curves, CPU per request. */
import { AXES, type Axis, BASE, bytesInWords, type Case } from '../plan.ts';
import type { Results } from '../results.ts';
import { type Spread, spreadOf } from '../spread.ts';
import type { Summary } from '../summary.ts';
import { barPlot } from './bar-plot.ts';
import { colorOf, partColorOf } from './colors.ts';
import { linePlot, type Point, type Series } from './line-plot.ts';
import { shortNumber } from './svg.ts';

const AXIS_WORDS: Readonly<Record<Axis, string>> = {
  connections: 'connections',
  pipeline: 'requests in a pipeline',
  valueBytes: 'size of a value',
  readPercent: 'reads of 100 requests',
  nodes: 'nodes',
};

/** Throughput of SET and of GET along one axis; the rest is as at the base point. */
export function throughputPlots(all: readonly Summary[], axis: Axis): string[] {
  const loads = [
    { words: 'SET', readPercent: 0 },
    { words: 'GET', readPercent: 100 },
  ];
  return loads.flatMap(({ words, readPercent }) => {
    const some = all.filter(
      (each) => each.case.kind === 'load' && isAlong(each.case, axis, { readPercent }),
    );
    return alongAxis(some, axis, {
      title: `${words} per second`,
      value: ({ perSecond }) => perSecond,
    });
  });
}

export function mixPlots(all: readonly Summary[]): string[] {
  const some = all.filter(
    (each) => each.case.kind === 'mix' && isAlong(each.case, 'readPercent', {}),
  );
  const title = 'Mixed load, requests per second';
  return alongAxis(some, 'readPercent', { title, value: ({ perSecond }) => perSecond });
}

/** The median of a lone SET and of many, over the sync that no durable write can do without. */
export function latencyPlots(all: readonly Summary[], results: Results): string[] {
  const some = all.filter(
    (each) => each.case.kind === 'load' && isAlong(each.case, 'connections', { readPercent: 0 }),
  );
  const floor = syncFloor(results);
  const facts = [
    { title: 'SET, median latency, ms', value: ({ p50Ms }: Summary) => p50Ms, floor },
    { title: 'SET, p99 latency, ms', value: ({ p99Ms }: Summary) => p99Ms, floor },
  ];
  return facts.flatMap((each) => alongAxis(some, 'connections', each));
}

/** One plot per paced case, a curve per target. */
export function curvePlots(all: readonly Summary[], results: Results): string[] {
  const paced = all.filter((each) => each.case.kind === 'paced');
  const ends = { first: 50, last: 99.99 };
  const place = (percentile: number): number => -Math.log10(1 - percentile / 100);
  const [from, to] = [place(ends.first), place(ends.last)];
  const x = (percentile: number): number => (place(percentile) - from) / (to - from);
  return [...Map.groupBy(paced, (each) => each.case.name)].map(([name, some]) => {
    const targets = some.map(({ target }) => target);
    const series = some.map((each): Series => {
      const points = each.curve.filter(([at]) => at >= ends.first && at <= ends.last);
      return {
        name: each.target,
        color: colorOf(each.target, targets),
        points: points.map(([at, ms]) => {
          const words = `p${at} ${ms.toFixed(3)} ms`;
          return { x: x(at), y: ms, low: ms, high: ms, words };
        }),
      };
    });
    return linePlot({
      title: `${name}, ms`,
      unit: 'ms',
      xTitle: 'percentile',
      xTicks: [50, 90, 99, 99.9, 99.99].map((at) => ({ x: x(at), words: `p${at}` })),
      series,
      floor: syncFloor(results),
    });
  });
}

export interface CpuPlots {
  readonly plots: readonly string[];
  /** Of all bars, for the legend. */
  readonly parts: readonly { readonly name: string; readonly color: string }[];
}

/** The cases that have marks, or whatever load there is when none of them ran. */
export function cpuPlots(all: readonly Summary[], isMarked: (name: string) => boolean): CpuPlots {
  const loads = all.filter((each) => each.case.kind !== 'paced');
  const marked = loads.filter((each) => isMarked(each.case.name));
  const some = marked.length > 0 ? marked : loads;
  const seen = [...new Set(some.flatMap(({ cpuMicros }) => Object.keys(cpuMicros)))];
  const parts = [...seen.filter((name) => name !== 'load'), 'load'];
  const color = (part: string): string => partColorOf(part, parts);
  const plots = [...Map.groupBy(some, (each) => each.case.name)].map(([name, rows]) =>
    barPlot({
      title: name,
      unit: 'µs',
      bars: rows.map(({ target, cpuMicros }) => ({
        name: target,
        parts: Object.entries(cpuMicros).map(([part, value]) => ({ name: part, value })),
      })),
      colorOf: color,
    }),
  );
  return { plots, parts: parts.map((name) => ({ name, color: color(name) })) };
}

/** On the axis: everything else is as at the base point, but for what `other` says. */
function isAlong(each: Case, axis: Axis, other: Partial<Case>): boolean {
  const wanted = { ...BASE, ...other };
  const axes = Object.keys(AXES) as Axis[];
  return axes.every((name) => name === axis || each[name] === wanted[name]);
}

interface AxisPlot {
  readonly title: string;
  readonly value: (summary: Summary) => Spread;
  readonly floor?: { readonly y: number; readonly words: string } | null;
}

/** Nothing when fewer than two places of the axis were measured: one point is no line. */
function alongAxis(some: readonly Summary[], axis: Axis, plot: AxisPlot): string[] {
  const places = AXES[axis].filter((value) => some.some((each) => each.case[axis] === value));
  if (places.length < 2) return [];
  const x = (value: number): number => (places.indexOf(value) + 0.5) / places.length;
  const words = axis === 'valueBytes' ? bytesInWords : String;
  const targets = [...new Set(some.map(({ target }) => target))];
  const series = targets.map((target): Series => {
    const own = some.filter((each) => each.target === target);
    const points = own.map((each): Point => {
      const { min, median, max } = plot.value(each);
      const said = `${words(each.case[axis])} ${AXIS_WORDS[axis]}: ${shortNumber(median)}`;
      const range = `${shortNumber(min)} to ${shortNumber(max)}`;
      const at = x(each.case[axis]);
      return { x: at, y: median, low: min, high: max, words: `${said} (${range})` };
    });
    return {
      name: target,
      color: colorOf(target, targets),
      points: points.toSorted((a, b) => a.x - b.x),
    };
  });
  const svg = linePlot({
    title: plot.title,
    unit: '',
    xTitle: AXIS_WORDS[axis],
    xTicks: places.map((value) => ({ x: x(value), words: words(value) })),
    series,
    floor: plot.floor ?? null,
  });
  return [svg];
}

function syncFloor(results: Results): { y: number; words: string } {
  const { median } = spreadOf(results.syncMs.map((each) => each.median));
  return { y: median, words: `one sync of the disk: ${median.toFixed(2)} ms` };
}
