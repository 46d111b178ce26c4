/** Runs a node until a signal or a failure ends it. */
import { setFlagsFromString } from 'node:v8';
import { ServerError } from '../io/server/errors.ts';
import { ExistingDataError } from '../io/server/existing-data.ts';
import { RealDisk } from '../io/storage/disk.ts';
import { Agent } from './agent.ts';
import type { NodeConfig } from './config.ts';
import { createJournal } from './journal.ts';
import { namedByDirectory } from './node-name.ts';

const EXIT_DONE = 0;
const EXIT_FAILED = 1;
/** The settings name a server, or settings or data of it, that cannot be: again is the same. */
const EXIT_USAGE = 2;

/**
 * V8 looks through the whole heap whenever that has grown by its own measure, here some tenth,
 * and counts the log's newest entries in memory as heap that it should soon get rid of: three times
 * a second under load, a fifth of the agent's CPU (docs/PERFORMANCE.md). So much it may grow
 * instead, in percent of what is alive: at most some 60 MB more.
 */
const HEAP_GROWTH_PERCENT = 100;

/** Resolves with the exit code. `doubts`: what `given` may say, and probably does not mean. */
export async function runAgent(given: NodeConfig, doubts: readonly string[]): Promise<number> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
  const config = await namedByDirectory(given, new RealDisk());
  const { name, node, logLevel } = config;
  const journal = createJournal({ name, node, level: logLevel });
  for (const text of doubts) journal.warn('config.doubt', { text });
  const agent = new Agent(config, journal);
  let code = EXIT_DONE;
  const ended = new Promise<void>((resolve) => {
    const stop = (signal: NodeJS.Signals) => {
      journal.info('agent.stopping', { signal });
      resolve();
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    agent.onFatal = (error) => {
      code = EXIT_FAILED;
      journal.error('agent.failed', { error });
      resolve();
    };
  });
  try {
    await agent.start();
    await ended;
  } catch (error) {
    code = isUnusable(error) ? EXIT_USAGE : EXIT_FAILED;
    journal.error('agent.failed', { error });
  }
  await agent.stop(code === EXIT_DONE);
  journal.flush();
  return code;
}

const UNUSABLE: ReadonlySet<string> = new Set([
  'SERVER_MISSING',
  'SERVER_TOO_OLD',
  'SETTING_REFUSED',
]);

function isUnusable(error: unknown): boolean {
  if (error instanceof ExistingDataError) return true;
  return error instanceof ServerError && UNUSABLE.has(error.code);
}
