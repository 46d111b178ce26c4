/**
 * `althing restore --from PATH`: what a server has kept, or a backup, into whatever runs at `--to`.
 * Everything is looked at first; nothing is changed before it was asked for.
 */
import { type Command, Option } from 'commander';
import { type DatabaseChoice, parseDatabaseChoice } from '../../core/dataset/databases.ts';
import { formatBytes } from '../bytes.ts';
import type { ClusterAddress } from '../cluster.ts';
import type {
  OpenRestore,
  Restore,
  RestoreOrder,
  RestoreOutcome,
  RestoreSurvey,
} from '../dataset.ts';
import {
  accessOf,
  addConsentOptions,
  addReachOptions,
  type ConsentOptions,
  type ReachOptions,
  takeAddress,
} from './cluster/options.ts';
import { EXIT } from './exit-codes.ts';
import { KeyProgress, LoadProgress } from './key-progress.ts';
import { type Cell, table } from './table.ts';
import { printable, processTerminal, type Terminal } from './terminal.ts';

export interface RestoreOptions extends ReachOptions, ConsentOptions {
  readonly from: string;
  readonly to: string;
  readonly server?: string;
  readonly replace?: boolean;
  readonly skip?: boolean;
  readonly db?: readonly string[];
}

export interface RestorePorts {
  readonly open: OpenRestore;
  readonly terminal: Terminal;
  /** Asks the person at the terminal; null where there is none. */
  readonly ask: ((question: string) => Promise<string>) | null;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

const TO_DEFAULT = '127.0.0.1:6379';

export function addRestoreCommand(
  program: Command,
  ports: () => Promise<Omit<RestorePorts, 'terminal'>>,
  finish: (code: number) => void,
): void {
  const command = program
    .command('restore')
    .description('bring what a server has kept, or a backup, into what runs')
    .requiredOption('--from <PATH>', 'an RDB, an append-only file or directory, or a backup')
    .option('--to <HOST:PORT>', 'any node of a deployment or a cluster, or a server', TO_DEFAULT)
    .addOption(
      new Option('--replace', 'keys that are there already are replaced').conflicts('skip'),
    )
    .option('--skip', 'keys that are there already stay as they are')
    .option('--db <N:M...>', 'only database N, into M; or N alone; several are several')
    .addOption(
      new Option('--server <FILE>', 'the server program that loads the files').env(
        'ALTHING_SERVER',
      ),
    );
  addConsentOptions(addReachOptions(command)).action(async (options: RestoreOptions) =>
    finish(await restoreCommand(options, { ...(await ports()), terminal: processTerminal() })),
  );
}

export async function restoreCommand(
  options: RestoreOptions,
  ports: RestorePorts,
): Promise<number> {
  const { terminal } = ports;
  const order = orderOf(options);
  if (typeof order === 'string') {
    terminal.err(`${order}\n`);
    return EXIT.usage;
  }
  let restore: Restore | null = null;
  try {
    const loading = new LoadProgress(terminal);
    restore = await ports.open(order, (path, percent) => loading.at(path, percent), ports.signal);
    return await restoreFrom(restore, order, options, ports);
  } catch (error) {
    return told(error, ports);
  } finally {
    await restore?.close();
  }
}

/** Whatever has no code is a fault of ours. */
function told(error: unknown, { terminal, signal }: RestorePorts): number {
  if (signal.aborted) {
    terminal.err(`${INTERRUPTED}\n`);
    return EXIT.failed;
  }
  const { code } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || typeof code !== 'string') throw error;
  terminal.err(`${printable(error.message)}\n`);
  if (code === 'TARGET_SILENT' || code === 'SOURCE_GONE') terminal.err(`${AGAIN}\n`);
  return code === 'TARGET_UNREACHABLE' ? EXIT.unreachable : EXIT.failed;
}

const AGAIN = 'What was put stays: the same command goes on from there.';
const INTERRUPTED = `Interrupted. ${AGAIN}`;

function orderOf(options: RestoreOptions): RestoreOrder | string {
  const { from, to, server = null, db = [], replace = false, skip = false } = options;
  const taken = takeAddress([to]);
  if (taken === null) return `--to ${to}: give HOST:PORT`;
  const databases: DatabaseChoice[] = [];
  for (const text of db) {
    const choice = parseDatabaseChoice(text);
    if (choice === null) return `--db ${text}: give a number, or two as in 3:0`;
    databases.push(choice);
  }
  const target: ClusterAddress = taken.address;
  const existing = replace ? 'replace' : skip ? 'skip' : 'compare';
  return { from, target, databases, existing, program: server, access: accessOf(options) };
}

async function restoreFrom(
  restore: Restore,
  order: RestoreOrder,
  { yes = false, dryRun = false }: ConsentOptions,
  { terminal, ask, signal }: RestorePorts,
): Promise<number> {
  const { survey } = restore;
  terminal.out(`${surveyLines(survey, order).join('\n')}\n`);
  if (survey.refusal !== null) {
    terminal.err(`Nothing was changed: ${printable(survey.refusal)}\n`);
    return EXIT.failed;
  }
  if (dryRun) return EXIT.done;
  if (!yes && ask === null) {
    terminal.err('Nothing was changed: there is nobody to ask here. To do it: --yes\n');
    return EXIT.failed;
  }
  const answer = yes || ask === null ? 'yes' : await ask('Do it? (type yes) ');
  if (answer.trim() !== 'yes') {
    terminal.err('Nothing was changed.\n');
    return EXIT.failed;
  }
  const progress = new KeyProgress(survey.keys, terminal);
  const outcome = await restore.carryOut((each) => progress.add(each), signal);
  progress.end();
  return verdict(outcome, order, terminal);
}

function surveyLines(survey: RestoreSurvey, { existing }: RestoreOrder): string[] {
  const { shards, target, moves, left, keys, loader } = survey;
  const functions = [...new Set(shards.flatMap((shard) => shard.functions))];
  const kind = target.isCluster ? `a cluster of ${target.primaries} primaries` : 'one shard';
  const words = { compare: 'are compared', replace: 'are replaced', skip: 'stay as they are' };
  return [
    ...shards.flatMap(({ path, databases, notes }) => [
      `${printable(path)}: ${countIn(databases)} keys, loaded by ${loader}`,
      ...notes.map((note) => `  note: ${printable(note)}`),
    ]),
    `to ${target.name}: ${target.product}, ${kind}; keys that are there already ${words[existing]}`,
    ...moves.map(({ from, to }) => `  database ${from}${from === to ? '' : ` into ${to}`}`),
    ...left.map((database) => `  database ${database} is left out`),
    ...(functions.length === 0 ? [] : [`  functions: ${functions.map(printable).join(', ')}`]),
    `  ${keys} keys in all`,
  ];
}

function countIn(databases: RestoreSurvey['shards'][number]['databases']): number {
  return databases.reduce((sum, [, count]) => sum + count, 0);
}

const COLUMNS = [
  { title: 'TYPE' },
  { title: 'KEYS', align: 'right' },
  { title: 'BYTES', align: 'right' },
  { title: 'LARGEST', align: 'right' },
] as const;

/** What came of it, and the exit code that says the same. */
function verdict(outcome: RestoreOutcome, { existing }: RestoreOrder, terminal: Terminal): number {
  const { types, put, there, missing, differing, named, functions, changed } = outcome;
  if (outcome.isInterrupted) {
    terminal.err(`${INTERRUPTED}\n`);
    return EXIT.failed;
  }
  const rows = types.map(({ type, keys, bytes, bytesMax }): Cell[] =>
    [type, `${keys}`, formatBytes(bytes), formatBytes(bytesMax)].map((text) => ({ text })),
  );
  terminal.out(`${table(COLUMNS, rows).join('\n')}\n`);
  terminal.out(`${put} keys put, ${there} were there already; ${outcome.compared} compared\n`);
  for (const [kind, names] of Object.entries(functions))
    if (names.length > 0)
      terminal.out(`functions ${WORDS[kind]}: ${names.map(printable).join(', ')}\n`);
  for (const { source, target } of outcome.digests)
    terminal.out(`digest ${source}${source === target ? ' on both sides' : `, there ${target}`}\n`);
  for (const { key, what } of named) terminal.err(`${what}: ${JSON.stringify(key)}\n`);
  for (const path of changed)
    terminal.err(`${path} does not hold what it held when the backup was taken\n`);
  const conflicts = existing === 'skip' ? 0 : differing + functions.differing.length;
  if (missing === 0 && conflicts === 0 && changed.length === 0) {
    terminal.out(differing === 0 ? 'OK: all is there.\n' : `OK: ${differing} keys were kept.\n`);
    return EXIT.done;
  }
  terminal.err(
    `${missing} keys are missing; ${differing} are there with another value or time` +
      (existing === 'compare' ? ' (--replace replaces them, --skip keeps them)\n' : '\n'),
  );
  return EXIT.failed;
}

const WORDS: Readonly<Record<string, string>> = {
  put: 'put',
  same: 'there already',
  differing: 'of the same name that are others, and were kept',
};
