/** How the server's process is begun and ended: directly, or by somebody in between. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { ServerError } from './errors.ts';

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface Launched {
  /** Of the server itself. */
  readonly pid: number;
  readonly outputs: readonly Readable[];
  /** The process is gone. */
  readonly ended: Promise<ProcessEnd>;
  /** And all that it printed was read; a child that it forked may keep its outputs open. */
  readonly closed: Promise<void>;
  signal(signal: 'SIGTERM' | 'SIGKILL'): void;
}

export interface Launching {
  readonly program: string;
  readonly words: readonly string[];
  /** How to make it die with its parent, from `findSetpriv`; null when the machine cannot. */
  readonly setpriv: string | null;
  readonly directory: string;
}

/** Rejects with a `ServerError` when no process came of it. */
export type Launch = (launching: Launching) => Promise<Launched>;

/** The program and its words, as they are executed. */
export function commandOf({ program, words, setpriv }: Launching): [string, ...string[]] {
  if (setpriv === null) return [program, ...words];
  return [setpriv, '--pdeathsig', 'KILL', '--', program, ...words];
}

/**
 * As a child of this process, in a session of its own: Ctrl-C in a terminal reaches the agent
 * only, which then hands over in order.
 */
export async function launchDirectly(launching: Launching): Promise<Launched> {
  const [file, ...words] = commandOf(launching);
  const child = spawn(file, words, {
    cwd: launching.directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const ended = new Promise<ProcessEnd>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const failure = await new Promise<Error | null>((resolve) => {
    child.once('spawn', () => resolve(null));
    child.once('error', resolve);
  });
  const { pid, stdout, stderr } = child;
  if (failure !== null || pid === undefined)
    throw new ServerError('SERVER_FAILED', `cannot start ${launching.program}`, { cause: failure });
  return {
    pid,
    outputs: [stdout, stderr],
    ended,
    closed,
    signal: (signal) => void child.kill(signal),
  };
}
