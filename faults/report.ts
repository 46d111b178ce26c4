/** Everything that is told about a run: what `--json` writes, and the other forms show. */
import type { Figures, Second } from './figures.ts';
import type { Band } from './nemesis.ts';
import type { QueueVerdict } from './queue.ts';
import type { Finding } from './run.ts';
import type { Reign } from './watch.ts';

export interface Report {
  readonly cell: string;
  readonly seconds: number;
  readonly seed: number;
  readonly nodes: number;
  /** Name and version of the server. */
  readonly server: string;
  readonly command: string;
  readonly figures: Figures;
  readonly perSecond: readonly Second[];
  readonly bands: readonly Band[];
  readonly reigns: readonly Reign[];
  readonly queue: QueueVerdict;
  readonly healMs: number;
  readonly keys: number;
  /** One line per checker: what it looked at, and what came of it. */
  readonly checked: readonly string[];
  readonly findings: readonly Finding[];
  /** Logs, history and data of a run that found something. */
  readonly kept: string | null;
}

export function verdictOf({ findings, figures, cell, seed, command }: Report): string {
  if (findings.length === 0)
    return `CLEAN: cell ${cell}, seed ${seed}: ${figures.operations} operations, no anomaly`;
  return `FOUND ${findings.length}: cell ${cell}, seed ${seed}; again: ${command}`;
}
