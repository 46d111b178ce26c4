/**
 * `npm test`, `npm run ok`, `npm run system -- NAME`: types, lint, unit tests, system tests.
 *
 * Node's own test runner does the work; this orders it, says one line per file, bounds the whole,
 * and looks for what a test left behind.
 */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
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
/** They pour data, and need some of the machine to be done in time. */
const HEAVY: ReadonlySet<string> = new Set(['bad-input', 'bounds', 'catch-up', 'chaos', 'faults']);
/** `npm run system` has counts for hours in it. */
const FULL_FILE_MS = 6 * 60 * 60_000;
/** Of a tool that complains about everything. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

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
 * cores, with two lanes more than there are. Of those that fill disks and buffers one runs at a
 * time. A full run measures: one system test at a time, and nothing beside it.
 */
function lanesOf({ unit, system, full }: Plan): Queue[][] {
  const queue = (paths: readonly string[], fileMs: number): Queue =>
    paths.map((path) => ({ path, fileMs }));
  if (full) return [[queue(system, FULL_FILE_MS)]];
  const isHeavy = (path: string): boolean => HEAVY.has(basename(path, '.test.ts'));
  const heavy = queue(system.filter(isHeavy), SYSTEM_FILE_MS);
  const isLight = (path: string): boolean => !isHeavy(path);
  const waiting = queue(system.filter(isLight), SYSTEM_FILE_MS);
  const computing = queue(unit, UNIT_FILE_MS);
  const others = Array.from({ length: availableParallelism() }, () => [waiting, computing]);
  return [[heavy, waiting, computing], [computing, waiting], ...others];
}

/** Runs one of the project's tools with its output kept back unless it fails. */
async function check(what: string, tool: string, args: readonly string[]): Promise<boolean> {
  const begin = Date.now();
  const path = join(ROOT, 'node_modules', '.bin', tool);
  const options = { cwd: ROOT, maxBuffer: OUTPUT_BYTES_MAX };
  const { isGood, output } = await new Promise<{ isGood: boolean; output: string }>((resolve) =>
    execFile(path, [...args], options, (error, stdout, stderr) =>
      resolve({ isGood: error === null, output: `${stdout}${stderr}` }),
    ),
  );
  const seconds = ((Date.now() - begin) / 1000).toFixed(1);
  print(`${isGood ? 'ok  ' : 'FAIL'} ${what} (${seconds} s)`);
  if (!isGood) print(output.trimEnd());
  return isGood;
}

async function checkAll(): Promise<boolean> {
  const types = await check('types', 'tsc', ['--noEmit']);
  return (await check('format and lint', 'biome', ['check', '.'])) && types;
}

interface Found {
  readonly path: string | null;
  readonly why: string;
}

/** What is missing is fetched side by side: most of it is waiting for an archive. */
async function findServers(): Promise<void> {
  // Plain JavaScript of the bootstrap, without types.
  const [from, beside] = ['../scripts/servers.mjs', '../scripts/packages.mjs'];
  const servers = (await import(from)) as {
    fetchServers(): Promise<string[]>;
    availableServers(): string[];
    ensureAtomicServer(): Promise<Found>;
    ensureDnsmasq(): Promise<Found>;
  };
  const packages = (await import(beside)) as Record<
    'ensureHaproxy' | 'ensureClients',
    () => Promise<Found>
  >;
  const [lines, atomic, dnsmasq, haproxy, clients] = await Promise.all([
    servers.fetchServers(),
    servers.ensureAtomicServer(),
    servers.ensureDnsmasq(),
    packages.ensureHaproxy(),
    packages.ensureClients(),
  ]);
  for (const line of lines) print(line);
  process.env['ALTHING_TEST_SERVERS'] = servers.availableServers().join(':');
  for (const [name, found] of Object.entries({ atomic, dnsmasq, haproxy, clients })) {
    print(`${name}: ${found.path ?? `skipped: ${found.why}`}`);
    if (found.path !== null) process.env[`ALTHING_TEST_${name.toUpperCase()}`] = found.path;
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
  const finding = plan.servers ? findServers() : null;
  const sound = plan.checks ? await checkAll() : true;
  await finding;
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
