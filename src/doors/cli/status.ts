/** `althing status`: one screen that tells what is going on, or the JSON of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import {
  type AgentClient,
  type Answer,
  addConnectionOptions,
  type ConnectionOptions,
  clientFor,
} from './client.ts';
import { EXIT } from './exit-codes.ts';
import { isHealthyStatus, statusScreen } from './status-screen.ts';
import { table } from './table.ts';
import { processTerminal, type Terminal } from './terminal.ts';

export interface StatusOptions extends ConnectionOptions {
  readonly json?: boolean;
  readonly limits?: boolean;
  readonly watch?: boolean;
}

const WATCH_EVERY_MS = 1_000;
const CLEAR_SCREEN = '\x1b[H\x1b[2J';

export function addStatusCommand(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('status')
    .description('who leads, who follows how far behind, and what is wrong')
    .option('--json', 'the same as JSON')
    .option('--watch', 'again every second, until Ctrl-C')
    .option('--limits', 'every bound of the program with its reason');
  addConnectionOptions(command).action(async (options: StatusOptions) => {
    finish(await statusCommand(options));
  });
}

export async function statusCommand(
  options: StatusOptions,
  terminal: Terminal = processTerminal(),
  signal?: AbortSignal,
): Promise<number> {
  const made = clientFor(options);
  if (!made.ok) {
    terminal.err(`${made.text}\n`);
    return EXIT.usage;
  }
  const show = () =>
    options.limits
      ? showLimits(made.client, options, terminal)
      : showStatus(made.client, options, terminal);
  if (!options.watch) return show();
  let code: number;
  do {
    if (terminal.isScreen) terminal.out(CLEAR_SCREEN);
    code = await show();
    await sleep(WATCH_EVERY_MS, undefined, signal ? { signal } : {}).catch(() => undefined);
  } while (!signal?.aborted);
  return code;
}

async function showStatus(
  client: AgentClient,
  { json }: StatusOptions,
  terminal: Terminal,
): Promise<number> {
  const answer = await client.status();
  if (answer.kind !== 'ok') return failed(answer, terminal);
  const status = answer.value;
  terminal.out(json ? `${JSON.stringify(status, null, 2)}\n` : statusScreen(status, terminal));
  return isHealthyStatus(status) ? EXIT.done : EXIT.failed;
}

async function showLimits(
  client: AgentClient,
  { json }: StatusOptions,
  terminal: Terminal,
): Promise<number> {
  const answer = await client.limits();
  if (answer.kind !== 'ok') return failed(answer, terminal);
  const rows = answer.value.map(({ name, value, why }) => [
    { text: name },
    { text: String(value) },
    { text: why },
  ]);
  const columns = [
    { title: 'LIMIT' },
    { title: 'VALUE', align: 'right' },
    { title: 'WHY' },
  ] as const;
  terminal.out(
    json ? `${JSON.stringify(answer.value, null, 2)}\n` : `${table(columns, rows).join('\n')}\n`,
  );
  return EXIT.done;
}

/** Says why there is no answer; returns the exit code for it. */
export function failed(answer: Exclude<Answer<never>, { kind: 'ok' }>, terminal: Terminal): number {
  terminal.err(`${answer.text}\n`);
  return answer.kind === 'unreachable' ? EXIT.unreachable : EXIT.failed;
}
