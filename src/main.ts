/** Reads argv: `start` runs an agent, anything else is the CLI. */
import { createInterface } from 'node:readline/promises';
import { Command, CommanderError } from 'commander';
import { ownVersion } from './agent/own-version.ts';
import { addBackupCommand } from './doors/cli/backup.ts';
import { addClusterCommands } from './doors/cli/cluster/command.ts';
import { clusterSpelling } from './doors/cli/cluster/spelling.ts';
import { addMembersCommands } from './doors/cli/members.ts';
import { addRecoverCommand } from './doors/cli/recover.ts';
import { addRestoreCommand } from './doors/cli/restore.ts';
import { addSettingsCommand } from './doors/cli/settings.ts';
import { addSpecCommand } from './doors/cli/spec.ts';
import { addStartOptions } from './doors/cli/start-options.ts';
import { addStatusCommand } from './doors/cli/status.ts';
import { addSwitchoverCommand } from './doors/cli/switchover.ts';
import { addUpCommand } from './doors/cli/up/command.ts';

const USAGE = 2;
const FAILED = 1;

async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  const finish = (result: number): void => {
    code = result;
  };
  const program = new Command('althing')
    .description('many valkey or redis servers, one deployment that loses nothing it acknowledged')
    .version(ownVersion(), '-V, --version', 'the version of althing')
    .exitOverride()
    .configureHelp({ sortSubcommands: false });
  addUpCommand(program, finish);
  addStartOptions(program.command('start').description('run one node')).action(
    async (flags: Record<string, unknown>) => {
      const { startNode } = await import('./agent/start.ts');
      finish(await startNode(flags));
    },
  );
  addStatusCommand(program, finish);
  addMembersCommands(program, finish);
  addSettingsCommand(program, finish);
  addSpecCommand(program, finish);
  addSwitchoverCommand(program, finish);
  addRecoverCommand(
    program,
    async () => {
      const { openRecovery } = await import('./agent/recovery.ts');
      return { open: openRecovery, ask: process.stdin.isTTY ? askPerson : null };
    },
    finish,
  );
  addDataCommands(program, finish);
  addClusterCommands(program, {
    ports: async () => {
      const { openCluster } = await import('./agent/cluster-tools.ts');
      const ask = process.stdin.isTTY ? askPerson : null;
      return { open: openCluster, ask, signal: interrupted() };
    },
    finish,
  });
  try {
    await program.parseAsync(clusterSpelling(argv), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : USAGE;
  }
  return code;
}

function addDataCommands(program: Command, finish: (code: number) => void): void {
  addRestoreCommand(
    program,
    async () => {
      const { openRestore } = await import('./agent/restore.ts');
      const ask = process.stdin.isTTY ? askPerson : null;
      return { open: openRestore, ask, signal: interrupted() };
    },
    finish,
  );
  addBackupCommand(
    program,
    async () => {
      const { ownBackups } = await import('./agent/backup.ts');
      return { backups: ownBackups, signal: interrupted() };
    },
    finish,
  );
}

/** The first Ctrl-C ends what is under way in good order, the second one at once. */
function interrupted(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  return controller.signal;
}

async function askPerson(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`althing: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(FAILED);
  },
);
