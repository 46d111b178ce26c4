/** `althing start`: from the command line to a running agent, or to what is wrong with it. */
import { availableParallelism, hostname } from 'node:os';
import { canSharePorts } from '../io/relay/port-claim.ts';
import { loadConfig } from './config.ts';
import { formatIssue } from './config-issue.ts';

const EXIT_USAGE = 2;

/** Resolves with the exit code when the agent has stopped. */
export async function startNode(flags: Readonly<Record<string, unknown>>): Promise<number> {
  const result = loadConfig({
    flags,
    environment: process.env,
    workingDir: process.cwd(),
    hostname: hostname(),
    cores: availableParallelism(),
    canSharePorts: canSharePorts(process.platform, process.versions.node),
  });
  if (!result.ok) {
    for (const issue of result.issues) process.stderr.write(`althing: ${formatIssue(issue)}\n`);
    return EXIT_USAGE;
  }
  const { runAgent } = await import('./run-agent.ts');
  return await runAgent(result.config, result.warnings);
}
