/** Which server `up` runs: the one that was named, else the first on PATH. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { UpError } from './up-error.ts';

const NAMES = ['redis-server', 'valkey-server'];

export function findServer(named: string | null, environment: NodeJS.ProcessEnv): string {
  if (named !== null) {
    const path = resolve(named);
    if (isExecutable(path)) return path;
    throw new UpError(`${path} is not a program that can be run; --server names a server's path`);
  }
  const directories = (environment['PATH'] ?? '').split(delimiter).filter((each) => each !== '');
  for (const name of NAMES) {
    for (const directory of directories) {
      if (isExecutable(join(directory, name))) return join(directory, name);
    }
  }
  throw new UpError(
    `found no ${NAMES.join(' or ')} in ${directories.join(delimiter)}; ` +
      'install one, or name it with --server PATH',
  );
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
