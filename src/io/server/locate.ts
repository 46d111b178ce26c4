/** Finds the server program: an explicit path, else what is on PATH, else our own cache. */
import { execFile } from 'node:child_process';
import { access, constants, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { ServerError } from './errors.ts';
import { type Flavor, isSupported, oldestSupported, parseVersion, versionText } from './flavor.ts';

/** `--version` prints one line and leaves; a program that does not is none of ours. */
const VERSION_MS_MAX = 5_000;
const VERSION_BYTES_MAX = 16 * 1024;

const PROGRAMS = ['redis-server', 'valkey-server'] as const;

export interface LocateOptions {
  /** From `--server`, the environment or the YAML file. Nothing else is tried when it is given. */
  readonly explicit: string | null;
  /** The value of PATH. */
  readonly path: string;
  /** Holds `<name>/usr/bin/<program>`, where the bootstrap unpacks servers; null for none. */
  readonly cacheDir: string | null;
}

export interface LocatedServer {
  readonly path: string;
  readonly flavor: Flavor;
}

export async function locateServer(options: LocateOptions): Promise<LocatedServer> {
  if (options.explicit !== null) return inspectServer(options.explicit);
  const rejected: string[] = [];
  for (const path of await candidates(options)) {
    if (!(await isExecutable(path))) continue;
    try {
      return await inspectServer(path);
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      rejected.push(error.message);
    }
  }
  const where = `looked for ${PROGRAMS.join(' and ')} on PATH (${options.path})${
    options.cacheDir === null ? '' : ` and in ${options.cacheDir}`
  }`;
  const todo =
    `install ${oldestSupported()} or newer (Debian: apt-get install redis-server), ` +
    'or give its path with --server';
  if (rejected.length > 0) {
    const code = rejected[0]?.startsWith('SERVER_TOO_OLD') ? 'SERVER_TOO_OLD' : 'SERVER_MISSING';
    throw new ServerError(code, `no usable server: ${rejected.join('; ')}; ${where}; ${todo}`);
  }
  throw new ServerError('SERVER_MISSING', `no server program found: ${where}; ${todo}`);
}

/** Asks the program at `path` who it is. */
export async function inspectServer(path: string): Promise<LocatedServer> {
  if (!(await isExecutable(path))) {
    throw new ServerError('SERVER_MISSING', `${path} is not there or is not executable`);
  }
  const flavor = parseVersion(await versionOf(path));
  if (flavor === null) {
    throw new ServerError('SERVER_MISSING', `${path} is neither redis-server nor valkey-server`);
  }
  if (!isSupported(flavor)) {
    const found = versionText(flavor);
    throw new ServerError(
      'SERVER_TOO_OLD',
      `${path} is ${found}; it takes ${oldestSupported()} or newer`,
    );
  }
  return { path, flavor };
}

async function versionOf(path: string): Promise<string> {
  try {
    const options = { timeout: VERSION_MS_MAX, maxBuffer: VERSION_BYTES_MAX };
    return (await promisify(execFile)(path, ['--version'], options)).stdout;
  } catch (cause) {
    throw new ServerError('SERVER_MISSING', `${path} --version failed`, { cause });
  }
}

async function candidates({ path, cacheDir }: LocateOptions): Promise<string[]> {
  const directories = path.split(delimiter).filter((directory) => directory !== '');
  if (cacheDir !== null) {
    const names = await readdir(cacheDir).catch(() => []);
    directories.push(...names.toSorted().map((name) => join(cacheDir, name, 'usr', 'bin')));
  }
  // A redis-server anywhere comes before a valkey-server: one kind per deployment, by one rule.
  return PROGRAMS.flatMap((program) => directories.map((directory) => join(directory, program)));
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
