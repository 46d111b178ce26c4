/**
 * One life of the server process: an emptied run directory, its configuration, the program, until
 * it has exited. A new life is a new object.
 *
 * The server dies with its agent: `setpriv --pdeathsig KILL` makes the kernel see to that where it
 * is available.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Admin } from './admin.ts';
import { AGENT_USER, CONF_NAME, type ConfOptions, renderConf, socketPathOf } from './conf.ts';
import { ServerError } from './errors.ts';
import { type EventualConf, renderEventualConf } from './eventual-conf.ts';
import { type Launch, type Launched, launchDirectly, type ProcessEnd } from './launch.ts';
import { OutputTail } from './output-tail.ts';
import { renderScratchConf, type ScratchConf } from './scratch-conf.ts';

/** A look at the socket every so often while the server starts: it takes 5 to 50 ms. */
const READY_LOOK_MS = 10;
const CALL_MS_MAX = 5_000;
/** How long an exit waits for what the server printed last: a failover waits for it too. */
const LAST_WORDS_MS_MAX = 20;
/** Lines of the server's own words in an error. */
const WORDS_LINES_MAX = 6;

export interface ProcessOptions {
  readonly program: string;
  readonly conf: ConfOptions | EventualConf | ScratchConf;
  /** How to make the server die with us, from `findSetpriv`; null when the machine cannot. */
  readonly setpriv: string | null;
  /** Absent: as a child of this process. */
  readonly launch?: Launch;
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
  readonly #launched: Launched;
  readonly #tail: OutputTail;
  readonly #exited: Promise<ServerExit>;
  #exit: ServerExit | null = null;
  #isWanted = false;

  private constructor(options: ProcessOptions, launched: Launched) {
    this.#options = options;
    this.#launched = launched;
    this.pid = launched.pid;
    this.socketPath = socketPathOf(options.conf.runDir);
    this.#tail = new OutputTail(options.onLine);
    for (const stream of launched.outputs)
      stream.setEncoding('utf8').on('data', (text: string) => this.#tail.push(text));
    this.#exited = this.#follow(launched);
  }

  /**
   * Starts a server and resolves once it answers on its socket. When it throws, or when `signal`
   * is aborted meanwhile, no process is left.
   */
  static async start(options: ProcessOptions, signal: AbortSignal): Promise<ServerProcess> {
    signal.throwIfAborted();
    const confPath = await prepareRunDir(options.conf);
    signal.throwIfAborted();
    const { program, setpriv, conf, launch = launchDirectly } = options;
    const directory = conf.runDir;
    const launched = await launch({ program, words: [confPath], setpriv, directory });
    const server = new ServerProcess(options, launched);
    try {
      await server.#ready(signal);
      return server;
    } catch (error) {
      await server.kill();
      throw error;
    }
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
    if (this.#exit === null) this.#launched.signal('SIGKILL');
    return this.#exited;
  }

  /** Asks it to end, and ends it when it has not gone after `graceMs`. */
  async stop(graceMs: number): Promise<ServerExit> {
    this.#isWanted = true;
    if (this.#exit !== null) return this.#exit;
    this.#launched.signal('SIGTERM');
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

  async #follow({ ended, closed }: Launched): Promise<ServerExit> {
    const end = await ended;
    const over = new AbortController();
    const late = sleep(LAST_WORDS_MS_MAX, null, { signal: over.signal }).catch(() => null);
    await Promise.race([closed, late]);
    over.abort();
    this.#exit = this.#describe(end);
    this.#options.onExit(this.#exit);
    return this.#exit;
  }

  #describe({ code, signal }: ProcessEnd): ServerExit {
    const how = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
    const words = this.#tail.lines(WORDS_LINES_MAX).join(' | ');
    const text = `${this.#options.program} (pid ${this.pid}) ${how}; its last words: ${words}`;
    return { pid: this.pid, code, signal, isWanted: this.#isWanted, text };
  }
}

/** Empties the directory (H3: a left-over RDB would be loaded) and writes the configuration. */
async function prepareRunDir(conf: ProcessOptions['conf']): Promise<string> {
  const { runDir } = conf;
  const text = textOf(conf);
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

function textOf(conf: ProcessOptions['conf']): string {
  if ('scratchDir' in conf) return renderScratchConf(conf);
  return 'dataDir' in conf ? renderEventualConf(conf) : renderConf(conf);
}
