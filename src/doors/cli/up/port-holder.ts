/** Which of our ports are taken, and by whom (Linux: /proc; elsewhere only that they are). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeAddresses } from './picture.ts';

export interface Holder {
  readonly pid: number;
  readonly command: string;
}

/** A command line can be long; an agent's names its directory within this. */
const COMMAND_MAX = 400;
/** Of it in a sentence: enough to recognise the program. */
const TOLD_MAX = 100;
/** The state column of /proc/net/tcp for a listening socket. */
const LISTENING = '0A';

/** The agents of an `up` that was killed are gone within this. */
const PREDECESSOR_MS = 5_000;
const LOOK_EVERY_MS = 100;

/**
 * A sentence about the first port that is taken, null when all are free. Waits for agents that an
 * earlier `up` on the same directory left dying.
 */
export async function findBusyPort(
  addresses: readonly NodeAddresses[],
  directory: string,
): Promise<string | null> {
  const deadline = Date.now() + PREDECESSOR_MS;
  for (const { node, clients, peers, http, local, sentinel, bus } of addresses) {
    for (const [use, port] of [
      ['clients', clients],
      ['peers', peers],
      ['HTTP', http],
      ['reads', local],
      ['Sentinel', sentinel],
      ['servers', bus],
    ] as const) {
      if (port === null) continue;
      while (!(await isPortFree(port))) {
        const holder = holderOf(port);
        if (holder?.command.includes(directory) && Date.now() < deadline) {
          await sleep(LOOK_EVERY_MS);
          continue;
        }
        const who = holder
          ? `\`${shortened(holder.command)}\` (pid ${holder.pid})`
          : 'a process we cannot see';
        return (
          `port ${port} (${use} of ${node}) is taken by ${who}; ` +
          'stop it, or give another --base-port'
        );
      }
    }
  }
  return null;
}

function shortened(command: string): string {
  return command.length <= TOLD_MAX ? command : `${command.slice(0, TOLD_MAX)} …`;
}

export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      probe.close(() => resolve(true));
    });
  });
}

/** Null when it cannot be told: another user's process, another namespace, not Linux. */
export function holderOf(port: number): Holder | null {
  const inodes = new Set(
    ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningInodes(read(table), port)),
  );
  if (inodes.size === 0) return null;
  for (const pid of entries('/proc').filter((name) => /^\d+$/.test(name))) {
    const holds = entries(`/proc/${pid}/fd`).some((fd) =>
      inodes.has(/^socket:\[(\d+)\]$/.exec(link(`/proc/${pid}/fd/${fd}`))?.[1] ?? ''),
    );
    if (holds) return { pid: Number(pid), command: commandOf(Number(pid)) };
  }
  return null;
}

/** Rows of /proc/net/tcp: `sl local remote state ...`, the tenth column is the socket's inode. */
export function listeningInodes(table: string, port: number): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(wanted) && columns[3] === LISTENING)
    .map((columns) => columns[9] ?? '');
}

export function commandOf(pid: number): string {
  const words = read(`/proc/${pid}/cmdline`).split('\0').join(' ').trim();
  return (words || read(`/proc/${pid}/comm`).trim()).slice(0, COMMAND_MAX);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
