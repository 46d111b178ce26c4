/** CPU time of processes, from /proc: user and system, all threads (proc(5), `stat`). */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface NamedProcess {
  readonly name: string;
  readonly pid: number;
}

/** Microseconds per clock tick of /proc/PID/stat. */
export function readTickMicros(): number {
  return 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
}

/** Fields 14 and 15, counted after the name, which may hold blanks and brackets. */
export function parseTicks(stat: string): number {
  const fields = fieldsOf(stat);
  return Number(fields[11]) + Number(fields[12]);
}

/** Fields 16 and 17: of children that ended and were waited for. */
export function parseChildTicks(stat: string): number {
  const fields = fieldsOf(stat);
  return Number(fields[13]) + Number(fields[14]);
}

/** `VmRSS` of /proc/PID/status; 0 for a process that is gone. */
export function residentBytes(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Begun when made: what each process used until `end`. */
export class CpuWatch {
  readonly #processes: readonly NamedProcess[];
  readonly #tickMicros: number;
  readonly #before: readonly (number | null)[];
  readonly #childrenBefore: number;

  constructor(processes: readonly NamedProcess[], tickMicros: number) {
    this.#processes = processes;
    this.#tickMicros = tickMicros;
    this.#childrenBefore = childTicks();
    this.#before = processes.map(({ pid }) => ticksOf(pid));
  }

  /** Of those that were there all the time. */
  end(): Record<string, number> {
    const used = this.#processes.flatMap(({ name, pid }, at): [string, number][] => {
      const [before, after] = [this.#before[at] ?? null, ticksOf(pid)];
      return before === null || after === null ? [] : [[name, (after - before) * this.#tickMicros]];
    });
    return Object.fromEntries(used);
  }

  /** Of the children of this process that came to their end meanwhile. */
  endedChildrenMicros(): number {
    return (childTicks() - this.#childrenBefore) * this.#tickMicros;
  }
}

function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function ticksOf(pid: number): number | null {
  try {
    return parseTicks(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return null;
  }
}

function childTicks(): number {
  return parseChildTicks(readFileSync('/proc/self/stat', 'utf8'));
}
