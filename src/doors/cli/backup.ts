/** `althing backup --to DIR` and `backup list DIR`: copies that were loaded before they count. */
import { type Command, Option } from 'commander';
import { formatBytes } from '../bytes.ts';
import type { BackupOrder, Backups } from '../dataset.ts';
import {
  accessOf,
  addReachOptions,
  type ReachOptions,
  takeAddress,
  wholeNumber,
} from './cluster/options.ts';
import { EXIT } from './exit-codes.ts';
import { type Cell, table } from './table.ts';
import { printable, processTerminal, type Terminal } from './terminal.ts';

export interface BackupOptions extends ReachOptions {
  readonly to?: string;
  readonly from: string;
  readonly keep?: string;
  readonly server?: string;
}

export interface BackupPorts {
  readonly backups: Backups;
  readonly terminal: Terminal;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

const FROM_DEFAULT = '127.0.0.1:6379';

export function addBackupCommand(
  program: Command,
  ports: () => Promise<Omit<BackupPorts, 'terminal'>>,
  finish: (code: number) => void,
): void {
  const all = async (): Promise<BackupPorts> => ({
    ...(await ports()),
    terminal: processTerminal(),
  });
  const command = program
    .command('backup')
    .description('a copy of all shards of what runs, loaded by a server before it counts')
    .option('--to <DIR>', 'where backups are')
    .option('--from <HOST:PORT>', 'any node of a cluster, or a server', FROM_DEFAULT)
    .option('--keep <N>', 'all but the newest N go, when this one counts')
    .addOption(
      new Option('--server <FILE>', 'the server program that loads it').env('ALTHING_SERVER'),
    );
  addReachOptions(command).action(async (options: BackupOptions) =>
    finish(await backupCommand(options, await all())),
  );
  command
    .command('list')
    .argument('<DIR>', 'where backups are')
    .option('--check', 'read every byte of them')
    .description('backups and what is wrong with them; exit code 1 when something is')
    .action(async (directory: string, { check = false }: { check?: boolean }) =>
      finish(await listCommand(directory, check, await all())),
    );
}

export async function backupCommand(options: BackupOptions, ports: BackupPorts): Promise<number> {
  const { terminal, backups, signal } = ports;
  const order = orderOf(options);
  if (typeof order === 'string') {
    terminal.err(`${order}\n`);
    return EXIT.usage;
  }
  try {
    const onStep = (text: string): void => terminal.out(`${printable(text)}\n`);
    const { name, shards, gone } = await backups.take(order, onStep, signal);
    for (const { file, databases, bytes, digest, offset } of shards) {
      const keys = Object.values(databases).reduce((sum, count) => sum + count, 0);
      terminal.out(
        `${file}: ${keys} keys, ${formatBytes(bytes)}, offset ${offset}, digest ${digest}\n`,
      );
    }
    for (const old of gone) terminal.out(`${old} is gone\n`);
    terminal.out(`OK: ${order.to}/${name}\n`);
    return EXIT.done;
  } catch (error) {
    return told(error, ports);
  }
}

function orderOf(options: BackupOptions): BackupOrder | string {
  const { to = '', from, keep: keepText, server = null } = options;
  if (to === '') return 'give the directory for backups: --to DIR';
  const taken = takeAddress([from]);
  if (taken === null) return `--from ${from}: give HOST:PORT`;
  const keep = keepText === undefined ? null : wholeNumber(keepText, 1);
  if (keep === null && keepText !== undefined) return `--keep ${keepText}: give 1 or more`;
  return { to, keep, from: taken.address, program: server, access: accessOf(options) };
}

const COLUMNS = [
  { title: 'NAME' },
  { title: 'SHARDS', align: 'right' },
  { title: 'KEYS', align: 'right' },
  { title: 'BYTES', align: 'right' },
  { title: 'STATE' },
] as const;

async function listCommand(
  directory: string,
  isThorough: boolean,
  ports: BackupPorts,
): Promise<number> {
  try {
    const all = await ports.backups.list(directory, isThorough);
    const rows = all.map(({ name, shards, keys, bytes, damage }): Cell[] =>
      [name, `${shards}`, `${keys}`, formatBytes(bytes), damage ?? 'ok'].map((text) => ({ text })),
    );
    ports.terminal.out(`${table(COLUMNS, rows).join('\n')}\n`);
    return all.every(({ damage }) => damage === null) ? EXIT.done : EXIT.failed;
  } catch (error) {
    return told(error, ports);
  }
}

/** Whatever has no code is a fault of ours. */
function told(error: unknown, { terminal, signal }: BackupPorts): number {
  if (signal.aborted) {
    terminal.err('Interrupted: nothing of it counts.\n');
    return EXIT.failed;
  }
  const { code } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || typeof code !== 'string') throw error;
  terminal.err(`${printable(error.message)}\n`);
  return code === 'TARGET_UNREACHABLE' ? EXIT.unreachable : EXIT.failed;
}
