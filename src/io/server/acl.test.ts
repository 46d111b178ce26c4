import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorReply, type Reply } from '../../core/resp/reply-reader.ts';
import { ALLOWED, DENIED, DENIED_CATEGORIES, deniedBecause, deniedCommands } from './acl.ts';
import { Admin } from './admin.ts';
import { versionText } from './flavor.ts';
import { startTrial, trialServers } from './trial.ts';

/** What the issue names, whatever the tables above say. */
const MUST_BE_DENIED = [
  'REPLICAOF NO ONE',
  'SLAVEOF NO ONE',
  'PSYNC ? -1',
  'SYNC',
  'REPLCONF ACK 1',
  'FAILOVER',
  'SHUTDOWN NOSAVE',
  'DEBUG SLEEP 0',
  'MODULE LOAD x.so',
  'MODULE UNLOAD x',
  'SAVE',
  'BGSAVE',
  'BGREWRITEAOF',
  'MIGRATE h 1 k 0 1',
  'ACL SETUSER x on',
  'ACL DELUSER x',
  'ACL LIST',
  'ACL GETUSER default',
  'ACL LOAD',
  'ACL SAVE',
  'CONFIG REWRITE',
  'CONFIG RESETSTAT',
  'CLIENT PAUSE 10',
  'CLIENT UNPAUSE',
  'CLIENT KILL TYPE replica',
  'SCRIPT DEBUG SYNC',
  'FUNCTION RESTORE x',
  'CLUSTER RESET',
  'PFDEBUG GETREG k',
  'PFSELFTEST',
].map((line) => line.split(' '));

/** Of what is not plain data, what people's tools and libraries need. */
const MUST_BE_ALLOWED = [
  'INFO',
  'ROLE',
  'MONITOR',
  'CONFIG GET maxmemory',
  'CLIENT LIST',
  'CLIENT INFO',
  'CLIENT ID',
  'CLIENT SETNAME x',
  'CLIENT GETNAME',
  'CLIENT TRACKING on',
  'CLIENT NO-TOUCH on',
  'SLOWLOG GET',
  'LATENCY LATEST',
  'MEMORY USAGE k',
  'OBJECT ENCODING k',
  'SCRIPT LOAD return',
  'SCRIPT FLUSH',
  'FUNCTION LIST',
  'FUNCTION FLUSH',
  'KEYS *',
  'SORT k',
  'FLUSHALL',
  'FLUSHDB',
  'SWAPDB 0 1',
  'RESTORE k 0 x',
  'WAIT 0 0',
  'COMMAND COUNT',
  'MODULE LIST',
  'ACL WHOAMI',
  'HELLO 3',
].map((line) => line.split(' '));

for (const located of await trialServers()) {
  const name = versionText(located.flavor);

  test(`${name}: what breaks the guarantees is refused, also in MULTI and Lua`, async (t) => {
    const { server } = await startTrial(t, located);
    const client = await asClient(server.socketPath);
    for (const words of MUST_BE_DENIED) {
      const what = words.join(' ');
      isRefused(await client.call(words), what);
      await client.must(['MULTI']);
      // Some are never allowed there, which the server says first.
      ok((await client.call(words)) instanceof ErrorReply, `${what} in MULTI`);
      const executed = await client.call(['EXEC']);
      ok(executed instanceof ErrorReply && executed.code === 'EXECABORT', `${what} in MULTI`);
      const quoted = words.map((word) => JSON.stringify(word)).join(',');
      const caught = await client.call(['EVAL', `return redis.pcall(${quoted})`, '0']);
      ok(caught instanceof ErrorReply, `${what} in Lua: ${String(caught)}`);
    }
    client.close();
  });

  test(`${name}: admin commands are allowed by name or denied with a reason`, async (t) => {
    const { server } = await startTrial(t, located);
    const admin = await server.admin();
    const seen = new Set<string>();
    for (const category of DENIED_CATEGORIES) {
      for (const word of (await admin.must(['ACL', 'CAT', category])) as string[]) seen.add(word);
    }
    const denied = deniedCommands([...seen]);
    for (const { command, reason } of denied) {
      equal(/new to this agent/.test(reason), false, `${command} has no reason yet`);
      equal(await isAllowed(admin, command), false, command);
    }
    for (const command of Object.keys(ALLOWED))
      ok(seen.has(command), `${command} needs no mention`);
    const names = denied.map(({ command }) => command);
    for (const command of Object.keys(DENIED)) {
      ok(names.includes(command), `${command} is denied in vain`);
    }
    admin.close();
  });

  test(`${name}: every other command is allowed to clients`, async (t) => {
    const { server } = await startTrial(t, located);
    const admin = await server.admin();
    const denied = new Set<string>();
    for (const category of DENIED_CATEGORIES) {
      for (const word of (await admin.must(['ACL', 'CAT', category])) as string[]) denied.add(word);
    }
    const all = (await admin.must(['COMMAND', 'LIST'])) as string[];
    const expected = all.filter((command) => !denied.has(command) || command in ALLOWED);
    ok(expected.length > 200);
    for (const command of expected) {
      if (command in DENIED) continue;
      equal(await isAllowed(admin, command), true, command);
    }
    admin.close();
  });

  test(`${name}: CONFIG SET is for connections only, which the relay judges`, async (t) => {
    const { server } = await startTrial(t, located);
    const client = await asClient(server.socketPath);
    equal(await client.call(['CONFIG', 'SET', 'slowlog-max-len', '64']), 'OK');
    const call = "redis.pcall('CONFIG', 'SET', 'slowlog-max-len', '65')";
    const library =
      `#!lua name=l\nredis.register_function('f', function() return ${call} end)\n` +
      `redis.register_function{function_name='g', callback=function() return ${call} end, ` +
      "flags={'allow-stale', 'no-writes'}}";
    await client.must(['FUNCTION', 'LOAD', library]);
    for (const words of [
      ['EVAL', `return ${call}`, '0'],
      ['EVAL_RO', `return ${call}`, '0'],
      ['EVAL', `#!lua flags=allow-stale\nreturn ${call}`, '0'],
      ['FCALL', 'f', '0'],
      ['FCALL_RO', 'g', '0'],
    ]) {
      const reply = await client.call(words);
      ok(reply instanceof ErrorReply, words.join(' '));
      match(reply.text, /not allowed from script/);
    }
    deepEqual(await client.call(['CONFIG', 'GET', 'slowlog-max-len']), ['slowlog-max-len', '64']);
    client.close();
  });

  test(`${name}: the slow log shows no password, even when it holds every command`, async (t) => {
    const feed = { port: 1, user: 'feed-user', password: 'feed-password' };
    const { server } = await startTrial(t, located, { feed, clientPassword: 'client-password' });
    const admin = await server.admin();
    await admin.must(['CONFIG', 'SET', 'slowlog-log-slower-than', '0']);
    await admin.promote();
    await admin.follow(feed);
    (await server.admin()).close();
    await admin.promote();
    const client = await asClient(server.socketPath, 'client-password');
    await client.must(['HELLO', '3', 'AUTH', 'default', 'client-password']);
    const shown = JSON.stringify(await client.must(['SLOWLOG', 'GET', '-1']));
    match(shown, /REPLICAOF/);
    equal(/(feed|agent|client)-password/.test(shown), false, shown);
    client.close();
    admin.close();
  });

  test(`${name}: what clients' tools need is not refused`, async (t) => {
    const { server } = await startTrial(t, located);
    for (const words of MUST_BE_ALLOWED) {
      const client = await asClient(server.socketPath);
      const reply = await client.call(words);
      const isDenied = reply instanceof ErrorReply && reply.code === 'NOPERM';
      equal(isDenied, false, words.join(' '));
      client.close();
    }
  });

  test(`${name}: a promoted server shows no password to its clients`, async (t) => {
    const feed = { port: 1, user: 'feed-user', password: 'feed-password' };
    const { server } = await startTrial(t, located, { feed });
    const admin = await server.admin();
    await admin.promote();
    const client = await asClient(server.socketPath);
    const shown = JSON.stringify(await client.must(['CONFIG', 'GET', '*']));
    equal(/feed-user|feed-password|agent-password/.test(shown), false);
    await admin.follow(feed);
    deepEqual(await admin.must(['CONFIG', 'GET', 'masterauth']), ['masterauth', 'feed-password']);
    admin.close();
    client.close();
  });
}

test('deniedBecause: what nobody has thought about is denied with that reason', () => {
  match(deniedBecause('commandlog|get'), /new to this agent/);
  match(deniedBecause('cluster|reset'), /no cluster node/);
  match(deniedBecause('function|restore'), /FUNCTION LOAD/);
});

/** The default user without a password takes any. */
function asClient(socketPath: string, password = 'any'): Promise<Admin> {
  return Admin.connect({ socketPath, user: 'default', password, callMsMax: 5_000 });
}

/** What the server says of the clients' user and the command with as many arguments as it takes. */
async function isAllowed(admin: Admin, command: string): Promise<boolean> {
  const words = command.split('|');
  const [info] = (await admin.must(['COMMAND', 'INFO', command])) as unknown as [[string, number]];
  while (words.length < Math.abs(info[1])) words.push('1');
  const verdict = await admin.call(['ACL', 'DRYRUN', 'default', ...words]);
  if (verdict === 'OK') return true;
  // Arguments that make no sense to it are found after the permission to run the command.
  return !/has no permissions to run/.test(
    verdict instanceof ErrorReply ? verdict.text : String(verdict),
  );
}

function isRefused(reply: Reply, what: string): void {
  const text = reply instanceof ErrorReply ? reply.text : '';
  // DEBUG and MODULE are switched off too, which the server says before it looks at permissions.
  match(text, /^NOPERM|^ERR (DEBUG|MODULE) command not allowed/, what);
}
