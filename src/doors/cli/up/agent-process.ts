/**
 * One agent, supervised as a container runtime would: started, and started again a second after it
 * died, until it is told to stop.
 *
 * Under `setpriv --pdeathsig KILL` the kernel ends the agent when `up` dies, and a pipe on its
 * standard input tells the same where setpriv is missing.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { AgentLog } from './agent-log.ts';

/** Long enough not to spin on a crash, short enough that a newcomer sees the node come back. */
const RESTART_AFTER_MS = 1_000;
/** The agent's exit code for settings it cannot run with: again would be the same again. */
const EXIT_USAGE = 2;
/** Deaths that come from outside: what the agent wrote before says nothing about them. */
const KILLED: ReadonlySet<string> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT']);

export interface AgentDeath {
  readonly node: string;
  readonly pid: number;
  /** `SIGKILL`, `exit code 1`. */
  readonly how: string;
  readonly lastWords: string;
  readonly restarts: boolean;
}

export interface AgentProcessOptions {
  readonly node: string;
  readonly command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly restart: boolean;
  readonly onDeath: (death: AgentDeath) => void;
}

export class AgentProcess {
  readonly node: string;
  readonly #options: AgentProcessOptions;
  readonly #log: AgentLog;
  #child: ChildProcess | null = null;
  #restart: NodeJS.Timeout | null = null;
  #stopping = false;
  #gone: Promise<void> = Promise.resolve();

  constructor(options: AgentProcessOptions) {
    this.node = options.node;
    this.#options = options;
    this.#log = new AgentLog(options.logFile);
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  get logFile(): string {
    return this.#log.path;
  }

  start(): void {
    this.#restart = null;
    const [program = '', ...args] = this.#options.command;
    const from = this.#log.position();
    const child = spawn(program, args, {
      stdio: ['pipe', this.#log.descriptor, this.#log.descriptor],
      env: this.#options.environment,
      // Ctrl-C on the terminal is for `up`, which stops its agents in order.
      detached: true,
    });
    this.#child = child;
    child.stdin?.on('error', () => {});
    this.#gone = new Promise((resolve) => {
      let over = false;
      const end = (how: string, again: boolean): void => {
        if (over) return;
        over = true;
        this.#child = null;
        resolve();
        this.#afterDeath(child.pid ?? 0, how, from, again);
      };
      child.once('error', (error) => end(error.message, true));
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`, code !== EXIT_USAGE));
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  rotateLog(): void {
    this.#log.rotate();
  }

  /** SIGTERM, and SIGKILL when `patienceMs` was not enough. Resolves when the agent is gone. */
  async stop(patienceMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#restart) clearTimeout(this.#restart);
    // A paused agent takes no SIGTERM.
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    const kill = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    await this.#gone;
    clearTimeout(kill);
    this.#log.close();
  }

  #afterDeath(pid: number, how: string, from: number, again: boolean): void {
    if (this.#stopping) return;
    const restarts = this.#options.restart && again;
    const lastWords = KILLED.has(how) ? '' : this.#log.lastWords(from);
    if (restarts) this.#restart = setTimeout(() => this.start(), RESTART_AFTER_MS);
    this.#options.onDeath({ node: this.node, pid, how, lastWords, restarts });
  }
}
