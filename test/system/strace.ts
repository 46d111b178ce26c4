/**
 * What several processes asked of the kernel, in one total order, as strace wrote it down.
 *
 * A call has two places: where it was entered and where it returned. When something else happened
 * in between, strace splits it into `<unfinished ...>` and `resumed`; otherwise both are one line.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './processes.ts';

export interface Call {
  /** The process, not its thread. */
  readonly pid: number;
  readonly name: string;
  readonly fd: number;
  /** What was written, as far as it was: gathered buffers in one. */
  readonly bytes: Buffer;
  /** Where in a file; null where there is no such thing. */
  readonly offset: number | null;
  /** For `openat`. */
  readonly path: string;
  readonly result: number;
  readonly entered: number;
  readonly returned: number;
}

const CALLS =
  'openat,close,write,writev,sendmsg,sendto,pwrite64,pwritev,pwritev2,fdatasync,fsync,accept4';
/** Of one buffer: larger than any write of these tests. */
const BYTES_SHOWN = 300_000;

export class Strace {
  readonly #child: ChildProcess;
  readonly #file: string;
  readonly #pids: readonly number[];
  readonly #processOf = new Map<number, number>();
  /** Files that were open at the beginning. */
  readonly openFiles = new Map<string, string>();

  private constructor(child: ChildProcess, file: string, pids: readonly number[]) {
    this.#child = child;
    this.#file = file;
    this.#pids = pids;
  }

  /** Resolves when all of `pids` are being watched. */
  static async attach(pids: readonly number[], file: string): Promise<Strace> {
    const args = ['-f', '-xx', '-s', String(BYTES_SHOWN), '-o', file, '-e', `trace=${CALLS}`];
    const child = spawn('strace', [...args, ...pids.flatMap((pid) => ['-p', String(pid)])], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const strace = new Strace(child, file, pids);
    await until(`strace attached (${said})`, 10_000, () => {
      if (child.exitCode !== null) throw new Error(`strace ended: ${said}`);
      return pids.every((pid) => said.includes(`Process ${pid} attached`));
    });
    await sleep(300);
    strace.#noteThreads();
    for (const pid of pids)
      for (const fd of readdirSync(`/proc/${pid}/fd`))
        strace.openFiles.set(`${pid}:${fd}`, readlinkSync(`/proc/${pid}/fd/${fd}`));
    return strace;
  }

  /** Lets go of the processes and yields what they did. Call before they are gone. */
  async detach(): Promise<Call[]> {
    this.#noteThreads();
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGINT');
    await gone;
    return parse(readFileSync(this.#file, 'latin1'), (tid) => this.#processOf.get(tid) ?? tid);
  }

  #noteThreads(): void {
    for (const pid of this.#pids) {
      try {
        for (const tid of readdirSync(`/proc/${pid}/task`)) this.#processOf.set(Number(tid), pid);
      } catch {
        // It was killed, as the test wanted.
      }
    }
  }
}

const LINE = /^(\d+)\s+(.*)$/;
const UNFINISHED = / <unfinished \.\.\.>$/;
const RESUMED = /^<\.\.\. \w+ resumed>/;

function parse(text: string, processOf: (tid: number) => number): Call[] {
  const begun = new Map<string, { text: string; at: number }>();
  const calls: Call[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const [, tid = '', rest = ''] = LINE.exec(line) ?? [];
    if (UNFINISHED.test(rest)) {
      begun.set(tid, { text: rest.replace(UNFINISHED, ''), at });
      continue;
    }
    const half = RESUMED.test(rest) ? begun.get(tid) : undefined;
    const whole = half === undefined ? rest : half.text + rest.replace(RESUMED, '');
    const call = callOf(whole, processOf(Number(tid)), half?.at ?? at, at);
    if (call !== null) calls.push(call);
  }
  return calls.sort((a, b) => a.entered - b.entered);
}

function callOf(text: string, pid: number, entered: number, returned: number): Call | null {
  const match = /^(\w+)\((.*)\)\s+=\s+(-?\d+)/s.exec(text);
  if (match === null) return null;
  const [, name = '', args = '', result = ''] = match;
  const strings = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) =>
    Buffer.from(hex.replaceAll('\\x', ''), 'hex'),
  );
  const isOpen = name === 'openat';
  const isWrite = /write|send/.test(name);
  const fd = isOpen || name === 'accept4' ? Number(result) : Number.parseInt(args, 10);
  const offset = /^pwrite/.test(name) ? Number(/, (\d+)(?:, \w+)?$/.exec(args)?.[1]) : null;
  return {
    pid,
    name,
    fd,
    bytes: isWrite ? Buffer.concat(strings).subarray(0, Math.max(0, Number(result))) : NOTHING,
    offset,
    path: isOpen ? (strings[0]?.toString('utf8') ?? '') : '',
    result: Number(result),
    entered,
    returned,
  };
}

const NOTHING = Buffer.alloc(0);
