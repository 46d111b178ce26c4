import { equal, match, notEqual, ok } from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { ErrorReply } from '../core/resp/reply-reader.ts';
import { ReadBuffer } from '../io/read-buffer.ts';
import { FOLLOWER_DENIED } from '../io/server/acl.ts';
import { connectServer } from '../io/server/admin.ts';
import { startTrial, trialServers } from '../io/server/trial.ts';
import { parseUsers } from '../io/server/users.ts';
import { ServerClients } from './server-clients.ts';

const HOST = '127.0.0.1';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  server.close();
  await once(server, 'close');
  return port;
}

for (const located of await trialServers()) {
  const name = located.flavor.product;

  test(`${name}: before a promotion the port is closed, and nobody is left who was there`, async (t) => {
    const { server } = await startTrial(t, located, { localHost: HOST });
    const admin = await server.admin();
    const taken = await freePort();
    const clients = new ServerClients({
      password: null,
      users: [],
      local: { host: HOST, port: taken },
    });
    const port = async () => Number(((await admin.must(['CONFIG', 'GET', 'port'])) as string[])[1]);
    equal(await port(), 0);
    await clients.listen(admin);
    equal(clients.problem, null);
    const client = connect(await port(), HOST);
    await once(client, 'connect');
    client.write('PING\r\n');
    await once(client, 'data');
    const left = once(client, 'close');
    await clients.evict(admin);
    await left;
    equal(await port(), 0);
    const late = connect(taken, HOST);
    match(String(await once(late, 'error').catch(String)), /ECONNREFUSED/);
    admin.close();
  });

  test(`${name}: a port that is taken is told, and the server goes on`, async (t) => {
    const { server } = await startTrial(t, located, { localHost: HOST });
    const admin = await server.admin();
    const other = createServer().listen(0, HOST);
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const clients = new ServerClients({ password: null, users: [], local: { host: HOST, port } });
    await clients.listen(admin);
    match(clients.problem ?? '', new RegExp(`^port ${port} of ${HOST}: `));
    other.close();
    await once(other, 'close');
    await clients.listen(admin);
    equal(clients.problem, null);
    admin.close();
  });

  test(`${name}: users with names of their own are set and evicted like all`, async (t) => {
    const parsed = parseUsers('user app on >app-word ~app:* +@all -@write');
    ok(parsed.ok);
    const { server } = await startTrial(t, located, { users: parsed.users });
    const admin = await server.admin();
    const clients = new ServerClients({ password: null, users: parsed.users, local: null });
    const rules = async () => String(await admin.must(['ACL', 'LIST'])).replace(/,user /g, '\n');
    const atStart = await rules();
    await clients.permit(admin, 'leader');
    equal(await rules(), atStart, 'a primary starts with them');
    await clients.permit(admin, 'follower');
    notEqual(await rules(), atStart);
    const client = connectServer(server.socketPath, new ReadBuffer());
    client.write('AUTH app app-word\r\n');
    match(String(await once(client, 'data')), /OK/);
    const left = once(client, 'close');
    await clients.evict(admin);
    await left;
    admin.close();
  });

  test(`${name}: clients of a follower change nothing of its server`, async (t) => {
    const { server } = await startTrial(t, located);
    const admin = await server.admin();
    const clients = new ServerClients({ password: null, users: [], local: null });
    const may = async (command: string): Promise<boolean> => {
      const [info] = (await admin.must(['COMMAND', 'INFO', command])) as unknown as [
        [string, number],
      ];
      const words = command.split('|');
      while (words.length < Math.abs(info[1])) words.push('1');
      const verdict = await admin.call(['ACL', 'DRYRUN', 'default', ...words]);
      // Arguments that make no sense to it are found after the permission to run the command.
      const text = verdict instanceof ErrorReply ? verdict.text : String(verdict);
      return !/has no permissions to run/.test(text);
    };
    await clients.permit(admin, 'follower');
    for (const command of Object.keys(FOLLOWER_DENIED)) equal(await may(command), false, command);
    ok(await may('get'));
    await clients.permit(admin, 'leader');
    for (const command of Object.keys(FOLLOWER_DENIED)) equal(await may(command), true, command);
    admin.close();
  });
}
