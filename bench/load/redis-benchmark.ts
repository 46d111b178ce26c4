/** Runs redis-benchmark once and reads what it measured. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { CurvePoint } from './job.ts';

export interface BenchmarkOrder {
  readonly command: 'set' | 'get';
  readonly port: number;
  readonly connections: number;
  readonly pipeline: number;
  readonly valueBytes: number;
  readonly keys: number;
  readonly requests: number;
}

export interface BenchmarkResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly curve: readonly CurvePoint[];
}

export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** Far above what the slowest case needs. */
const RUN_MS_MAX = 300_000;

export async function runBenchmark(
  order: BenchmarkOrder,
  signal: AbortSignal,
): Promise<BenchmarkResult> {
  const flags = {
    '-h': '127.0.0.1',
    '-p': order.port,
    '-t': order.command,
    '-c': order.connections,
    '-P': order.pipeline,
    '-d': order.valueBytes,
    '-n': order.requests,
    '-r': order.keys,
    '--precision': 3,
  };
  // -e shows errors that the server answers: a refused command is quick, and not what is measured.
  const args = ['--csv', '-e', ...Object.entries(flags).flat().map(String)];
  const output = await outputOf('redis-benchmark', args, signal);
  const refused = /^.*Error from server.*$/m.exec(output);
  if (refused) throw new LoadError(`redis-benchmark on port ${order.port}: ${refused[0]}`);
  return parseCsv(output, order.command);
}

export function parseCsv(output: string, command: string): BenchmarkResult {
  const lines = output.split('\n').filter((line) => line.startsWith('"'));
  const cells = (line = ''): string[] => line.split(',').map((cell) => cell.replaceAll('"', ''));
  const titles = cells(lines.find((line) => line.startsWith('"test"')));
  const row = cells(lines.find((line) => line.startsWith(`"${command.toUpperCase()}"`)));
  const number = (title: string): number => {
    const value = Number(row[titles.indexOf(title)]);
    if (!Number.isFinite(value)) throw new LoadError(`no ${title} in: ${output.slice(-300)}`);
    return value;
  };
  const [p50Ms, p99Ms, maxMs] = [
    number('p50_latency_ms'),
    number('p99_latency_ms'),
    number('max_latency_ms'),
  ];
  const p95Ms = number('p95_latency_ms');
  return {
    perSecond: number('rps'),
    p50Ms,
    p99Ms,
    maxMs,
    curve: [
      [50, p50Ms],
      [95, p95Ms],
      [99, p99Ms],
      [100, maxMs],
    ],
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
