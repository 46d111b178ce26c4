/**
 * Cycles among transactions: each is a proof that no order of them explains what was seen.
 *
 * By Adya's kinds: G0 has only ww edges; G1c ww and wr; G-single exactly one rw; G-nonadjacent
 * several rw, never two in a row; G2-item the rest. A cycle that needs the order in one process
 * has `-process` after its name, one that needs the order of time `-realtime`. Of each component
 * the hardest kind is told, and the shortest cycle if that is another one.
 */
import type { Anomaly } from './anomaly.ts';
import type { Operation } from './history.ts';
import { quoted } from './models.ts';
import { toldOperation } from './told.ts';
import {
  components,
  type Edge,
  EVERY_EDGE,
  type Graph,
  PROCESS,
  REALTIME,
  RW,
  WR,
  WW,
} from './transaction-graph.ts';

/** Components whose cycles are told; one fault can make thousands. */
const COMPONENTS_MAX = 16;
/** Edges looked at for one kind in one component. */
const EFFORT_MAX = 300_000;

interface Search {
  readonly types: number;
  /** Every cycle of the kind has an edge of one of these. */
  readonly starts: number;
  /** How many rw edges may be on the way back. */
  readonly mayRw: 'none' | 'apart' | 'any';
}

const PLAIN: readonly Search[] = [
  { types: WW, starts: WW, mayRw: 'none' },
  { types: WW | WR, starts: WR, mayRw: 'none' },
  { types: WW | WR | RW, starts: RW, mayRw: 'none' },
  { types: WW | WR | RW, starts: RW, mayRw: 'apart' },
  { types: WW | WR | RW, starts: RW, mayRw: 'any' },
];
const WITH_ORDER: readonly Search[] = [PROCESS, PROCESS | REALTIME].flatMap((order) =>
  PLAIN.map(({ types, starts, mayRw }) => ({ types: types | order, starts, mayRw })),
);
const SEARCHES: readonly Search[] = [...PLAIN, ...WITH_ORDER];

/** One or two cycles of each component, and how many more components there are. */
export function cyclicAnomalies(
  graph: Graph,
  operations: readonly Operation[],
): { readonly anomalies: Anomaly[]; readonly more: number } {
  const all = components(graph, EVERY_EDGE);
  const anomalies = all
    .slice(0, COMPONENTS_MAX)
    .flatMap((members) => cyclesOf(graph, members, operations))
    .map((cycle) => anomalyOf(cycle, operations));
  return { anomalies, more: Math.max(0, all.length - COMPONENTS_MAX) };
}

/** The hardest kind there is, and the shortest cycle if that is another one. */
function cyclesOf(
  graph: Graph,
  members: readonly number[],
  operations: readonly Operation[],
): Edge[][] {
  const inside = new Set(members);
  const found = SEARCHES.map((search) => shortest(graph, inside, members, search)).filter(
    (cycle) => cycle !== null,
  );
  const [hardest] = found;
  if (hardest === undefined) return [];
  const least = [...found, ...found.map((cycle) => shortcut(cycle, operations))].reduce(
    (best, each) => (each.length < best.length ? each : best),
  );
  if (least.length === hardest.length) return [hardest];
  return kindOf(least) === kindOf(hardest) ? [least] : [hardest, least];
}

/** The graph leaves out what follows from other edges of time; to a reader it is shorter. */
function shortcut(cycle: readonly Edge[], operations: readonly Operation[]): Edge[] {
  const size = cycle.length;
  for (let skip = size - 1; skip >= 2; skip -= 1) {
    for (let at = 0; at < size; at += 1) {
      const from = cycle[at]?.from as number;
      const to = cycle[(at + skip) % size]?.from as number;
      const { return: end, outcome } = operations[from] as Operation;
      if (outcome !== 'ok' || end === null || end >= (operations[to] as Operation).call) continue;
      const kept = Array.from({ length: size - skip }, (_, i) => cycle[(at + skip + i) % size]);
      return [{ from, to, type: REALTIME }, ...(kept as Edge[])];
    }
  }
  return [...cycle];
}

/** The shortest cycle of the kind; null when none is in reach. */
function shortest(
  graph: Graph,
  inside: ReadonlySet<number>,
  members: readonly number[],
  search: Search,
): Edge[] | null {
  let best: Edge[] | null = null;
  const effort = { left: EFFORT_MAX };
  for (const member of members) {
    for (const edge of graph[member] ?? []) {
      if ((edge.type & search.starts) === 0 || !inside.has(edge.to)) continue;
      const back = wayBack(graph, inside, edge, search, effort);
      if (back === null) continue;
      const cycle = simple([edge, ...back]);
      if (best === null || cycle.length < best.length) best = cycle;
      if (best.length === 2) return best;
    }
    if (effort.left <= 0) break;
  }
  return best;
}

interface Reached {
  readonly node: number;
  /** Whether the last edge was a rw edge. */
  readonly wasRw: boolean;
  readonly by: Edge;
  readonly before: Reached | null;
}

/** Breadth first from where the edge leads to where it came from. */
function wayBack(
  graph: Graph,
  inside: ReadonlySet<number>,
  first: Edge,
  { types, mayRw }: Search,
  effort: { left: number },
): Edge[] | null {
  const apart = mayRw === 'apart';
  const met = new Set<number>();
  let front: Reached[] = [{ node: first.to, wasRw: first.type === RW, by: first, before: null }];
  while (front.length > 0 && effort.left > 0) {
    const next: Reached[] = [];
    for (const at of front) {
      for (const edge of graph[at.node] ?? []) {
        effort.left -= 1;
        if ((edge.type & types) === 0 || !inside.has(edge.to)) continue;
        const isRw = edge.type === RW;
        if (isRw && (mayRw === 'none' || (apart && at.wasRw))) continue;
        if (edge.to === first.from && !(apart && isRw)) return wayOf(at, edge);
        const situation = edge.to * 2 + (apart && isRw ? 1 : 0);
        if (met.has(situation)) continue;
        met.add(situation);
        next.push({ node: edge.to, wasRw: isRw, by: edge, before: at });
      }
    }
    front = next;
  }
  return null;
}

function wayOf(last: Reached, edge: Edge): Edge[] {
  const way = [edge];
  for (let at: Reached = last; at.before !== null; at = at.before) way.unshift(at.by);
  return way;
}

/** A round trip that passes a node twice has a shorter one in it. */
function simple(cycle: readonly Edge[]): Edge[] {
  const seenAt = new Map<number, number>();
  for (const [at, { from }] of cycle.entries()) {
    const before = seenAt.get(from);
    if (before !== undefined) return simple(cycle.slice(before, at));
    seenAt.set(from, at);
  }
  return [...cycle];
}

function baseOf(cycle: readonly Edge[]): string {
  const rw = cycle.filter(({ type }) => type === RW).length;
  if (rw === 0) return cycle.some(({ type }) => type === WR) ? 'G1c' : 'G0';
  if (rw === 1) return 'G-single';
  const adjacent = cycle.some(
    ({ type }, at) => type === RW && cycle[(at + 1) % cycle.length]?.type === RW,
  );
  return adjacent ? 'G2-item' : 'G-nonadjacent';
}

export function kindOf(cycle: readonly Edge[]): string {
  if (cycle.some(({ type }) => type === REALTIME)) return `${baseOf(cycle)}-realtime`;
  if (cycle.some(({ type }) => type === PROCESS)) return `${baseOf(cycle)}-process`;
  return baseOf(cycle);
}

function anomalyOf(cycle: readonly Edge[], history: readonly Operation[]): Anomaly {
  const operations = cycle.map(({ from }) => from);
  const keys = new Set(cycle.flatMap(({ key }) => key ?? []));
  const [key] = keys;
  const names = operations.map((operation) => `T${operation}`);
  const lines = [
    `no order fits ${names.join(', ')}:`,
    ...operations.map((place) => `  T${place} = ${toldOperation(history[place] as Operation)}`),
    ...cycle.map((edge, at) => `  ${at === 0 ? 'because' : 'and    '} ${reasonOf(edge)}`),
    '  so that each of them must come before itself',
  ];
  const only = keys.size === 1 ? (key ?? null) : null;
  return { kind: kindOf(cycle), key: only, operations, words: lines.join('\n') };
}

function reasonOf({ from, to, type, key, after, value }: Edge): string {
  const element = quoted(value ?? '');
  switch (type) {
    case WW:
      return `T${from} appended ${quoted(after ?? '')} to ${key} before T${to} appended ${element}`;
    case WR:
      return `T${to} read ${key} with ${element}, which T${from} had appended`;
    case RW:
      return `T${from} read ${key} without ${element}, which T${to} appended`;
    case PROCESS:
      return `T${from} came before T${to} in the same process`;
    default:
      return `T${from} had returned before T${to} was called`;
  }
}
