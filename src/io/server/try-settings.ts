/**
 * Asks a server program whether it takes settings, without running it: it reads them from its
 * standard input, and ends at a last line that no server knows.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ServerError } from './errors.ts';
import { OutputTail } from './output-tail.ts';

const LAST_LINE = 'no-such-setting-ends-the-reading';
/** It reads some lines and ends: anything slower is no server, or a machine in trouble. */
const PATIENCE_MS = 5_000;

/** The first line that is refused, with the server's reason; null when all are taken. */
export async function trySettings(
  program: string,
  lines: readonly string[],
): Promise<{ readonly line: string; readonly reason: string } | null> {
  const child = spawn(program, ['-'], { timeout: PATIENCE_MS, killSignal: 'SIGKILL' });
  const tail = new OutputTail(() => undefined);
  for (const output of [child.stdout, child.stderr])
    output.setEncoding('utf8').on('data', (text: string) => tail.push(text));
  // One that ended before it read everything has said why.
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${[...lines, LAST_LINE].join('\n')}\n`);
  try {
    await once(child, 'close');
  } catch (cause) {
    throw new ServerError('SERVER_MISSING', `${program} cannot be run`, { cause });
  }
  const [line = '', reason = ''] = tail.lines(2);
  const refused = /^>>> '(.*)'$/.exec(line)?.[1];
  if (refused === undefined)
    throw new ServerError('SERVER_FAILED', `${program} did not read settings: ${line} | ${reason}`);
  return refused === LAST_LINE ? null : { line: refused, reason };
}
