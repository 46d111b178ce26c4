/** The kinds of runs: which faults, and what else is special about one. */
import type { FaultKind } from './plan.ts';

export interface Cell {
  readonly means: string;
  readonly kinds: readonly FaultKind[];
  /** A log so small that compaction never rests. */
  readonly logLimit?: '32kb';
}

const DISKS = ['disk-slow', 'disk-full', 'disk-failing', 'disk-unsynced'] as const;

/** These need the shim between the processes and their disk and clock. */
export const SHIMMED: ReadonlySet<FaultKind> = new Set([...DISKS, 'clock']);

export const CELLS: Readonly<Record<string, Cell>> = {
  none: { means: 'no faults at all', kinds: [] },
  kill: { means: 'SIGKILL of agent, server, both, or everything', kinds: ['kill'] },
  pause: { means: 'SIGSTOP of agent, server or both, also of a majority', kinds: ['pause'] },
  partition: {
    means: 'one node, halves, 2|2|1, ring of overlapping majorities, one-way',
    kinds: ['partition'],
  },
  island: { means: 'the leader alone, asked for what it must not do', kinds: ['island'] },
  clock: { means: 'clocks of agents and servers jump and strobe', kinds: ['clock'] },
  'disk-slow': { means: 'syncs take longer, and leaders die meanwhile', kinds: ['disk-slow'] },
  'disk-full': { means: 'no space left, and some again', kinds: ['disk-full'] },
  'disk-failing': { means: 'writes and syncs fail', kinds: ['disk-failing'] },
  'disk-unsynced': {
    means: 'the power goes, with everything that was not synced',
    kinds: ['disk-unsynced'],
  },
  'restart-storm': { means: 'agents die again and again', kinds: ['restart-storm'] },
  'snapshot-storm': {
    means: 'compaction never rests, with kills, pauses and partitions',
    kinds: ['kill', 'pause', 'partition'],
    logLimit: '32kb',
  },
  member: {
    means: 'nodes are removed, lose their disk, and are more or fewer copies',
    kinds: ['member-wipe', 'member-remove', 'scale'],
  },
  'member-storm': {
    means: 'the same while nodes are killed, paused and cut off, and compaction never rests',
    kinds: [
      ...(['member-wipe', 'member-remove', 'scale', 'scale'] as const),
      ...(['kill', 'pause', 'partition', 'island'] as const),
    ],
    logLimit: '32kb',
  },
  all: {
    means: 'everything together',
    kinds: [
      ...(['kill', 'kill', 'pause', 'pause', 'partition', 'partition', 'island'] as const),
      ...(['clock', 'restart-storm', 'scale'] as const),
      ...DISKS,
    ],
    logLimit: '32kb',
  },
};
