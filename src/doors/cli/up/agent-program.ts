/** What `up` runs for a node: this Node, this program, and none of this shell's settings. */
import { join } from 'node:path';
import { ownProgram } from '../../../own-program.ts';
import { isExecutable } from './server-binary.ts';

/** The kernel kills the agent when its `up` is gone, however that went. */
const DIES_WITH_PARENT = ['--pdeathsig', 'KILL'];

export function agentProgram(environment: NodeJS.ProcessEnv): string[] {
  const setpriv = (environment['PATH'] ?? '')
    .split(':')
    .map((directory) => join(directory, 'setpriv'))
    .find(isExecutable);
  const program = [process.execPath, '--disable-warning=ExperimentalWarning', ownProgram('main')];
  return setpriv ? [setpriv, ...DIES_WITH_PARENT, ...program] : program;
}

/** `ALTHING_*` would give every node the same settings; `up` gives each its own as flags. */
export function agentEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !name.startsWith('ALTHING_'));
  return Object.fromEntries(kept);
}
