/**
 * The server of an eventual deployment, begun through a warden of its own (`docs/decisions/0012`).
 *
 * Invariant: `ended` means that the server's process is gone, however the warden fared.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerError } from '../io/server/errors.ts';
import { commandOf, type Launched, type Launching, type ProcessEnd } from '../io/server/launch.ts';
import { ownProgram } from '../own-program.ts';
import { monotonicMs } from './monotonic.ts';
import { newsFrom, type WardenNews, type WardenOrder } from './warden-words.ts';

/** It holds two numbers: the machine's memory is for the servers. */
const WARDEN_FLAGS = ['--max-old-space-size=16', '--max-semi-space-size=1'];
/** A warden that is stopped tells nothing: the kernel ends the server with it. */
const TELL_MS_MAX = 200;
/** A warden that has not heard of a lease after so long is stopped, and would end nothing. */
const ARMED_MS_MAX = 400;
/** A timer that is later: this process did not run meanwhile, and could hear no answer. */
const LATE_MS = 100;
/** A lease is renewed every 200 ms: so many wait only where this process stalls again and again. */
const ARMED_MAX = 16;
/** Between two looks whether a process is gone whose parent cannot tell. */
const GONE_LOOK_MS = 5;

export class WardenLink implements Launched {
  readonly pid: number;
  readonly outputs: readonly Readable[];
  readonly ended: Promise<ProcessEnd>;
  readonly closed: Promise<void>;
  readonly #child: ChildProcess;
  #serial = 0;
  #isEnded = false;
  readonly #armed = new Map<number, () => void>();

  private constructor(child: ChildProcess, pid: number, news: Interface) {
    this.#child = child;
    this.pid = pid;
    this.outputs = [child.stdout, child.stderr].filter((stream) => stream !== null);
    this.closed = new Promise((resolve) => child.once('close', () => resolve()));
    this.ended = this.#follow(news);
  }

  static async launch(launching: Launching): Promise<WardenLink> {
    const words = [...WARDEN_FLAGS, ownProgram('agent/warden-entry'), ...commandOf(launching)];
    const child = spawn(process.execPath, words, {
      cwd: launching.directory,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '' },
      detached: true,
    });
    child.stdin?.on('error', () => undefined);
    const news = createInterface({ input: child.stdio[3] as Readable });
    const first = await new Promise<WardenLink | WardenNews | null>((resolve) => {
      child.once('error', () => resolve(null));
      news.once('close', () => resolve(null));
      news.once('line', (line) => {
        const told = newsFrom(line);
        resolve(told?.kind === 'started' ? new WardenLink(child, told.pid, news) : told);
      });
    });
    if (first instanceof WardenLink) return first;
    child.kill('SIGKILL');
    const why = first?.kind === 'failed' ? first.text : 'its warden did not start';
    throw new ServerError('SERVER_FAILED', `cannot start ${launching.program}: ${why}`);
  }

  /**
   * Resolves when the warden knows. When it does not within its bound, server and warden are
   * killed, and this never resolves; nor when the warden is gone.
   */
  extend(untilMs: number): Promise<void> {
    this.#serial += 1;
    const serial = this.#serial;
    return new Promise((resolve) => {
      this.#armed.set(serial, resolve);
      this.#tell({ kind: 'extend', untilMs, serial });
      if (this.#armed.size > ARMED_MAX) this.signal('SIGKILL');
      this.#expectArmed(serial);
    });
  }

  disarm(): void {
    this.#tell({ kind: 'disarm' });
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#isEnded) return;
    signalled(this.pid, signal);
    if (signal !== 'SIGKILL') return;
    setTimeout(() => {
      if (!this.#isEnded) this.#child.kill('SIGKILL');
    }, TELL_MS_MAX).unref();
  }

  #tell(order: WardenOrder): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  async #follow(news: Interface): Promise<ProcessEnd> {
    const told = await new Promise<ProcessEnd | null>((resolve) => {
      news.on('line', (line) => {
        const each = newsFrom(line);
        if (each?.kind === 'armed') this.#isArmed(each.serial);
        else if (each?.kind === 'ended') resolve({ code: each.code, signal: each.signal });
      });
      news.once('close', () => resolve(null));
    });
    const end = told ?? (await this.#orphaned());
    this.#isEnded = true;
    return end;
  }

  #isArmed(serial: number): void {
    this.#armed.get(serial)?.();
    this.#armed.delete(serial);
  }

  #expectArmed(serial: number): void {
    const dueMs = monotonicMs() + ARMED_MS_MAX;
    setTimeout(() => {
      if (this.#isEnded || !this.#armed.has(serial)) return;
      if (monotonicMs() > dueMs + LATE_MS) this.#expectArmed(serial);
      else this.signal('SIGKILL');
    }, ARMED_MS_MAX).unref();
  }

  /** Its warden is gone: the kernel has ended the server, or it is ended here. */
  async #orphaned(): Promise<ProcessEnd> {
    while (isRunning(this.pid)) {
      signalled(this.pid, 'SIGKILL');
      await sleep(GONE_LOOK_MS);
    }
    return { code: null, signal: 'SIGKILL' };
  }
}

function signalled(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone.
  }
}

/** One that nobody has reaped runs no more. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // Where there is no /proc, whoever can be signalled is there.
    return true;
  }
}
