/**
 * Which cases a run has: one axis at a time around a base point, the cases that have marks, and
 * the cases of their own kind; or the whole cross product.
 */

/** `load`: SET or GET by redis-benchmark. `mix` and `paced`: by the own generator. */
export type CaseKind = 'load' | 'mix' | 'paced';
export type Axis = 'connections' | 'pipeline' | 'valueBytes' | 'readPercent' | 'nodes';

export interface Shape {
  readonly connections: number;
  readonly pipeline: number;
  readonly valueBytes: number;
  /** Of 100 requests. */
  readonly readPercent: number;
  readonly nodes: number;
}

export interface Case extends Shape {
  readonly name: string;
  readonly kind: CaseKind;
  /** Requests per second of an open loop; `half`: half of what the target can do in that round. */
  readonly pace: number | 'half' | null;
}

export const SPECIALS = ['local', 'snapshot', 'kill', 'switchover', 'idle'] as const;
export type Special = (typeof SPECIALS)[number];

export interface Plan {
  readonly cases: readonly Case[];
  readonly specials: readonly Special[];
}

export interface PlanOptions {
  readonly scope: 'default' | 'full' | 'quick';
  /** Words separated by semicolons: a case runs when it is called so, or its name holds one. */
  readonly only: string;
  /** The rate that all targets get in the paced cases, beside half of their own peak. */
  readonly perSecond: number;
}

export const AXES: Readonly<Record<Axis, readonly number[]>> = {
  connections: [1, 10, 50, 200, 1_000],
  pipeline: [1, 4, 16, 100],
  valueBytes: [16, 64, 1_024, 16_384, 65_536],
  readPercent: [0, 50, 95, 100],
  nodes: [1, 3, 5],
};

export const BASE: Shape = {
  connections: 50,
  pipeline: 1,
  valueBytes: 64,
  readPercent: 0,
  nodes: 3,
};

/** What all connections together may have on their way: beyond it sockets are measured. */
const IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024;
/** redis-benchmark's customary number of keys; fewer where the values are large. */
const KEYS_MAX = 100_000;
const DATA_BYTES_MAX = 64 * 1024 * 1024;

export function keysOf(valueBytes: number): number {
  return Math.min(KEYS_MAX, Math.floor(DATA_BYTES_MAX / valueBytes));
}

export function planOf(options: PlanOptions): Plan {
  const { scope, perSecond } = options;
  const every = scope === 'full' ? crossProduct() : scope === 'quick' ? marked() : oneAxisAtATime();
  const paced = scope === 'quick' ? [] : pacedCases(perSecond);
  const all = unique([...every, ...paced]);
  const words = wordsOf(options.only);
  const isWhole = (word: string): boolean => all.some(({ name }) => name.toLowerCase() === word);
  const isNamed = (name: string): boolean =>
    words.some((word) =>
      isWhole(word) ? name.toLowerCase() === word : name.toLowerCase().includes(word),
    );
  const isWanted = (name: string): boolean => words.length === 0 || isNamed(name);
  const specials = SPECIALS.filter((name) =>
    // Ten thousand connections are no part of an everyday run.
    name === 'idle' && scope !== 'full' ? isNamed(name) : isWanted(name),
  );
  return { cases: inOrder(all.filter(({ name }) => isWanted(name))), specials };
}

/** Names of cases have commas of their own, so a whole name is given as it is. */
function wordsOf(only: string): string[] {
  return only
    .toLowerCase()
    .split(';')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

function marked(): Case[] {
  return [BASE, { ...BASE, pipeline: 16 }, { ...BASE, connections: 1 }].flatMap(bothLoads);
}

function oneAxisAtATime(): Case[] {
  const cases: Case[] = marked();
  for (const axis of ['connections', 'pipeline', 'valueBytes', 'nodes'] as const)
    for (const value of AXES[axis]) cases.push(...bothLoads({ ...BASE, [axis]: value }));
  for (const readPercent of AXES.readPercent) cases.push(caseOf('mix', { ...BASE, readPercent }));
  return cases;
}

function pacedCases(perSecond: number): Case[] {
  return AXES.readPercent.flatMap((readPercent) => {
    const shape = { ...BASE, readPercent };
    const half = caseOf('paced', shape, 'half');
    // At the common rate the two pure loads say enough.
    if (readPercent !== 0 && readPercent !== 100) return [half];
    return [half, caseOf('paced', shape, perSecond)];
  });
}

function crossProduct(): Case[] {
  const cases: Case[] = [];
  for (const nodes of AXES.nodes)
    for (const valueBytes of AXES.valueBytes)
      for (const connections of AXES.connections)
        for (const pipeline of AXES.pipeline) {
          const shape = { ...BASE, nodes, valueBytes, connections, pipeline };
          if (connections * pipeline * valueBytes > IN_FLIGHT_BYTES_MAX) continue;
          cases.push(...bothLoads(shape));
          for (const readPercent of AXES.readPercent)
            cases.push(caseOf('mix', { ...shape, readPercent }));
        }
  return cases;
}

function bothLoads(shape: Shape): Case[] {
  return [caseOf('load', shape), caseOf('load', { ...shape, readPercent: 100 })];
}

export function caseOf(kind: CaseKind, shape: Shape, pace: Case['pace'] = null): Case {
  return { ...shape, kind, pace, name: nameOf(kind, shape, pace) };
}

function nameOf(kind: CaseKind, shape: Shape, pace: Case['pace']): string {
  const { connections, pipeline, valueBytes, readPercent, nodes } = shape;
  const load = readPercent === 0 ? 'SET' : readPercent === 100 ? 'GET' : `${readPercent} % GET`;
  const words = [
    kind === 'load' ? load : kind === 'mix' ? `mix ${readPercent} % GET` : `paced ${load}`,
    ` ${connections} connection${connections === 1 ? '' : 's'}`,
    pipeline === 1 ? '' : ` -P ${pipeline}`,
    valueBytes === BASE.valueBytes ? '' : `, ${bytesInWords(valueBytes)}`,
    nodes === BASE.nodes ? '' : `, ${nodes} node${nodes === 1 ? '' : 's'}`,
    pace === null ? '' : pace === 'half' ? ', half of its peak' : `, ${pace}/s`,
  ];
  return words.join('');
}

export function bytesInWords(bytes: number): string {
  return bytes >= 1_024 ? `${bytes / 1_024} KiB` : `${bytes} B`;
}

function unique(cases: readonly Case[]): Case[] {
  return [...new Map(cases.map((each) => [each.name, each])).values()];
}

/** Cases of one size and number of nodes follow each other: they share targets and data. */
function inOrder(cases: readonly Case[]): Case[] {
  const isBase = ({ nodes }: Case): number => Number(nodes !== BASE.nodes);
  const isSmall = ({ valueBytes }: Case): number => Number(valueBytes !== BASE.valueBytes);
  return cases.toSorted(
    (a, b) =>
      isBase(a) - isBase(b) ||
      a.nodes - b.nodes ||
      isSmall(a) - isSmall(b) ||
      a.valueBytes - b.valueBytes,
  );
}

/** Runs of cases with the same number of nodes and size of values. */
export function groupsOf(cases: readonly Case[]): Case[][] {
  return [...Map.groupBy(cases, ({ nodes, valueBytes }) => `${nodes} ${valueBytes}`).values()];
}
