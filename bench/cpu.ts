/** CPU time of processes, from /proc: user and system, all threads. */
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

/** Ticks used so far; 0 for a process that is gone. */
export function ticksOf(pid: number): number {
  try {
    return parseTicks(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return 0;
  }
}

/** proc(5): fields 14 and 15, counted after the name, which may hold blanks and brackets. */
export function parseTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Runs `work`, and returns its result with the CPU microseconds of each process meanwhile. */
export async function withCpu<T>(
  processes: readonly NamedProcess[],
  tickMicros: number,
  work: () => Promise<T>,
): Promise<{ result: T; cpuMicros: Record<string, number> }> {
  const before = processes.map(({ pid }) => ticksOf(pid));
  const result = await work();
  const used = processes.map(({ name, pid }, at): [string, number] => [
    name,
    Math.max(0, ticksOf(pid) - (before[at] ?? 0)) * tickMicros,
  ]);
  return { result, cpuMicros: Object.fromEntries(used) };
}
