/**
 * `althing recover DIR…`: what survivors have when a majority is gone for ever, and a new beginning
 * from one of them. Runs on the directory of a stopped node; changes nothing before it was told to.
 */
import type { Command } from 'commander';
import type { OpenRecovery, Recovery, Survivor } from '../recovery.ts';
import { EXIT } from './exit-codes.ts';
import { type Cell, table } from './table.ts';
import { printable, processTerminal, type Terminal } from './terminal.ts';

export interface RecoverOptions {
  readonly yes?: boolean;
  readonly force?: boolean;
}

export interface RecoverPorts {
  readonly open: OpenRecovery;
  readonly terminal: Terminal;
  /** Asks the person at the terminal; null where there is none. */
  readonly ask: ((question: string) => Promise<string>) | null;
}

const COLUMNS = [
  { title: 'NODE' },
  { title: 'TERM' },
  { title: 'ENTRY' },
  { title: 'STREAM' },
  { title: 'WRITTEN' },
  { title: 'DIRECTORY' },
] as const;

export function addRecoverCommand(
  program: Command,
  ports: () => Promise<Omit<RecoverPorts, 'terminal'>>,
  finish: (code: number) => void,
): void {
  program
    .command('recover')
    .argument('<DIR...>', 'data directories of stopped nodes; of several, only says what they have')
    .description('found a deployment anew from one survivor, when a majority is gone for ever')
    .option('--yes', 'do it without asking')
    .option('--force', 'although a majority of the nodes may still be there')
    .action(async (directories: string[], options: RecoverOptions) =>
      finish(
        await recoverCommand(directories, options, {
          ...(await ports()),
          terminal: processTerminal(),
        }),
      ),
    );
}

export async function recoverCommand(
  directories: readonly string[],
  options: RecoverOptions,
  ports: RecoverPorts,
): Promise<number> {
  const { terminal } = ports;
  const opened: Recovery[] = [];
  try {
    for (const directory of directories) opened.push(await ports.open(directory));
    const [only, another] = opened;
    terminal.out(survivorsScreen(opened.map(({ survivor }) => survivor)));
    if (only === undefined) return EXIT.usage;
    if (another === undefined) return await recoverFrom(only, options, ports);
    terminal.out(CHOOSE);
    return EXIT.done;
  } catch (error) {
    terminal.err(`${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT.failed;
  } finally {
    for (const recovery of opened) await recovery.close();
  }
}

const CHOOSE = `
The first has most. Recover from one of them only, and empty the directories of all others.
`;

async function recoverFrom(
  recovery: Recovery,
  { yes = false, force = false }: RecoverOptions,
  { terminal, ask }: RecoverPorts,
): Promise<number> {
  const { survivor } = recovery;
  terminal.out(consequences(survivor));
  if (mayHaveMajority(survivor) && !force) {
    terminal.err(
      'Refused: with those that answer a majority may be there: nothing has to be lost then.\n' +
        'Start this node and wait. If they are another deployment or will never be: --force\n',
    );
    return EXIT.failed;
  }
  if (!yes && ask === null) {
    terminal.err('Nothing was changed: there is nobody to ask here. To do it: --yes\n');
    return EXIT.failed;
  }
  const answer = yes || ask === null ? survivor.name : await ask(question(survivor));
  if (answer.trim() !== survivor.name) {
    terminal.err('Nothing was changed.\n');
    return EXIT.failed;
  }
  const deployment = await recovery.carryOut();
  terminal.out(
    `${survivor.name} is deployment ${deployment} now, and ${survivor.node} its only node. ` +
      'Start it as before.\nOther nodes: empty their directories, and start them as before: they ' +
      'join it.\n',
  );
  return EXIT.done;
}

function question({ name }: Survivor): string {
  return `Type the name of the deployment (${name}) to do it: `;
}

/** Most first: whoever is chosen by this loses least (Raft §5.4.1). */
function survivorsScreen(survivors: readonly Survivor[]): string {
  const sorted = survivors.toSorted(
    (a, b) => b.last.term - a.last.term || b.last.index - a.last.index,
  );
  const rows = sorted.map(({ node, last, offset, writtenAtMs, directory }): Cell[] =>
    [node, `${last.term}`, `${last.index}`, `${offset}`, timeText(writtenAtMs), directory].map(
      (text) => ({ text }),
    ),
  );
  return `${table(COLUMNS, rows).join('\n')}\n`;
}

function consequences(survivor: Survivor): string {
  const { name, deployment, last, voters, isUnfinished } = survivor;
  const others = voters.filter(({ isSelf }) => !isSelf);
  const isVoter = voters.some(({ isSelf }) => isSelf);
  const lines = [
    '',
    `${name} (${deployment}), by this directory:`,
    ...others.map(({ node, address, answers }) => {
      const where = address === '' ? 'was never seen from here' : `at ${address}`;
      return `  ${printable(node)} ${where}: ${answers ? 'something answers' : 'nothing answers'}`;
    }),
    ...(isUnfinished ? ['A recovery was begun here, and will be brought to its end.'] : []),
    ...(isVoter || isUnfinished
      ? []
      : ['It did not vote: what was acknowledged may never have reached it.']),
    '',
    'What may be lost: every write that was acknowledged after',
    `  entry ${last.index} of term ${last.term}, which is the last one here.`,
    'What may be new: writes at the end whose clients never got an answer.',
    'The other nodes must be gone for ever: a majority of them that comes back would serve what it',
    'has, as another deployment of this name. Look at every survivor before you choose one.',
    '',
  ];
  return `${lines.join('\n')}\n`;
}

/** Its own vote counts, since this node can be started. */
function mayHaveMajority({ voters, isUnfinished }: Survivor): boolean {
  const there = voters.filter(({ isSelf, answers }) => isSelf || answers).length;
  return !isUnfinished && voters.length > 0 && there > voters.length / 2;
}

function timeText(atMs: number): string {
  return new Date(atMs).toISOString().replace('T', ' ').slice(0, 19);
}
