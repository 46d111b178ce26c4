/** What every case needs: where to put results, how to stop, what to tell people. */
import type { Options } from '../options.ts';
import type { Progress } from '../progress.ts';
import type { Results } from '../results.ts';

export interface Bench {
  readonly options: Options;
  /** On the disk that all targets share. */
  readonly dir: string;
  readonly results: Results;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly tickMicros: number;
}
