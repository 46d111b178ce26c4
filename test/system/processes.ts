/** What runs under a temporary directory, seen in /proc. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Soon at first, then rarer: every look costs those who are waited for some of the machine. */
const LOOK_MS_MIN = 20;
const LOOK_MS_MAX = 160;
const RARER = 1.3;

/** Every process whose command line or working directory lies under `dir`. */
export function pidsUnder(dir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => commandOf(pid).includes(dir) || cwdOf(pid).startsWith(dir))
    .filter(isAlive);
}

export function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).split('\0').join(' ');
}

function cwdOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

/** A zombie is dead: only its parent has not looked yet. */
export function isAlive(pid: number): boolean {
  const state = /^State:\s+(\S)/m.exec(read(`/proc/${pid}/status`))?.[1];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1];
  return Number(kib ?? 0) * 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** True when the process was there to be told. */
export function signal(pid: number | null | undefined, name: NodeJS.Signals): boolean {
  if (!pid) return false;
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Polls until `look` gives something; throws with `what` when the time is over. */
export async function until<T>(
  what: string,
  patienceMs: number,
  look: () => Promise<T | null | false> | T | null | false,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let lookMs = LOOK_MS_MIN; ; lookMs = Math.min(lookMs * RARER, LOOK_MS_MAX)) {
    const found = await look();
    if (found !== null && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await sleep(lookMs);
  }
}
