/** Runs redis-benchmark once and reads what it measured. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { KEYS, type Workload } from './workloads.ts';

export interface Measured {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** Far above what the slowest case needs. */
const RUN_MS_MAX = 300_000;

/** Connections so few that a run with them must still see every key often enough. */
const REQUESTS_MIN = 1_000;

export function requestsOf(workload: Workload, requests: number): number {
  return Math.max(REQUESTS_MIN, Math.round(requests * workload.share));
}

export async function runLoad(
  workload: Workload,
  { port, requests, signal }: { port: number; requests: number; signal: AbortSignal },
): Promise<Measured> {
  const { command, connections, pipeline, valueBytes } = workload;
  const flags = {
    '-h': '127.0.0.1',
    '-p': port,
    '-t': command,
    '-c': connections,
    '-P': pipeline,
    '-d': valueBytes,
    '-n': requests,
    '-r': KEYS,
    '--precision': 3,
  };
  // -e shows errors that the server answers: a refused command is quick, and not what is measured.
  const args = ['--csv', '-e', ...Object.entries(flags).flat().map(String)];
  const output = await outputOf('redis-benchmark', args, signal);
  const refused = /^.*Error from server.*$/m.exec(output);
  if (refused) throw new LoadError(`redis-benchmark on port ${port}: ${refused[0]}`);
  return parseCsv(output, command, requests);
}

export function parseCsv(output: string, command: string, requests: number): Measured {
  const lines = output.split('\n').filter((line) => line.startsWith('"'));
  const cells = (line = '') => line.split(',').map((cell) => cell.replaceAll('"', ''));
  const titles = cells(lines.find((line) => line.startsWith('"test"')));
  const row = cells(lines.find((line) => line.startsWith(`"${command.toUpperCase()}"`)));
  const number = (title: string): number => {
    const value = Number(row[titles.indexOf(title)]);
    if (!Number.isFinite(value)) throw new LoadError(`no ${title} in: ${output.slice(-300)}`);
    return value;
  };
  return {
    requests,
    perSecond: number('rps'),
    p50Ms: number('p50_latency_ms'),
    p99Ms: number('p99_latency_ms'),
  };
}

async function outputOf(program: string, args: string[], signal: AbortSignal): Promise<string> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(RUN_MS_MAX)]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], signal: limit });
  const pieces: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => pieces.push(text));
  const [code] = (await once(child, 'close')) as [number | null];
  const output = pieces.join('');
  if (code !== 0) throw new LoadError(`${program} ended with ${code}: ${output.slice(-300)}`);
  return output;
}
