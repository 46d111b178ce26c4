/** `althing cluster` with TLS and with a named user: it looks, and moves keys. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { ClusterServers, done, refused, tool, toolWith } from './cluster-servers.ts';
import { atEnd, fileScope } from './scope.ts';

/** In slots 8192 and 8193: the first that the second of two primaries gives away. */
const [KEY, NEXT] = ['k3962', 'k2398'] as const;
const [USER, PASSWORD] = ['mover', 'a password'] as const;

let servers: ClusterServers;
let cert = '';
const scope = fileScope();

before(async () => {
  const dir = mkdtempSync(join(tmpdir(), 'althing-certificate-'));
  atEnd(scope, async () => rmSync(dir, { recursive: true, force: true }));
  cert = join(dir, 'cert.pem');
  const key = join(dir, 'key.pem');
  const name = ['-subj', '/CN=althing-test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', key, '-out', cert, '-days', '2'];
  execFileSync('openssl', ['req', ...kind, ...files, ...name], { stdio: 'ignore' });
  servers = await ClusterServers.start(scope, 2, { tls: { cert, key } });
  await servers.form(2);
});

test('C6: over TLS: a certificate is checked, or is not when that was said; slots and keys move', async () => {
  const ca = ['--cacert', cert];
  refused(await tool('check', servers.atTls(0), '--tls'), /SELF_SIGNED/, 3);
  done(await tool('check', servers.atTls(0), '--insecure'));
  done(await tool('check', servers.atTls(0), ...ca));
  assert.equal(await servers.ask(1, 'SET', KEY, 'over TLS'), 'OK');
  const [to, from] = [await servers.id(0), await servers.id(1)];
  const words = ['--from', from, '--to', to, '--slots', '1', '-y'];
  done(await tool('reshard', servers.atTls(1), ...words, ...ca));
  assert.equal(await servers.ask(0, 'GET', KEY), 'over TLS');
});

test('C6: as a named user: others may not, and MIGRATE is let in on the other side too', async () => {
  const [to, from] = [await servers.id(0), await servers.id(1)];
  assert.equal(await servers.ask(1, 'SET', NEXT, 'by a user'), 'OK');
  for (const i of [0, 1]) {
    await servers.ask(i, 'ACL', 'SETUSER', USER, 'on', `>${PASSWORD}`, '~*', '&*', '+@all');
    const denied = ['-cluster', '-migrate', '-restore-asking'];
    assert.equal(await servers.ask(i, 'ACL', 'SETUSER', 'default', ...denied), 'OK');
  }
  const reach = [servers.atTls(1), '--cacert', cert];
  const as = (password: string) => ({ ...process.env, REDISCLI_AUTH: password });
  refused(await tool('check', ...reach), /NOPERM/);
  refused(await toolWith(as('wrong'), 'check', ...reach, '--user', USER), /WRONGPASS/);
  const words = ['--from', from, '--to', to, '--slots', '1', '-y', '--user', USER];
  done(await toolWith(as(PASSWORD), 'reshard', ...reach, ...words));
  assert.equal(await servers.ask(0, 'GET', NEXT), 'by a user');
});
