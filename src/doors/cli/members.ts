/** `althing members`, `remove`, `scale` and `reads`: who belongs to it, and what is wanted. */
import type { Command } from 'commander';
import { isReadsMode, READS_MODES } from '../../core/reads-mode.ts';
import type { AssemblyView } from '../view.ts';
import {
  type AgentClient,
  addConnectionOptions,
  type ConnectionOptions,
  clientFor,
} from './client.ts';
import { EXIT } from './exit-codes.ts';
import { failed } from './status.ts';
import { type Cell, table } from './table.ts';
import { printable, processTerminal, type Terminal } from './terminal.ts';

export interface MembersOptions extends ConnectionOptions {
  readonly json?: boolean;
}

export interface ScaleOptions extends ConnectionOptions {
  /** As they were typed. */
  readonly replicas?: string;
  readonly shards?: string;
}

const COLUMNS = [
  { title: 'NODE' },
  { title: 'ROLE' },
  { title: 'CONTROL' },
  { title: 'ZONE' },
  { title: 'PEERS AT' },
  { title: 'SERVER' },
  { title: 'ID' },
  { title: 'LEAVES' },
] as const;
/** Of the history, for a screen; `--json` has all that is kept. */
const DECISIONS_SHOWN = 10;

export function addMembersCommands(program: Command, finish: (code: number) => void): void {
  addConnectionOptions(
    program
      .command('members')
      .description('every node, and what was decided about them and why')
      .option('--json', 'the same as JSON'),
  ).action(async (options: MembersOptions) => finish(await membersCommand(options)));
  addConnectionOptions(
    program
      .command('remove')
      .argument('<NODE>', 'its name, or its id where two have one name')
      .description('take a node out of the deployment for good'),
  ).action(async (node: string, options: ConnectionOptions) =>
    finish(await removeCommand(node, options)),
  );
  addConnectionOptions(
    program
      .command('scale')
      .option('--replicas <N>', "copies of the data, or of each shard, beside the leader's")
      .option('--shards <N>', 'pieces of the data, where there are two or more')
      .description('change how many nodes hold the data'),
  ).action(async (options: ScaleOptions) => finish(await scaleCommand(options)));
  addConnectionOptions(
    program
      .command('reads')
      .argument('<MODE>', READS_MODES.join(', '))
      .description('change who answers reads that come in on a follower'),
  ).action(async (mode: string, options: ConnectionOptions) =>
    finish(await readsCommand(mode, options)),
  );
}

export async function membersCommand(
  options: MembersOptions,
  terminal: Terminal = processTerminal(),
): Promise<number> {
  return withClient(options, terminal, async (client) => {
    const answer = await client.members();
    if (answer.kind !== 'ok') return failed(answer, terminal);
    const { value } = answer;
    terminal.out(options.json ? `${JSON.stringify(value, null, 2)}\n` : membersScreen(value));
    return EXIT.done;
  });
}

export async function removeCommand(
  node: string,
  options: ConnectionOptions,
  terminal: Terminal = processTerminal(),
): Promise<number> {
  return withClient(options, terminal, async (client) => {
    const answer = await client.remove(node);
    if (answer.kind !== 'ok') return failed(answer, terminal);
    terminal.out(`${answer.value.text}\n${FOLLOW}`);
    return EXIT.done;
  });
}

export async function scaleCommand(
  options: ScaleOptions,
  terminal: Terminal = processTerminal(),
): Promise<number> {
  const { replicas, shards } = options;
  const wanted = Object.entries({ replicas, shards }).filter(([, text]) => text !== undefined);
  const [bad] = wanted.filter(([, text]) => !/^\d+$/.test(text ?? ''));
  if (bad !== undefined || wanted.length === 0) {
    const text =
      bad === undefined
        ? 'give --replicas, --shards or both'
        : `--${bad[0]} ${bad[1]} is not a number`;
    terminal.err(`${text}\n`);
    return EXIT.usage;
  }
  return withClient(options, terminal, async (client) => {
    const change = Object.fromEntries(wanted.map(([name, text]) => [name, Number(text)]));
    const answer = await client.changeSpec(change);
    if (answer.kind !== 'ok') return failed(answer, terminal);
    terminal.out(`${answer.value.text}\n${FOLLOW}`);
    return EXIT.done;
  });
}

export async function readsCommand(
  mode: string,
  options: ConnectionOptions,
  terminal: Terminal = processTerminal(),
): Promise<number> {
  if (!isReadsMode(mode)) {
    terminal.err(`${mode} is no way to read: give ${READS_MODES.join(', ')}\n`);
    return EXIT.usage;
  }
  return withClient(options, terminal, async (client) => {
    const answer = await client.changeSpec({ reads: mode });
    if (answer.kind !== 'ok') return failed(answer, terminal);
    terminal.out(`${answer.value.text}\n`);
    return EXIT.done;
  });
}

const FOLLOW = 'it is carried out step by step; look on with: althing members\n';

async function withClient(
  options: ConnectionOptions,
  terminal: Terminal,
  run: (client: AgentClient) => Promise<number>,
): Promise<number> {
  const made = clientFor(options);
  if (made.ok) return run(made.client);
  terminal.err(`${made.text}\n`);
  return EXIT.usage;
}

function membersScreen({ members, decisions }: AssemblyView): string {
  const rows = members.map((member): Cell[] => [
    { text: member.node },
    { text: member.role },
    { text: member.control },
    { text: member.zone || '-' },
    { text: member.peerAddress || 'never seen' },
    { text: member.serverVersion || '-' },
    { text: member.id },
    { text: member.leaving ?? '-' },
  ]);
  const shown = decisions.slice(-DECISIONS_SHOWN).map(({ index, atMs, text, outcome }) => {
    const at = new Date(atMs).toISOString().replace('T', ' ').slice(0, 19);
    return `${String(index).padStart(6)}  ${at}  ${printable(text)} [${outcome ?? 'under way'}]`;
  });
  return `${[...table(COLUMNS, rows), '', ...shown].join('\n')}\n`;
}
