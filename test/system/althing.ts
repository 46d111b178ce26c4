/** `bin/althing …` without a terminal, to its end. */
import { execFile } from 'node:child_process';
import type { Ran } from './cluster-servers.ts';
import { IS_FULL } from './figures.ts';
import { PROGRAM } from './program.ts';

const RUN_MS = IS_FULL ? 600_000 : 120_000;

export function althing(...words: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { timeout: RUN_MS, killSignal: 'SIGKILL' } as const;
    execFile(process.execPath, [PROGRAM, ...words], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, out: `${stdout}${stderr}` });
    }).stdin?.end();
  });
}
