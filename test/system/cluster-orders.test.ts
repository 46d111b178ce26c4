/** `althing cluster replicate`, `forget` and `failover --force` on plain servers. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ClusterServers, done, refused, tool } from './cluster-servers.ts';
import { until } from './processes.ts';
import { fileScope } from './scope.ts';

const STEP_MS = 60_000;
/** The last one has no slots. */
const [FIRST, SECOND, THIRD, EMPTY] = [0, 1, 2, 3] as const;

let servers: ClusterServers;
/** The id of the first, which is killed. */
let dead = '';
const scope = fileScope();

before(async () => {
  servers = await ClusterServers.start(scope, 4);
  await servers.form(3);
});

test('C67: replicate makes a node a replica of a primary, asks first, and refuses a stranger', async () => {
  const id = await servers.id(FIRST);
  refused(await tool('replicate', servers.at(EMPTY), id), /nobody to ask here/);
  refused(
    await tool('replicate', servers.at(EMPTY), 'f'.repeat(40), '-y'),
    /no primary with the id/,
  );
  done(await tool('replicate', servers.at(EMPTY), id, '-y'));
  const role = await servers.ask(EMPTY, 'ROLE');
  assert.deepEqual((role as unknown[]).slice(0, 4), [
    'slave',
    '127.0.0.1',
    servers.port(FIRST),
    'connected',
  ]);
  refused(await tool('replicate', servers.at(SECOND), await servers.id(EMPTY), '-y'), /no primary/);
});

test("C71: failover --force makes a replica of a dead primary the primary, by the others' votes", async () => {
  dead = await servers.id(FIRST);
  await servers.kill(FIRST);
  done(await tool('failover', servers.at(EMPTY), '--force'));
  assert.equal(((await servers.ask(EMPTY, 'ROLE')) as string[])[0], 'master');
  const own = /myself,master\S* .* (\d+) connected 0-5460/;
  const [, epoch = ''] = own.exec(String(await servers.ask(EMPTY, 'CLUSTER', 'NODES'))) ?? [];
  assert.ok(Number(epoch) > 4, 'by votes, in an epoch after all others');
  const itsSlots = new RegExp(`${dead} .* 0-5460`);
  await until(
    'the others know',
    STEP_MS,
    async () => !itsSlots.test(String(await servers.ask(SECOND, 'CLUSTER', 'NODES'))),
  );
});

test('C46, C68: forget takes an id out of what all others know, and says when nobody knows it', async () => {
  refused(await tool('forget', servers.at(SECOND), dead), /nobody to ask here/);
  done(await tool('forget', servers.at(SECOND), dead, '-y'));
  for (const i of [SECOND, THIRD, EMPTY])
    assert.ok(!String(await servers.ask(i, 'CLUSTER', 'NODES')).includes(dead), `server ${i}`);
  refused(await tool('forget', servers.at(SECOND), dead, '-y'), /nobody knows a node/);
  done(await tool('check', servers.at(SECOND)));
});
