/**
 * A server for newcomers: the one on PATH, else Debian's package where we may install it.
 *
 * Debian's package would start a service on port 6379 and at every boot. A `policy-rc.d` that
 * denies everything stands in the way while it installs; one that was there before comes back.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { findOnPath, runQuietly, SetupError } from './bootstrap.mjs';

export const SERVER_NAMES = ['redis-server', 'valkey-server'];

const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_ASIDE = '/usr/sbin/policy-rc.d.before-althing';
const POLICY_MARK = '# placed by althing while it installs a server; safe to delete';

/** The path of a server on PATH, installed first if need be. */
export async function ensureServer() {
  const found = findOnPath(SERVER_NAMES);
  if (found) return found;
  const why = whyNoInstall();
  if (why) throw new SetupError(sentence(why));
  await installServer();
  const installed = findOnPath(SERVER_NAMES);
  if (!installed) throw new SetupError(sentence('the package installed none'));
  return installed;
}

function sentence(why) {
  return (
    `no server: looked for ${SERVER_NAMES.join(' and ')} in ${process.env.PATH}, and ${why}; ` +
    'install redis-server 7.0 or valkey-server 7.2 or newer, or name one with --server PATH.'
  );
}

function whyNoInstall() {
  if (!findOnPath(['apt-get'])) return 'there is no apt-get to install one with';
  if (process.getuid?.() !== 0) return 'only root may install one with apt-get';
  return null;
}

async function installServer() {
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const what = 'setting up: redis-server';
  const install = ['install', '-y', '--no-install-recommends', 'redis-server'];
  const restore = denyServices();
  try {
    try {
      await runQuietly(what, 'apt-get', install, { env });
    } catch {
      // The package lists are missing, or older than the archive.
      await runQuietly('setting up: package lists', 'apt-get', ['update'], {
        env,
        todo: sentence('its package lists cannot be fetched'),
      });
      await runQuietly(what, 'apt-get', install, {
        env,
        todo: sentence('apt-get cannot install one'),
      });
    }
    if (existsSync('/run/systemd/system'))
      await runQuietly('setting up: no service', 'systemctl', ['disable', 'redis-server'], { env });
  } finally {
    restore();
  }
}

function denyServices() {
  // A run that was killed half way left its own policy behind.
  if (existsSync(POLICY) && !readFileSync(POLICY, 'utf8').includes(POLICY_MARK))
    renameSync(POLICY, POLICY_ASIDE);
  writeFileSync(POLICY, `#!/bin/sh\n${POLICY_MARK}\nexit 101\n`, { mode: 0o755 });
  const restore = () => {
    rmSync(POLICY, { force: true });
    if (existsSync(POLICY_ASIDE)) renameSync(POLICY_ASIDE, POLICY);
    for (const signal of SIGNALS) process.off(signal, stop);
  };
  const stop = () => {
    restore();
    process.exit(130);
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  return restore;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
