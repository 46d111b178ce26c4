/** Compiles the shim once per version of its source, into the cache of this machine. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type BuiltShims = { readonly path: string } | { readonly skipped: string };

const SOURCE = new URL('./unreliable.c', import.meta.url);
const FLAGS = ['-O2', '-Wall', '-Wextra', '-shared', '-fPIC'];
const LIBRARIES = ['-ldl', '-lpthread'];
const COMPILE_MS_MAX = 60_000;

/** Where there is no compiler, the faults that need this are skipped, and say why. */
export async function buildShims(compiler = 'cc'): Promise<BuiltShims> {
  if (process.platform !== 'linux') return { skipped: `no such shim for ${process.platform}` };
  const source = readFileSync(SOURCE);
  const version = createHash('sha256').update(source).update(FLAGS.join(' ')).digest('hex');
  const directory = join(homedir(), '.cache', 'althing', 'shims');
  const path = join(directory, `unreliable-${process.arch}-${version.slice(0, 16)}.so`);
  if (existsSync(path)) return { path };
  mkdirSync(directory, { recursive: true });
  // Several runs may compile at once: each its own file, and the name is given when it is whole.
  const unfinished = `${path}.${process.pid}`;
  const words = [...FLAGS, '-o', unfinished, SOURCE.pathname, ...LIBRARIES];
  const failure = await new Promise<string | null>((resolve) => {
    execFile(compiler, words, { timeout: COMPILE_MS_MAX }, (error, _, complaints) => {
      resolve(error === null ? null : complaints.trim() || error.message);
    });
  });
  if (failure !== null) return { skipped: `${compiler} did not compile the shim: ${failure}` };
  renameSync(unfinished, path);
  return { path };
}
