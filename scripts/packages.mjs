/**
 * Programs of Debian packages that tests run and this machine lacks: unpacked beside the servers,
 * never installed. Each is found, or skipped with the reason.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensure } from './servers.mjs';

/** Only `install` finds out what else is needed; nothing is installed. */
const MISSING = ['install', '-y', '--no-install-recommends', '--download-only'];

/** Libraries of the tree before those of the machine. */
function starter(words) {
  return `#!/bin/sh
tree=$(dirname "$0")
for each in "$tree"/usr/lib/*/ "$tree"/lib/*/; do LD_LIBRARY_PATH="$each:$LD_LIBRARY_PATH"; done
export LD_LIBRARY_PATH
${words}
`;
}

/** haproxy's path, on PATH or in the cache. */
export async function ensureHaproxy() {
  return await ensure('haproxy', 'haproxy', [...MISSING, 'haproxy'], (tree) => {
    const words = 'case "$1" in --version) set -- -v;; esac\nexec "$tree/usr/sbin/haproxy" "$@"';
    writeFileSync(join(tree, 'haproxy'), starter(words), { mode: 0o755 });
  });
}

/** Clients of other languages: each is its language's program with the library in reach. */
const CLIENTS = {
  'python-redis': 'PYTHONPATH="$tree/usr/lib/python3/dist-packages" exec /usr/bin/python3 "$@"',
  'perl-redis': 'PERL5LIB="$tree/usr/share/perl5" exec perl "$@"',
  'php-redis': `php=$(ls "$tree"/usr/bin/php*.* 2>/dev/null | grep -v phpdbg | head -n 1)
so=$(ls -d "$tree"/usr/lib/php/2*/ | head -n 1)
exec "\${php:-php}" -n -d extension_dir="$so" -d extension=igbinary -d extension=redis "$@"`,
};
const CLIENT_PACKAGES = ['python3-redis', 'libredis-perl', 'php-redis', 'php-cli'];

/** The directory with a starter of each, by the names above. */
export async function ensureClients() {
  const fetching = [...MISSING, ...CLIENT_PACKAGES];
  const { path, why } = await ensure('redis-clients', 'php-redis', fetching, (tree) => {
    for (const [name, words] of Object.entries(CLIENTS))
      writeFileSync(join(tree, name), starter(words), { mode: 0o755 });
  });
  return { path: path === null ? null : dirname(path), why };
}
