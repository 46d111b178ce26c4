/**
 * The warden's process (`docs/decisions/0012`): parent of an eventual deployment's server, beside
 * the agent that started both. Words come in on standard input, one a line, and go out on the
 * descriptor after the standard three; the server prints where the warden would.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Warden } from './eventual/warden.ts';
import { monotonicMs } from './monotonic.ts';
import { orderFrom, type WardenNews } from './warden-words.ts';

const NEWS_DESCRIPTOR = 3;
/** How the agent is stopped is the agent's business: it ends the server in order. */
const AGENTS_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

class Guard {
  readonly #warden = new Warden();
  readonly #server: ChildProcess;
  #timer: NodeJS.Timeout | null = null;

  constructor(program: string, words: readonly string[]) {
    const server = spawn(program, words, { stdio: ['ignore', 'inherit', 'inherit'] });
    server.once('spawn', () => tell({ kind: 'started', pid: server.pid ?? 0 }));
    server.once('error', (error) => end({ kind: 'failed', text: error.message }));
    server.once('exit', (code, signal) => end({ kind: 'ended', code, signal }));
    this.#server = server;
  }

  told(line: string): void {
    const order = orderFrom(line);
    if (order?.kind === 'extend') {
      this.#warden.extend(order.untilMs);
      tell({ kind: 'armed', serial: order.serial });
    } else if (order?.kind === 'disarm') this.#warden.disarm();
    this.#look();
  }

  agentGone(): void {
    this.#warden.agentGone();
    this.#look();
  }

  /** Kills what is due, or looks again when it will be. */
  #look(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const now = monotonicMs();
    const { dueMs } = this.#warden;
    if (this.#warden.mustKill(now)) this.#server.kill('SIGKILL');
    else if (dueMs !== null)
      this.#timer = setTimeout(() => this.#look(), Math.max(1, Math.ceil(dueMs - now)));
  }
}

function tell(news: WardenNews): void {
  try {
    writeSync(NEWS_DESCRIPTOR, `${JSON.stringify(news)}\n`);
  } catch {
    // The agent is gone: its pipe says so, too.
  }
}

function end(news: WardenNews): void {
  tell(news);
  process.exit();
}

for (const signal of AGENTS_SIGNALS) process.on(signal, () => undefined);
const [program = '', ...words] = process.argv.slice(2);
const guard = new Guard(program, words);
createInterface({ input: process.stdin })
  .on('line', (line) => guard.told(line))
  .once('close', () => guard.agentGone());
