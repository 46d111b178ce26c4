/** `althing settings`: the settings that all servers have alike, and changes of them. */
import type { Command } from 'commander';
import type { SettingView } from '../view.ts';
import { addConnectionOptions, type ConnectionOptions, clientFor } from './client.ts';
import { EXIT } from './exit-codes.ts';
import { failed } from './status.ts';
import { type Cell, table } from './table.ts';
import { printable, processTerminal, type Terminal } from './terminal.ts';

export interface SettingsOptions extends ConnectionOptions {
  readonly json?: boolean;
  /** Names that are taken out. */
  readonly unset?: readonly string[];
}

const COLUMNS = [{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'PENDING' }] as const;
const FOLLOW =
  'each node takes it over; what waits there for a restart is told by its own settings\n';

export function addSettingsCommand(program: Command, finish: (code: number) => void): void {
  addConnectionOptions(
    program
      .command('settings')
      .argument('[NAME=VALUE...]', 'what is to be set on all servers')
      .option('--unset <NAME...>', 'take a setting out again')
      .option('--json', 'what there is as JSON')
      .description('settings of all servers, and what waits on the node that is asked'),
  ).action(async (words: readonly string[], options: SettingsOptions) =>
    finish(await settingsCommand(words, options)),
  );
}

export async function settingsCommand(
  words: readonly string[],
  options: SettingsOptions,
  terminal: Terminal = processTerminal(),
): Promise<number> {
  const made = clientFor(options);
  if (!made.ok) {
    terminal.err(`${made.text}\n`);
    return EXIT.usage;
  }
  const { client } = made;
  const server: Record<string, string | null> = {};
  for (const word of words) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
    if (name === undefined || value === undefined) {
      terminal.err(`${printable(word)} is not NAME=VALUE; NAME= sets it to nothing\n`);
      return EXIT.usage;
    }
    server[name] = value;
  }
  for (const name of options.unset ?? []) server[name] = null;
  if (Object.keys(server).length > 0) {
    const answer = await client.changeSpec({ server });
    if (answer.kind !== 'ok') return failed(answer, terminal);
    terminal.out(`${printable(answer.value.text)}\n${FOLLOW}`);
    return EXIT.done;
  }
  const answer = await client.status();
  if (answer.kind !== 'ok') return failed(answer, terminal);
  const { settings } = answer.value;
  terminal.out(options.json ? `${JSON.stringify(settings, null, 2)}\n` : screenOf(settings));
  return EXIT.done;
}

function screenOf(settings: readonly SettingView[]): string {
  if (settings.length === 0) return 'no settings: every server has its own defaults\n';
  const rows = settings.map(({ name, value, pending }): Cell[] => [
    { text: printable(name) },
    { text: value === null ? 'taken out' : printable(value) || '""' },
    { text: pending === null ? '-' : printable(pending) },
  ]);
  return `${table(COLUMNS, rows).join('\n')}\n`;
}
