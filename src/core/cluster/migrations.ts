/**
 * Whole slots that servers move by themselves (*atomic slot migration*): a snapshot and then the
 * stream of what changes, until the target owns all of them at one moment. Valkey 9.0 and Redis 8.4
 * have it, each in its own words; both tell of every migration, so that nothing is remembered here.
 */
import type { ClusterNodeId } from './nodes-text.ts';
import { parseRange, type Slot, type SlotRange } from './slots.ts';

/** As whole slots where both servers can, by nothing else, or key by key. */
export type MoveWay = 'either' | 'whole' | 'keys';

export interface Migration {
  readonly id: string;
  /** Empty when that node does not tell. */
  readonly source: ClusterNodeId;
  readonly target: ClusterNodeId;
  readonly slots: readonly SlotRange[];
  readonly outcome: 'running' | 'done' | 'failed' | 'cancelled';
  /** In the server's words: how far it is. */
  readonly state: string;
  /** In the server's words: what went wrong, or nothing. */
  readonly error: string;
  /** How often the server began again by itself. */
  readonly retries: number;
}

export interface Dialect {
  /** What a server has that speaks it, as `COMMAND INFO` names it. */
  readonly command: string;
  /** Who is told to move, and who tells how far it is. */
  readonly asked: 'source' | 'target';
  begin(target: ClusterNodeId, slots: readonly SlotRange[]): string[];
  readonly list: readonly string[];
  cancel(id: string): string[];
  /** A cancellation ends all that are running there. */
  readonly cancelsAll: boolean;
}

const VALKEY: Dialect = {
  command: 'cluster|migrateslots',
  asked: 'source',
  begin: (target, slots) => [
    ...['CLUSTER', 'MIGRATESLOTS', 'SLOTSRANGE', ...wordsOf(slots)],
    ...['NODE', target],
  ],
  list: ['CLUSTER', 'GETSLOTMIGRATIONS'],
  cancel: () => ['CLUSTER', 'CANCELSLOTMIGRATIONS'],
  cancelsAll: true,
};

const REDIS: Dialect = {
  command: 'cluster|migration',
  asked: 'target',
  begin: (_, slots) => ['CLUSTER', 'MIGRATION', 'IMPORT', ...wordsOf(slots)],
  list: ['CLUSTER', 'MIGRATION', 'STATUS', 'ALL'],
  cancel: (id) => ['CLUSTER', 'MIGRATION', 'CANCEL', 'ID', id],
  cancelsAll: false,
};

export const DIALECTS: readonly Dialect[] = [VALKEY, REDIS];

function wordsOf(slots: readonly SlotRange[]): string[] {
  return slots.flatMap(({ from, to }) => [String(from), String(to)]);
}

const OUTCOMES: Readonly<Record<string, Migration['outcome']>> = {
  success: 'done',
  completed: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
  canceled: 'cancelled',
};

/**
 * The reply to `list` of either dialect: one map for each migration, flat as in RESP2, the latest
 * first. What is not understood is passed over.
 */
export function parseMigrations(reply: unknown): Migration[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((entry) => {
    if (!Array.isArray(entry)) return [];
    const fields = new Map<string, string>();
    for (let at = 0; at + 1 < entry.length; at += 2)
      fields.set(String(entry[at]), String(entry[at + 1]));
    const field = (...names: string[]): string =>
      names.map((name) => fields.get(name)).find((text) => text !== undefined) ?? '';
    const id = field('name', 'id');
    const state = field('state');
    if (id === '' || state === '') return [];
    const ranges = field('slot_ranges', 'slots').split(/[\s,]+/);
    return [
      {
        ...{ id, state },
        source: field('source_node', 'source'),
        target: field('target_node', 'dest'),
        slots: ranges.map(parseRange).filter((range) => range !== null),
        outcome: OUTCOMES[state] ?? 'running',
        error: field('message', 'last_error'),
        retries: Number(field('retries')) || 0,
      } satisfies Migration,
    ];
  });
}

export function isAbout({ slots }: Migration, some: ReadonlySet<Slot>): boolean {
  return slots.some(({ from, to }) => {
    for (let slot = from; slot <= to; slot++) if (some.has(slot)) return true;
    return false;
  });
}

/** Exactly these, in whatever order. */
export function isOf({ slots }: Migration, ranges: readonly SlotRange[]): boolean {
  const text = (all: readonly SlotRange[]): string =>
    all
      .map(({ from, to }) => `${from}-${to}`)
      .sort()
      .join();
  return text(slots) === text(ranges);
}
