/**
 * Fetches other servers into a cache directory, without installing anything: valkey and dnsmasq for
 * the tests, etcd for the bench.
 *
 * valkey comes from Debian's backports, a newer one that moves whole slots from sid, the others
 * from the release that this machine runs: the archive's address is whatever apt is configured with
 * here, the package lists go to a directory of their own, and packages are only unpacked. Best
 * effort: each is found, or skipped with the reason.
 */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { findOnPath } from './bootstrap.mjs';
import { SERVER_NAMES } from './server.mjs';

const VALKEY_SUITE = 'bookworm-backports';
const VALKEY_PACKAGES = ['valkey-server', 'valkey-tools'];
const ATOMIC_SUITE = 'sid';
const ATOMIC_LIBRARIES = [
  ...['libc6', 'libatomic1', 'libjemalloc2', 'liblzf1', 'libssl3t64', 'libsystemd0'],
  ...['libcap2', 'libgcc-s1', 'libstdc++6', 'libzstd1', 'zlib1g'],
];
const ETCD_PACKAGES = ['etcd-server'];
const DNSMASQ_PACKAGES = ['dnsmasq-base'];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** A slow mirror must not eat the time of the tests. */
const PATIENCE_MS = 120_000;

const runFile = promisify(execFile);

export function cacheDirectory() {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(process.env.ALTHING_CACHE || join(base, 'althing'), 'servers');
}

/** Every server that is there, as paths: what PATH has first, then what was fetched. */
export function availableServers() {
  const named = process.env.ALTHING_SERVER ? [process.env.ALTHING_SERVER] : [];
  const onPath = SERVER_NAMES.map((name) => findOnPath([name])).filter(Boolean);
  const fetched = versions()
    .map((version) => join(cacheDirectory(), version, 'usr', 'bin', 'valkey-server'))
    .filter((path) => existsSync(path));
  return [...new Set([...named, ...onPath, ...fetched])];
}

function versions() {
  return existsSync(cacheDirectory()) ? readdirSync(cacheDirectory()).sort() : [];
}

/** One line per server for people. Throws nothing. */
export async function fetchServers() {
  const lines = availableServers().map((path) => `server: ${path}`);
  if (lines.some((line) => line.includes('valkey'))) return lines;
  try {
    lines.push(`server: ${await fetchValkey()}`);
  } catch (error) {
    lines.push(`server: valkey skipped: ${reason(error)}`);
  }
  return lines;
}

function reason(error) {
  const lines = String(error.stderr || error.message)
    .trim()
    .split('\n');
  return lines.find((line) => line.startsWith('E: ')) ?? lines[0];
}

async function fetchValkey() {
  return await unpacked(VALKEY_SUITE, ['download', ...VALKEY_PACKAGES], async (tree) => {
    const server = join(tree, 'usr', 'bin', 'valkey-server');
    const { stdout } = await runFile(server, ['--version']);
    const version = /v=([\d.]+)/.exec(stdout)?.[1];
    if (!version) throw new Error(`${server} does not tell its version`);
    return join(await keep(tree, `valkey-${version}`), 'usr', 'bin', 'valkey-server');
  });
}

/** etcd's path: on PATH, fetched before, or fetched now; else null and why. Throws nothing. */
export async function ensureEtcd() {
  return await ensure('etcd', join('usr', 'bin', 'etcd'), ['download', ...ETCD_PACKAGES]);
}

/** dnsmasq's path likewise: with the libraries that this machine lacks, which it has to be told. */
export async function ensureDnsmasq() {
  // Only `install` finds out what else is needed; nothing is installed.
  const missing = ['install', '-y', '--no-install-recommends', '--download-only'];
  return await ensure('dnsmasq', 'dnsmasq', [...missing, ...DNSMASQ_PACKAGES], (tree) => {
    writeFileSync(join(tree, 'dnsmasq'), DNSMASQ_STARTER, { mode: 0o755 });
  });
}

const DNSMASQ_STARTER = `#!/bin/sh
tree=$(dirname "$0")
for each in "$tree"/usr/lib/*/; do LD_LIBRARY_PATH="$each:$LD_LIBRARY_PATH"; done
export LD_LIBRARY_PATH
exec "$tree/usr/sbin/dnsmasq" "$@"
`;

/**
 * A server that moves whole slots by itself (valkey 9), for the tests that are about that. It is of
 * a newer release, so its C library and loader come along.
 */
export async function ensureAtomicServer() {
  const fetching = ['download', ...VALKEY_PACKAGES, ...ATOMIC_LIBRARIES];
  const finish = (tree) => {
    writeFileSync(join(tree, 'valkey-atomic'), ATOMIC_STARTER, { mode: 0o755 });
  };
  return await ensure('valkey-atomic', 'valkey-atomic', fetching, finish, ATOMIC_SUITE);
}

const ATOMIC_STARTER = `#!/bin/sh
tree=$(dirname "$0")
for each in "$tree"/usr/lib/*-linux-*/; do libraries="$each"; done
for each in "$libraries"ld-linux*.so.*; do loader="$each"; done
exec "$loader" --library-path "$libraries" "$tree/usr/bin/valkey-server" "$@"
`;

/** Not beside the servers: what is there is taken for one. `suite` is this machine's by default. */
export async function ensure(name, program, fetching, finish = () => undefined, suite = null) {
  const directory = join(dirname(cacheDirectory()), name);
  const path = join(directory, program);
  try {
    const found = findOnPath([name]) ?? (existsSync(path) ? path : null);
    if (found) return { path: found, why: '' };
    await unpacked(suite ?? (await archive()).release, fetching, async (tree) => {
      finish(tree);
      await runFile(join(tree, program), ['--version']);
      await moveInto(tree, directory);
    });
    return { path, why: '' };
  } catch (error) {
    return { path: null, why: reason(error) };
  }
}

/** Fetches and unpacks packages of a suite into a directory that is there only for `use`. */
async function unpacked(suite, fetching, use) {
  for (const tool of ['apt-get', 'dpkg-deb'])
    if (!findOnPath([tool])) throw new Error(`there is no ${tool}`);
  const work = mkdtempSync(join(tmpdir(), 'althing-apt-'));
  try {
    const apt = await privateApt(work, suite);
    await apt(['update']);
    await apt(fetching);
    const fetched = [work, join(work, 'cache', 'archives')].flatMap((directory) =>
      readdirSync(directory).map((name) => join(directory, name)),
    );
    for (const path of fetched.filter((each) => each.endsWith('.deb')))
      await runFile('dpkg-deb', ['-x', path, join(work, 'tree')]);
    return await use(join(work, 'tree'));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Moves a whole tree into place at once, so that another run never sees half of it. */
async function keep(tree, name) {
  const place = join(cacheDirectory(), name);
  await moveInto(tree, place);
  return place;
}

async function moveInto(tree, place) {
  mkdirSync(dirname(place), { recursive: true });
  const beside = `${place}.${process.pid}`;
  await runFile('cp', ['-a', tree, beside]);
  if (existsSync(place)) rmSync(beside, { recursive: true });
  else renameSync(beside, place);
}

/** An apt that knows one suite and keeps everything it fetches in `work`. */
async function privateApt(work, suite) {
  const { uri, options } = await archive();
  const lists = join(work, 'lists');
  const sources = join(work, 'sources.list');
  mkdirSync(join(lists, 'partial'), { recursive: true });
  mkdirSync(join(work, 'cache', 'archives', 'partial'), { recursive: true });
  mkdirSync(join(work, 'empty'));
  writeFileSync(sources, `deb ${options} ${uri} ${suite} main\n`);
  const settings = [
    `Dir::Etc::SourceList=${sources}`,
    `Dir::Etc::SourceParts=${join(work, 'empty')}`,
    `Dir::State::Lists=${lists}`,
    `Dir::Cache=${join(work, 'cache')}`,
    'Acquire::Languages=none',
    'APT::Sandbox::User=root',
    'APT::Update::Error-Mode=any',
    // All that it writes is in `work`: several may fetch at once.
    'Debug::NoLocking=true',
  ].flatMap((setting) => ['-o', setting]);
  return (args) =>
    runFile('apt-get', ['-q', ...settings, ...args], {
      cwd: work,
      timeout: PATIENCE_MS,
      maxBuffer: 16 * 1024 * 1024,
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
}

/** Where this machine gets Debian from: the archive whose `main` it already uses. */
async function archive() {
  const format = '$(REPO_URI)|$(COMPONENT)|$(RELEASE)';
  const { stdout } = await runFile('apt-get', ['indextargets', '--format', format]);
  const rows = stdout.split('\n').map((row) => row.split('|'));
  const usable = rows.filter(
    ([uri, component, release]) =>
      component === 'main' && /\/debian\/?$/.test(uri ?? '') && !/security/.test(release ?? ''),
  );
  // Before `-updates` and `-backports`: the release itself.
  const [uri, , release] = usable.find((row) => !row[2]?.includes('-')) ?? usable[0] ?? [];
  if (!uri) throw new Error('apt has no Debian archive configured');
  return { uri, release, options: existsSync(KEYRING) ? `[signed-by=${KEYRING}]` : '' };
}

/** Not at the module's top: packages.mjs imports this one, and would be waited for in a ring. */
async function main() {
  const { ensureClients, ensureHaproxy } = await import('./packages.mjs');
  const lines = await fetchServers();
  for (const [name, ensured] of [
    ['atomic', await ensureAtomicServer()],
    ['dnsmasq', await ensureDnsmasq()],
    ['etcd', await ensureEtcd()],
    ['haproxy', await ensureHaproxy()],
    ['clients', await ensureClients()],
  ])
    lines.push(`${name}: ${ensured.path ?? `skipped: ${ensured.why}`}`);
  for (const line of lines) process.stdout.write(`${line}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) void main();
