/**
 * One life of the server process: an emptied run directory, its configuration, the program, until
 * it has exited. A new life is a new object.
 *
 * The server dies with its agent: `setpriv --pdeathsig KILL` makes the kernel see to that where it
 * is available. It gets a session of its own, so that Ctrl-C in a terminal reaches the agent only,
 * which then hands over in order.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Admin } from './admin.ts';
import { AGENT_USER, CONF_NAME, type ConfOptions, renderConf, socketPathOf } from './conf.ts';
import { ServerError } from './errors.ts';
import { OutputTail } from './output-tail.ts';

/** A look at the socket every so often while the server starts: it takes 5 to 50 ms. */
const READY_LOOK_MS = 10;
const CALL_MS_MAX = 5_000;
/** How long an exit waits for what the server printed last: a failover waits for it too. */
const LAST_WORDS_MS_MAX = 20;
/** Lines of the server's own words in an error. */
const WORDS_LINES_MAX = 6;

export interface ProcessOptions {
  readonly program: string;
  readonly conf: ConfOptions;
  /** How to make the server die with us, from `findSetpriv`; null when the machine cannot. */
  readonly setpriv: string | null;
  readonly startMsMax: number;
  /** Every line that the server prints. */
  readonly onLine: (line: string) => void;
  /** Called once, also when the agent itself ended it. */
  readonly onExit: (exit: ServerExit) => void;
}

export interface ServerExit {
  readonly pid: number;
  readonly code: number | null;
  readonly signal: string | null;
  /** Whether `stop` or `kill` was called before. */
  readonly isWanted: boolean;
  /** One line for people: how it ended, and its last words. */
  readonly text: string;
}

/** The path of a `setpriv` that knows `--pdeathsig`, or null. */
export async function findSetpriv(program = 'setpriv'): Promise<string | null> {
  return promisify(execFile)(program, ['--pdeathsig', 'KILL', '--', 'true'], {
    timeout: 5_000,
  }).then(
    () => program,
    () => null,
  );
}

export class ServerProcess {
  readonly pid: number;
  readonly socketPath: string;
  readonly #options: ProcessOptions;
  readonly #child: ChildProcess;
  readonly #tail: OutputTail;
  readonly #exited: Promise<ServerExit>;
  #exit: ServerExit | null = null;
  #isWanted = false;

  private constructor(options: ProcessOptions, child: ChildProcess, pid: number) {
    this.#options = options;
    this.#child = child;
    this.pid = pid;
    this.socketPath = socketPathOf(options.conf.runDir);
    this.#tail = new OutputTail(options.onLine);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#tail.push(text));
    }
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        const tell = () => {
          if (this.#exit !== null) return;
          clearTimeout(timer);
          this.#exit = this.#describe(code, signal);
          resolve(this.#exit);
          options.onExit(this.#exit);
        };
        // 'close' means that its last words were read. A child that it forked may keep them open.
        child.once('close', tell);
        const timer = setTimeout(tell, LAST_WORDS_MS_MAX);
      });
    });
  }

  /**
   * Starts a server and resolves once it answers on its socket. When it throws, or when `signal`
   * is aborted meanwhile, no process is left.
   */
  static async start(options: ProcessOptions, signal: AbortSignal): Promise<ServerProcess> {
    signal.throwIfAborted();
    const confPath = await prepareRunDir(options.conf);
    signal.throwIfAborted();
    const server = await ServerProcess.#spawn(options, confPath);
    try {
      await server.#ready(signal);
      return server;
    } catch (error) {
      await server.kill();
      throw error;
    }
  }

  static async #spawn(options: ProcessOptions, confPath: string): Promise<ServerProcess> {
    const { program, setpriv, conf } = options;
    const words = [program, confPath];
    if (setpriv !== null) words.unshift(setpriv, '--pdeathsig', 'KILL', '--');
    const [file = program, ...rest] = words;
    const child = spawn(file, rest, {
      cwd: conf.runDir,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const failure = await new Promise<Error | null>((resolve) => {
      child.once('spawn', () => resolve(null));
      child.once('error', resolve);
    });
    if (failure !== null || child.pid === undefined) {
      throw new ServerError('SERVER_FAILED', `cannot start ${program}`, { cause: failure });
    }
    return new ServerProcess(options, child, child.pid);
  }

  get exit(): ServerExit | null {
    return this.#exit;
  }

  /** A connection for the agent's own calls. */
  async admin(callMsMax = CALL_MS_MAX): Promise<Admin> {
    const password = this.#options.conf.agentPassword;
    const { socketPath } = this;
    const admin = await Admin.connect({ socketPath, user: AGENT_USER, password, callMsMax });
    // The bound on clients' buffers (`maxmemory-clients`) is for clients.
    await admin.must(['CLIENT', 'NO-EVICT', 'ON']);
    return admin;
  }

  /** Ends it at once, and resolves when it is gone. */
  async kill(): Promise<ServerExit> {
    this.#isWanted = true;
    if (this.#exit === null) this.#child.kill('SIGKILL');
    return this.#exited;
  }

  /** Asks it to end, and ends it when it has not gone after `graceMs`. */
  async stop(graceMs: number): Promise<ServerExit> {
    this.#isWanted = true;
    if (this.#exit !== null) return this.#exit;
    this.#child.kill('SIGTERM');
    const over = new AbortController();
    const grace = sleep(graceMs, null, { signal: over.signal }).catch(() => null);
    const exit = await Promise.race([this.#exited, grace]);
    over.abort();
    return exit ?? this.kill();
  }

  async #ready(signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + this.#options.startMsMax;
    while (performance.now() < deadline) {
      signal.throwIfAborted();
      if (this.#exit !== null) throw new ServerError('SERVER_FAILED', this.#exit.text);
      try {
        (await this.admin()).close();
        return;
      } catch (error) {
        if (!(error instanceof ServerError) || error.code !== 'SERVER_GONE') throw error;
      }
      await sleep(READY_LOOK_MS);
    }
    const { program, startMsMax } = this.#options;
    const words = this.#tail.lines(WORDS_LINES_MAX).join(' | ');
    throw new ServerError(
      'SERVER_FAILED',
      `${program} did not answer within ${startMsMax} ms; it said: ${words}`,
    );
  }

  #describe(code: number | null, signal: string | null): ServerExit {
    const how = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
    const words = this.#tail.lines(WORDS_LINES_MAX).join(' | ');
    const text = `${this.#options.program} (pid ${this.pid}) ${how}; its last words: ${words}`;
    return { pid: this.pid, code, signal, isWanted: this.#isWanted, text };
  }
}

/** Empties the directory (H3: a left-over RDB would be loaded) and writes the configuration. */
async function prepareRunDir(conf: ConfOptions): Promise<string> {
  const { runDir } = conf;
  const text = renderConf(conf);
  try {
    await rm(runDir, { recursive: true, force: true });
    await mkdir(runDir, { recursive: true, mode: 0o700 });
    await chmod(runDir, 0o700);
    const path = join(runDir, CONF_NAME);
    await writeFile(path, text, { mode: 0o600, flag: 'wx' });
    return path;
  } catch (cause) {
    throw new ServerError('SERVER_FAILED', `cannot prepare ${runDir}`, { cause });
  }
}
