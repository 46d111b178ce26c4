/**
 * The program as one file: a start then finds and compiles one module instead of 500, which is a
 * third of what it costs. Sources stay what is run where there is no bundler, or no place to write.
 *
 * Each bundle is named after the sources that it was made of, so that whoever runs an older one
 * still finds the rest of it; plain JavaScript, because it runs before anything else of ours.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './bootstrap.mjs';

const SOURCES = join(ROOT, 'src');
const BUNDLES = join(ROOT, 'dist');
/** `src/own-program.ts` finds them here by these names. */
const ENTRIES = ['main', 'agent/relay-thread-entry', 'agent/warden-entry'];
/** What runs may be a few versions behind: so many stay. Each is 5 MB. */
const BUNDLES_MAX = 8;

/** The file to run for `althing`: of the bundle, made now where it is not there yet. */
export async function programFile() {
  const directory = join(BUNDLES, fingerprint());
  const file = join(directory, 'main.cjs');
  if (existsSync(file)) return file;
  return (await bundled(directory)) ? file : join(SOURCES, 'main.ts');
}

/** Times and sizes tell what was edited; the lock file, which packages it is made of. */
function fingerprint() {
  const hash = createHash('sha256');
  const files = readdirSync(SOURCES, { recursive: true }).filter(
    (path) => path.endsWith('.ts') && !path.endsWith('.test.ts'),
  );
  const all = [...files.map((path) => join('src', path)), 'package-lock.json'].sort();
  for (const path of all) {
    const { size, mtimeMs } = statSync(join(ROOT, path));
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Several may do this at once: whoever is first has made it for all. */
async function bundled(directory) {
  const draft = `${directory}.${process.pid}`;
  try {
    const esbuild = await import('esbuild');
    mkdirSync(BUNDLES, { recursive: true });
    await esbuild.build({
      absWorkingDir: ROOT,
      entryPoints: ENTRIES.map((entry) => join('src', `${entry}.ts`)),
      entryNames: '[name]',
      outdir: draft,
      bundle: true,
      platform: 'node',
      // As a module it would cost 80 ms more: `node:http` then loads all that it could export.
      format: 'cjs',
      outExtension: { '.js': '.cjs' },
      define: { 'import.meta.filename': '__filename' },
      target: 'node22',
      logLevel: 'silent',
    });
    renameSync(draft, directory);
  } catch (error) {
    removeIfPossible(draft);
    if (!existsSync(directory)) sayWhy(error);
    return existsSync(directory);
  }
  removeOld();
  return true;
}

/** Without a word where there is no bundler: that is an installation for use, not for work. */
function sayWhy(error) {
  if (error?.code === 'ERR_MODULE_NOT_FOUND') return;
  console.error(`althing: runs from its sources, which start more slowly: ${error?.message}`);
}

function removeOld() {
  const bundles = readdirSync(BUNDLES).map((name) => join(BUNDLES, name));
  const newestFirst = bundles
    // Another start may have removed it meanwhile.
    .map((path) => ({ path, mtimeMs: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.mtimeMs - a.mtimeMs);
  for (const { path } of newestFirst.slice(BUNDLES_MAX)) removeIfPossible(path);
}

/** What stays is in nobody's way, and the next bundle tries again. */
function removeIfPossible(path) {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // See above.
  }
}
