/**
 * From a fresh clone to a running program, with nothing but Node 20 and npm: the dependencies, the
 * right Node, and a server where one is needed.
 *
 * Plain JavaScript over builtin modules, because it runs before there is anything else. Each step
 * is silent when there is nothing to do, one line when there is, and one sentence when it cannot.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The first release line that runs TypeScript sources as they are, without a flag. */
const NODE_MIN = [22, 18];
/** Lines of a failed child worth showing: npm says why at its beginning, apt at its end. */
const FAILURE_LINES = 15;

const PARENT_LOOK_MS = 1000;

export class SetupError extends Error {}

/** `bin/althing`: bootstraps, then becomes the program with these arguments. */
export async function runAlthing(args) {
  await orExplain(async () => {
    await ensureDependencies();
    const node = findNode();
    if (wantsServer(args)) await (await import('./server.mjs')).ensureServer();
    const { programFile } = await import('./program.mjs');
    becomeProgram(node, await programFile(), args);
  });
}

/** `npm test` and its kin: the same for any other script of the repository. */
export async function runScript(script, args, { withServer }) {
  await orExplain(async () => {
    await ensureDependencies();
    const node = findNode();
    if (withServer && !process.env.ALTHING_SERVER)
      await (await import('./server.mjs')).ensureServer();
    const path = join(ROOT, script);
    if (!existsSync(path)) throw new SetupError(`${script} is not there yet`);
    becomeProgram(node, path, args);
  });
}

async function orExplain(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`althing: ${error.message}\n`);
    process.exitCode = 1;
  }
}

/** Only `up` may install a server: the other commands either need none or must be told which. */
function wantsServer(args) {
  if (args[0] !== 'up' || process.env.ALTHING_SERVER) return false;
  return !args.some((arg) => /^(--server(=.*)?|--help|-h)$/.test(arg));
}

// --- Dependencies ---

export async function ensureDependencies() {
  if (areDependenciesLevel()) return;
  // Not `npm ci`: it deletes what a running program may need, and it refuses a lock file without
  // the packages of every other platform, which is what npm writes where a registry lacks them.
  const quiet = ['--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  await runQuietly('setting up: dependencies', 'npm', ['install', '--no-save', ...quiet], {
    todo: 'Is the package registry reachable?',
  });
}

/** Compares what npm noted inside node_modules with the lock file: file times say nothing here. */
function areDependenciesLevel() {
  const noted = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(noted)) return false;
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const found = JSON.parse(readFileSync(noted, 'utf8')).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.optional) continue;
    if (found[path]?.version !== entry.version) return false;
  }
  return true;
}

// --- The right Node ---

/** The local Node 24, else the running one if it is new enough, else a sentence. */
export function findNode() {
  const modules = join(ROOT, 'node_modules');
  const system = `${process.platform}-${process.arch}`;
  // The `node` package's install script fetches one of the others and links its binary. Where
  // scripts are switched off it may have been put there by hand.
  const packages = ['node', `node-${system}`, `node-bin-${system}`];
  for (const name of packages) {
    for (const base of [modules, join(modules, 'node', 'node_modules')]) {
      const binary = join(base, name, 'bin', 'node');
      if (isExecutable(binary)) return binary;
    }
  }
  if (isNewEnough(process.versions.node)) return process.execPath;
  throw new SetupError(
    `this needs Node ${NODE_MIN.join('.')} or newer and runs on ${process.versions.node}; ` +
      'node_modules/node has no binary, so install scripts were probably switched off: ' +
      'run `npm rebuild node --ignore-scripts=false`, or use a newer Node.',
  );
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function findOnPath(names) {
  for (const name of names) {
    for (const directory of (process.env.PATH ?? '').split(delimiter)) {
      if (directory !== '' && isExecutable(join(directory, name))) return join(directory, name);
    }
  }
  return null;
}

// --- Running on ---

/** Replaces this process where Node can do that; else stands in for the program it starts. */
function becomeProgram(node, script, args) {
  const all = ['--disable-warning=ExperimentalWarning', script, ...args];
  // Programs that were run once are not compiled again: a start takes half the time. What it runs
  // itself, agents and threads, inherits this; a place that cannot be written is simply not used.
  const env = {
    NODE_COMPILE_CACHE: join(ROOT, 'node_modules', '.cache', 'compiled'),
    ...process.env,
  };
  if (process.execve) process.execve(node, [node, ...all], env);

  // Killing the stand-in must kill the program, as it would after a real exec.
  const setpriv = findOnPath(['setpriv']);
  const child = setpriv
    ? spawn(setpriv, ['--pdeathsig', 'KILL', node, ...all], { stdio: 'inherit', env })
    : spawn(node, all, { stdio: 'inherit', env });
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR2']) {
    process.on(signal, () => child.kill(signal));
  }
  // A terminal sends Ctrl-C to every process in front, so the program has it already.
  const fromTerminal = process.stdin.isTTY === true;
  process.on('SIGINT', () => fromTerminal || child.kill('SIGINT'));
  // npm passes signals on, but not its own death.
  if (process.env.npm_lifecycle_event) {
    const parent = process.ppid;
    const orphaned = () => process.ppid !== parent && child.kill('SIGTERM');
    setInterval(orphaned, PARENT_LOOK_MS).unref();
  }
  child.on('error', (error) => {
    process.stderr.write(`althing: cannot run ${node}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (osConstants.signals[signal] ?? 0));
  });
}

// --- Telling ---

/** Runs a command with its output kept back; shows the end of it only when the command fails. */
export async function runQuietly(what, command, args, { env = {}, todo = '' } = {}) {
  const begin = Date.now();
  const seconds = () => `${((Date.now() - begin) / 1000).toFixed(0)} s`;
  const onTerminal = process.stderr.isTTY === true;
  const show = (text) => process.stderr.write(onTerminal ? `\r\x1b[K${text}` : text);
  show(onTerminal ? `${what} ...` : `${what} ...\n`);
  const ticking = onTerminal ? setInterval(() => show(`${what} ... ${seconds()}`), 1000) : null;
  try {
    const { code, output } = await run(command, args, env);
    if (code !== 0) {
      show('');
      const words = beginningAndEnd(output.trimEnd().split('\n')).join('\n');
      throw new SetupError(`${what} failed: \`${command} ${args.join(' ')}\`\n${words}\n${todo}`);
    }
    show(onTerminal ? `${what}: done in ${seconds()}\n` : '');
    return output;
  } finally {
    if (ticking) clearInterval(ticking);
  }
}

function beginningAndEnd(lines) {
  if (lines.length <= 2 * FAILURE_LINES) return lines;
  return [...lines.slice(0, FAILURE_LINES), '...', ...lines.slice(-FAILURE_LINES)];
}

function run(command, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        output = (output + text).slice(-64 * 1024);
      });
    }
    child.on('error', (error) => reject(new SetupError(`cannot run ${command}: ${error.message}`)));
    child.on('close', (code) => resolve({ code, output }));
  });
}
