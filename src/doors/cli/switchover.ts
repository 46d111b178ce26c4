/** `althing switchover`: hands leadership over, and waits until the new leader serves. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, clientFor } from './client.ts';
import { EXIT } from './exit-codes.ts';
import { failed } from './status.ts';
import { processTerminal, type Terminal } from './terminal.ts';

export interface SwitchoverOptions extends ConnectionOptions {
  readonly to?: string;
  /** How long the new leader may take to serve; for tests. */
  readonly openMsMax?: number;
}

/** An election after a hand-over that went wrong takes two or three seconds. */
const OPEN_MS_MAX = 15_000;
const POLL_EVERY_MS = 100;

export function addSwitchoverCommand(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('switchover')
    .description('hand leadership to another node, losing nothing')
    .option('--to <NODE>', 'the node that should lead (default: the most level follower)');
  addConnectionOptions(command).action(async (options: SwitchoverOptions) => {
    finish(await switchoverCommand(options));
  });
}

export async function switchoverCommand(
  options: SwitchoverOptions,
  terminal: Terminal = processTerminal(),
): Promise<number> {
  const made = clientFor(options);
  if (!made.ok) {
    terminal.err(`${made.text}\n`);
    return EXIT.usage;
  }
  const { client } = made;
  const before = await client.status();
  if (before.kind !== 'ok') return failed(before, terminal);
  const led = before.value.leader;
  terminal.out(`${led === null ? 'nobody' : led} leads ${before.value.name}\n`);

  const order = await client.switchover(options.to ?? null);
  if (order.kind !== 'ok') return failed(order, terminal);
  terminal.out(`${order.value.text}\n`);

  const isWanted = (leader: string | null) =>
    leader !== null && (options.to === undefined ? leader !== led : leader === options.to);
  const deadlineMs = performance.now() + (options.openMsMax ?? OPEN_MS_MAX);
  while (performance.now() < deadlineMs) {
    const now = await client.status();
    const leader = now.kind === 'ok' ? now.value.leader : null;
    if (isWanted(leader) && (await client.isReady())) {
      terminal.out(`${leader} leads now\n`);
      return EXIT.done;
    }
    await sleep(POLL_EVERY_MS);
  }
  terminal.err('the new leader does not serve yet; look at: althing status\n');
  return EXIT.failed;
}
