/** Runs a node until a signal or a failure ends it. */
import { Agent } from './agent.ts';
import type { NodeConfig } from './config.ts';
import { createJournal } from './journal.ts';

const EXIT_DONE = 0;
const EXIT_FAILED = 1;

/** Resolves with the exit code. */
export async function runAgent(config: NodeConfig): Promise<number> {
  const journal = createJournal({ name: config.name, node: config.node });
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
    code = EXIT_FAILED;
    journal.error('agent.failed', { error });
  }
  await agent.stop(code === EXIT_DONE);
  journal.flush();
  return code;
}
