/** A process of ours: it ends with the bench, however that ends, and its last words are kept. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isExecutable } from '../../src/doors/cli/up/server-binary.ts';
import { TargetError } from './target.ts';

export const LOOK_EVERY_MS = 100;
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
/** What a process said last, for the error when it does not start. */
const LAST_WORDS_LENGTH = 1_000;

export class Child {
  readonly process: ChildProcess;
  #lastWords = '';

  constructor(program: string, args: readonly string[]) {
    const [first = program, ...rest] = [...dyingWithParent(), program, ...args];
    // A session of its own, as services have and `up` gives its agents: Linux shares the cores
    // among sessions first, and whoever is in that of the load is served faster by half.
    this.process = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    for (const stream of [this.process.stdout, this.process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS_LENGTH);
      });
    this.process.on('error', (error) => {
      this.#lastWords += error.message;
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  get isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.process;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  async until(isTrue: () => Promise<boolean>, what: string, signal: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + START_MS_MAX;
    while (!(await isTrue())) {
      signal.throwIfAborted();
      if (!this.isRunning || performance.now() > deadlineMs)
        throw new TargetError(`${what}; its last words:\n${this.#lastWords}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const late = sleep(STOP_MS_MAX, 'late', { ref: false });
    if ((await Promise.race([gone, late])) !== 'late') return;
    this.process.kill('SIGKILL');
    await gone;
  }
}

/** `setpriv` becomes the program, so the pid is the program's. */
function dyingWithParent(): string[] {
  const places = (process.env['PATH'] ?? '').split(delimiter);
  const setpriv = places.map((place) => join(place, 'setpriv')).find(isExecutable);
  return setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL'];
}
