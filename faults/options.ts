/** The words after `npm run faults --`. */

import { parseArgs } from 'node:util';
import type { ReadsMode } from '../src/core/reads-mode.ts';
import { CELLS } from './cells.ts';

export interface FaultsOptions {
  readonly cell: string;
  readonly seconds: number;
  readonly seed: number;
  readonly nodes: number;
  /** Threads of each agent that serve clients; null: its own default. */
  readonly relayThreads: number | null;
  /** Who answers reads on followers; what is checked is linearizability, so not `local`. */
  readonly reads: ReadsMode | null;
  readonly json: string | null;
  readonly html: string | null;
  readonly server: string | null;
  /** Logs, history and data stay also when nothing was found. */
  readonly keep: boolean;
}

export const USAGE = [
  'npm run faults -- --cell CELL --seconds N [--seed S] [--nodes 3] [--json FILE] [--html FILE]',
  '                  [--server PATH] [--relay-threads N] [--reads MODE] [--keep]',
  '--cell list: what there is.',
  'Exits with 0 when clean, 1 when something was found, 2 when it cannot be run.',
].join('\n');

const SECONDS_MAX = 24 * 60 * 60;
const SEED_MAX = 2 ** 31;
/** Each is a host with an agent and a server on this machine. */
const NODES_MAX = 7;
const THREADS_MAX = 64;

/** Options, `list`, or what is wrong with the words. */
export function readOptions(
  args: readonly string[],
  freshSeed: number,
): FaultsOptions | 'list' | { readonly wrong: string } {
  const text = { type: 'string' } as const;
  const options = {
    ...{ cell: text, seconds: text, seed: text, nodes: text },
    ...{ json: text, html: text, server: text, 'relay-threads': text, reads: text },
    keep: { type: 'boolean' } as const,
  };
  try {
    const { values } = parseArgs({ args: [...args], options });
    const { cell } = values;
    if (cell === 'list') return 'list';
    if (cell === undefined) return { wrong: 'which cell? --cell list names them' };
    if (!Object.hasOwn(CELLS, cell))
      return { wrong: `no cell ${cell}: ${Object.keys(CELLS).join(', ')}` };
    return {
      cell,
      seconds: whole('seconds', values.seconds, 1, SECONDS_MAX),
      seed: whole('seed', values.seed ?? String(freshSeed % SEED_MAX), 0, SEED_MAX),
      nodes: whole('nodes', values.nodes ?? '3', 3, NODES_MAX),
      relayThreads: threadsIn(values['relay-threads']),
      reads: readsIn(values.reads),
      json: values.json ?? null,
      html: values.html ?? null,
      server: values.server ?? null,
      keep: values.keep ?? false,
    };
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}

function threadsIn(given: string | undefined): number | null {
  return given === undefined ? null : whole('relay-threads', given, 0, THREADS_MAX);
}

function readsIn(given: string | undefined): ReadsMode | null {
  if (given === undefined || given === 'leader' || given === 'linearizable') return given ?? null;
  throw new Error(`--reads ${given}: give leader or linearizable`);
}

function whole(name: string, given: string | undefined, least: number, most: number): number {
  const number = /^\d{1,12}$/.test(given ?? '') ? Number(given) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new Error(`--${name} ${given ?? ''}: give a whole number from ${least} to ${most}`);
}
