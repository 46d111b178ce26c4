/**
 * The directory in which `up` keeps a deployment between runs.
 *
 * One `up` at a time: an exclusive `flock` on `up.lock`, taken by util-linux's flock on a file
 * descriptor of ours, so the kernel releases it however we die. Only what `up.json` names is ever
 * deleted.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { UpError } from './up-error.ts';

/** Twice the 128 bits that a deployment's secret must have at least. */
const SECRET_BYTES = 32;

export interface StateDirectory {
  readonly path: string;
  readonly secretFile: string;
  nodeDirectory(node: string): string;
}

interface Record {
  readonly nodes: readonly string[];
}

export function defaultStateDirectory(environment: NodeJS.ProcessEnv): string {
  const state = environment['XDG_STATE_HOME'];
  // The XDG rules: a relative path there is invalid and to be ignored.
  const base = state?.startsWith('/') ? state : join(homedir(), '.local', 'state');
  return join(base, 'althing', 'up');
}

/** Opens, locks and prepares it for these nodes, or throws a `UpError`. */
export function openStateDirectory(
  where: string,
  nodes: readonly string[],
  fresh: boolean,
): StateDirectory {
  const path = resolve(where);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    lock(path);
    if (fresh) removeNodes(path);
    record(path, nodes);
    for (const node of nodes) mkdirSync(join(path, node), { recursive: true, mode: 0o700 });
    return {
      path,
      secretFile: secretIn(path),
      nodeDirectory: (node) => join(path, node),
    };
  } catch (error) {
    if (error instanceof UpError) throw error;
    throw new UpError(`cannot use ${path}: ${(error as Error).message}`);
  }
}

function lock(path: string): void {
  const file = join(path, 'up.lock');
  // Not closed on purpose: the lock lives as long as this descriptor. Children do not inherit it.
  const descriptor = openSync(file, 'a+', 0o600);
  const taken = spawnSync('flock', ['-n', '3'], {
    stdio: ['ignore', 'pipe', 'pipe', descriptor],
  });
  const refused = taken.error ? isAlive(holder(file)) : taken.status !== 0;
  if (refused) {
    throw new UpError(
      `another \`althing up\` (pid ${holder(file) ?? 'unknown'}) runs on ${path}; ` +
        'stop it, or give another --dir and --base-port',
    );
  }
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, `${process.pid}\n`);
}

function holder(file: string): number | null {
  const pid = Number(readFileSync(file, 'utf8').trim());
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
}

function isAlive(pid: number | null): boolean {
  if (pid === null) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** More nodes than before join the others; fewer would leave some out that count. */
function record(path: string, nodes: readonly string[]): void {
  const known = readRecord(path)?.nodes ?? [];
  if (known.length > nodes.length) {
    throw new UpError(
      `${path} holds a deployment of ${known.length} nodes; ` +
        `give --nodes ${known.length} or more to continue with it, or --fresh to delete it`,
    );
  }
  const added = nodes.filter((node) => !known.includes(node));
  const taken = added.find((node) => existsSync(join(path, node)));
  if (taken) {
    throw new UpError(
      `${join(path, taken)} exists and \`althing up\` did not make it; give another --dir`,
    );
  }
  if (added.length > 0)
    writeFileSync(join(path, 'up.json'), `${JSON.stringify({ nodes } satisfies Record)}\n`);
}

function removeNodes(path: string): void {
  for (const node of readRecord(path)?.nodes ?? [])
    rmSync(join(path, node), { recursive: true, force: true });
  rmSync(join(path, 'up.json'), { force: true });
}

function readRecord(path: string): Record | null {
  const file = join(path, 'up.json');
  if (!existsSync(file)) return null;
  const problem = new UpError(`${file} is damaged; move ${path} away, or give another --dir`);
  try {
    const { nodes } = JSON.parse(readFileSync(file, 'utf8')) as { nodes: unknown };
    const valid = Array.isArray(nodes) && nodes.every((n) => /^node[1-9]$/.test(String(n)));
    if (!valid) throw problem;
    return { nodes: nodes.map(String) };
  } catch {
    throw problem;
  }
}

function secretIn(path: string): string {
  const file = join(path, 'secret');
  if (!existsSync(file))
    writeFileSync(file, `${randomBytes(SECRET_BYTES).toString('hex')}\n`, { mode: 0o600 });
  return file;
}
