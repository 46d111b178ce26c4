/** `althing spec`: what is wanted of the deployment, and changes of it. */
import type { Command } from 'commander';
import { parseBytes } from '../bytes.ts';
import { parseDuration } from '../durations.ts';
import type { SpecView } from '../view.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  clientFor,
  type SpecBody,
} from './client.ts';
import { EXIT } from './exit-codes.ts';
import { failed } from './status.ts';
import { type Cell, table } from './table.ts';
import { printable, processTerminal, type Terminal } from './terminal.ts';

/** As they were typed. */
export interface SpecOptions extends ConnectionOptions {
  readonly json?: boolean;
  readonly forgetAfter?: string;
  readonly maxLostBytes?: string;
  readonly minReplicasToWrite?: string;
}

const COLUMNS = [{ title: 'WANTED' }, { title: 'VALUE' }, { title: 'CHANGED BY' }] as const;

export function addSpecCommand(program: Command, finish: (code: number) => void): void {
  addConnectionOptions(
    program
      .command('spec')
      .option('--forget-after <TIME>', 'gone for so long, a node is replaced; never')
      .option('--max-lost-bytes <BYTES>', 'eventual: a failover that would lose more waits; any')
      .option('--min-replicas-to-write <N>', 'eventual: writes are taken while so many follow')
      .option('--json', 'what is wanted as JSON')
      .description('what is wanted of the deployment; with options, another wish'),
  ).action(async (options: SpecOptions) => finish(await specCommand(options)));
}

export async function specCommand(
  options: SpecOptions,
  terminal: Terminal = processTerminal(),
): Promise<number> {
  const made = clientFor(options);
  const change = changeIn(options);
  if (!made.ok || typeof change === 'string') {
    terminal.err(`${made.ok ? change : made.text}\n`);
    return EXIT.usage;
  }
  const { client } = made;
  if (Object.keys(change).length > 0) {
    const answer = await client.changeSpec(change);
    if (answer.kind !== 'ok') return failed(answer, terminal);
    terminal.out(`${printable(answer.value.text)}\n`);
    return EXIT.done;
  }
  const answer = await client.status();
  if (answer.kind !== 'ok') return failed(answer, terminal);
  const { spec } = answer.value;
  if (spec === null) {
    terminal.err('nothing is agreed on yet\n');
    return EXIT.failed;
  }
  terminal.out(options.json ? `${JSON.stringify(spec, null, 2)}\n` : screenOf(spec));
  return EXIT.done;
}

/** The agent checks what the words mean; here only that they are some. */
function changeIn(options: SpecOptions): SpecBody | string {
  const { forgetAfter, maxLostBytes: lost, minReplicasToWrite: min } = options;
  if (forgetAfter !== undefined && forgetAfter !== 'never' && parseDuration(forgetAfter) === null)
    return `--forget-after ${printable(forgetAfter)} is not a time like 10m, or never`;
  if (lost !== undefined && lost !== 'any' && parseBytes(lost) === null)
    return `--max-lost-bytes ${printable(lost)} is not a size like 1mb, or any`;
  if (min !== undefined && !/^\d{1,3}$/.test(min))
    return `--min-replicas-to-write ${printable(min)} is not a number`;
  return {
    ...(forgetAfter === undefined ? {} : { forgetAfter }),
    ...(lost === undefined ? {} : { maxLostBytes: lost === 'any' ? null : lost }),
    ...(min === undefined ? {} : { minReplicasToWrite: Number(min) }),
  };
}

function screenOf({ server, maxLostBytes, minReplicasToWrite, ...spec }: SpecView): string {
  const lost = maxLostBytes === null ? 'any' : `${maxLostBytes}`;
  const rows: [what: string, value: string, how: string][] = [
    ['replicas', `${spec.replicas}`, 'althing scale --replicas N'],
    ['forget after', spec.forgetAfter, 'althing spec --forget-after TIME'],
    ['reads', spec.reads, 'althing reads MODE'],
    ['settings of servers', `${Object.keys(server).length}`, 'althing settings NAME=VALUE'],
  ];
  if (maxLostBytes !== undefined)
    rows.push(['bytes that may be lost', lost, 'althing spec --max-lost-bytes BYTES']);
  if (minReplicasToWrite !== undefined)
    rows.push([
      'replicas that writes need',
      `${minReplicasToWrite}`,
      'althing spec --min-replicas-to-write N',
    ]);
  const cells = rows.map((row): Cell[] => row.map((text) => ({ text: printable(text) })));
  return `${table(COLUMNS, cells).join('\n')}\n`;
}
