/**
 * Users with fewer rights than the one that all have who give a password alone: the same on every
 * node, whoever leads, on lanes that sessions share and on connections of their own.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Deployment } from './deployment.ts';
import { until } from './processes.ts';
import { plays } from './rows.ts';
import { fileScope } from './scope.ts';
import { Failure, Wire } from './wire.ts';

const dir = mkdtempSync(join(tmpdir(), 'users-'));
const scope = fileScope();
scope.after(async () => rmSync(dir, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text, { mode: 0o600 });
  return join(dir, name);
};
const USERS = [
  'user app on >app-word ~app:* &app:* +@all',
  'user reader on >reader-word ~* -@all +@read +@connection +@scripting +multi +exec',
];
const deployment = await Deployment.agents(scope, {
  flags: [
    ...['--password-file', file('password', 'all-word\n')],
    ...['--users-file', file('users', `${USERS.join('\n')}\n`)],
  ],
});

/** What each may and may not, through every port. */
async function assertRights(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    await plays(port, [
      ['GET other:1', /^-NOAUTH/],
      ['AUTH app wrong', /^-WRONGPASS/],
      ['AUTH app app-word', 'OK'],
      ['ACL WHOAMI', 'app'],
      ['SET app:1 a', 'OK'],
      ['SET other:1 a', /^-NOPERM/],
      ['EVAL return{redis.call("SET",KEYS[1],"b")} 1 app:1', ['OK']],
      ['EVAL return{redis.call("SET",KEYS[1],"b")} 1 other:1', /^-NOPERM/],
      [
        'EVAL return{redis.call("SET","other:1","b")} 0',
        /^-.*(ACL failure in script|can't access|can't run)/,
      ],
      ['MULTI', 'OK'],
      ['SET other:1 a', /^-NOPERM/],
      ['EXEC', /^-EXECABORT/],
      ['PUBLISH other:news hello', /^-NOPERM/],
      ['CONFIG REWRITE', /^-/],
      ['ACL SETUSER app ~*', /^-/],
      ['GET app:1', 'b'],
    ]);
    await plays(port, [
      ['AUTH reader reader-word', 'OK'],
      ['GET other:1', 'all'],
      ['SET other:1 a', /^-NOPERM/],
      [
        'EVAL return{redis.call("SET",KEYS[1],"b")} 1 other:1',
        /^-.*(ACL failure in script|can't access|can't run)/,
      ],
      ['INFO', /^-NOPERM/],
    ]);
  }
}

/** Sessions of three users whose commands arrive in one another's turns. */
async function assertApart(port: number): Promise<void> {
  const users = [
    ['default', 'all-word', false],
    ['app', 'app-word', true],
    ['reader', 'reader-word', true],
  ] as const;
  const sessions = users.flatMap(([user, word, isRefused]) =>
    [1, 2].map(() => ({ wire: new Wire(port), user, word, isRefused })),
  );
  for (const { wire, user, word } of sessions) await wire.must('AUTH', user, word);
  for (let turn = 0; turn < 50; turn++)
    for (const { wire } of sessions) wire.command('SET', 'other:2', turn);
  for (const { wire, user, isRefused } of sessions)
    for (let turn = 0; turn < 50; turn++) {
      const reply = await wire.reply();
      assert.equal(reply instanceof Failure, isRefused, `${user}: ${JSON.stringify(reply)}`);
    }
  for (const { wire } of sessions) wire.close();
}

test('Q78: users have their own rights on every node, in scripts and transactions too', async () => {
  const [first = 0] = deployment.ports;
  await plays(first, [
    ['AUTH all-word', 'OK'],
    ['SET other:1 all', 'OK'],
  ]);
  await assertRights(deployment.ports);
  for (const port of deployment.ports) await assertApart(port);
});

test('Q78: and have them when another node leads, with sessions that begin anew', async () => {
  const leader = await deployment.leader();
  const session = new Wire(deployment.port(leader));
  await session.must('AUTH', 'app', 'app-word');
  await session.must('WATCH', 'app:1');
  await deployment.stopNode(leader, 'SIGKILL');
  await session.closed();
  await deployment.leader();
  const others = deployment.indices.filter((i) => i !== leader);
  await assertRights(others.map((i) => deployment.port(i)));
  deployment.startNode(leader);
  await deployment.ready();
  await deployment.switchover(leader);
  await deployment.ready();
  await assertRights(deployment.ports);
});

/** More than a leader is waited for. */
const LOST_MS = 8_000;

test('without a leader users show the own server who they are, and read there if they ask for it', async () => {
  const survivor = ((await deployment.leader()) + 1) % deployment.nodes;
  const others = deployment.indices.filter((i) => i !== survivor);
  await Promise.all(others.map((i) => deployment.stopNode(i, 'SIGKILL')));
  const port = deployment.port(survivor);
  await until('reads by its own server', LOST_MS, async () => {
    const wire = new Wire(port);
    await wire.must('AUTH', 'reader', 'reader-word').catch(() => null);
    await wire.call('READONLY').catch(() => null);
    const value = await wire.call('GET', 'other:1').catch(() => null);
    wire.close();
    return value === 'all';
  });
  await plays(port, [
    ['AUTH app app-word', 'OK'],
    ['GET app:1', /^-CLUSTERDOWN/],
    ['READONLY', 'OK'],
    ['GET app:1', 'b'],
    ['GET other:1', /^-NOPERM/],
    ['SET app:1 c', /^-READONLY/],
  ]);
  await plays(port, [
    ['READONLY', /^-NOAUTH/],
    ['AUTH app wrong', /^-WRONGPASS/],
  ]);
});
