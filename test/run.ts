/**
 * `npm test`, `npm run ok`, `npm run system -- NAME`: types, lint, unit tests, system tests.
 *
 * Node's own test runner does the work; this orders it, says one line per file, bounds the whole,
 * and looks for what a test left behind.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Queue, runFiles, summaryLines } from './run/files.ts';
import { systemFiles, unitFiles } from './run/inventory.ts';
import { Leftovers } from './run/leftovers.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Of all of `npm test`: under ten minutes on two cores; the rest is room for busy ones. */
const ALL_MS = 15 * 60_000;
/** Of one file. */
const UNIT_FILE_MS = 240_000;
const SYSTEM_FILE_MS = 240_000;
/** `npm run system` has counts for hours in it. */
const FULL_FILE_MS = 6 * 60 * 60_000;

interface Plan {
  readonly checks: boolean;
  readonly unit: readonly string[];
  readonly system: readonly string[];
  readonly servers: boolean;
  readonly full: boolean;
}

function planOf(args: readonly string[]): Plan | string {
  const [first, ...rest] = args;
  const none = { checks: false, unit: [], system: [], servers: true, full: false };
  if (first === '--system') {
    const all = systemFiles(ROOT);
    const wanted = rest.map((name) => `test/system/${name}.test.ts`);
    const missing = wanted.filter((path) => !all.includes(path));
    if (wanted.length > 0 && missing.length === 0) return { ...none, system: wanted, full: true };
    const names = all.map((path) => path.slice('test/system/'.length, -'.test.ts'.length));
    return `npm run system -- NAME, with NAME one of: ${names.join(', ') || '(none yet)'}`;
  }
  if (first === '--quick') return { ...none, checks: true, unit: unitFiles(ROOT), servers: false };
  const match = (path: string): boolean =>
    args.length === 0 || args.some((word) => path.includes(word));
  const plan = {
    checks: args.length === 0,
    unit: unitFiles(ROOT).filter(match),
    system: systemFiles(ROOT).filter(match),
    servers: true,
    full: false,
  };
  const found = plan.unit.length + plan.system.length;
  return found > 0 ? plan : `no test file has ${args.join(' or ')} in its path`;
}

/**
 * System tests wait more than they compute, and unit tests only compute: side by side they fill the
 * cores, with one lane more than there are. A full run measures: one system test at a time, and
 * nothing beside it.
 */
function lanesOf({ unit, system, full }: Plan): Queue[][] {
  const queue = (paths: readonly string[], fileMs: number): Queue =>
    paths.map((path) => ({ path, fileMs }));
  if (full) return [[queue(system, FULL_FILE_MS)]];
  const waiting = queue(system, SYSTEM_FILE_MS);
  const computing = queue(unit, UNIT_FILE_MS);
  const others = Array.from({ length: availableParallelism() }, () => [waiting, computing]);
  return [[computing, waiting], ...others];
}

/** Runs one of the project's tools with its output kept back unless it fails. */
function check(what: string, tool: string, args: readonly string[]): boolean {
  const begin = Date.now();
  const { status, stdout, stderr } = spawnSync(join(ROOT, 'node_modules', '.bin', tool), args, {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const seconds = ((Date.now() - begin) / 1000).toFixed(1);
  print(`${status === 0 ? 'ok  ' : 'FAIL'} ${what} (${seconds} s)`);
  if (status !== 0) print(`${stdout}${stderr}`.trimEnd());
  return status === 0;
}

async function findServers(): Promise<void> {
  // Plain JavaScript of the bootstrap, without types.
  const path = '../scripts/servers.mjs';
  const servers = (await import(path)) as {
    fetchServers(): Promise<string[]>;
    availableServers(): string[];
    ensureDnsmasq(): Promise<{ readonly path: string | null; readonly why: string }>;
  };
  for (const line of await servers.fetchServers()) print(line);
  process.env['ALTHING_TEST_SERVERS'] = servers.availableServers().join(':');
  const dnsmasq = await servers.ensureDnsmasq();
  print(`dnsmasq: ${dnsmasq.path ?? `skipped: ${dnsmasq.why}`}`);
  if (dnsmasq.path !== null) process.env['ALTHING_TEST_DNSMASQ'] = dnsmasq.path;
  await findPackages();
}

async function findPackages(): Promise<void> {
  type Found = { readonly path: string | null; readonly why: string };
  const path = '../scripts/packages.mjs';
  const packages = (await import(path)) as Record<
    'ensureHaproxy' | 'ensureClients',
    () => Promise<Found>
  >;
  for (const [name, variable, found] of [
    ['haproxy', 'ALTHING_TEST_HAPROXY', await packages.ensureHaproxy()],
    ['clients', 'ALTHING_TEST_CLIENTS', await packages.ensureClients()],
  ] as const) {
    print(`${name}: ${found.path ?? `skipped: ${found.why}`}`);
    if (found.path !== null) process.env[variable] = found.path;
  }
}

async function main(args: readonly string[]): Promise<number> {
  const plan = planOf(args);
  if (typeof plan === 'string') {
    print(plan);
    return 2;
  }
  const begin = Date.now();
  const end = plan.full ? Number.POSITIVE_INFINITY : begin + ALL_MS;
  if (plan.full) process.env['ALTHING_FULL'] = '1';
  if (plan.servers) await findServers();
  let sound = true;
  if (plan.checks) {
    sound = check('types', 'tsc', ['--noEmit']) && sound;
    sound = check('format and lint', 'biome', ['check', '.']) && sound;
  }
  const leftovers = new Leftovers();
  process.on('exit', () => leftovers.close());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => process.exit(1));
  const total = await runFiles({ print, leftovers, cwd: ROOT, end, lanes: lanesOf(plan) });
  for (const line of summaryLines(total, Date.now() - begin)) print(line);
  const passed = sound && total.fail === 0 && total.cancelled === 0 && total.complaints === 0;
  if (!sound) print('FAIL: types, format or lint, above');
  return passed ? 0 : 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exit(await main(process.argv.slice(2)));
