/** `althing cluster` on plain servers, with `redis-cli --cluster` to say what came of it. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ClusterServers, done, oracle, refused, tool, toolWith } from './cluster-servers.ts';
import { until } from './processes.ts';
import { fileScope } from './scope.ts';
import { Failure } from './wire.ts';

const STEP_MS = 60_000;

let servers: ClusterServers;
const scope = fileScope();

before(async () => {
  servers = await ClusterServers.start(scope, 7);
});

/** `keys` gets so many. */
async function fill(count: number): Promise<void> {
  for (let n = 0; n < count; n++)
    for (const i of [0, 1, 2]) {
      const reply = await servers.ask(i, 'SET', `key:${n}`, `value ${n}`);
      if (reply === 'OK') break;
      assert.ok(reply instanceof Failure && reply.text.startsWith('MOVED'), String(reply));
    }
}

async function isSound(): Promise<void> {
  done(await tool('check', servers.at(0)));
  const said = done(await oracle('check', servers.at(0)));
  assert.match(said, /All nodes agree[\s\S]*All 16384 slots covered/);
}

test('C1, C2, C3: words that are no command of it are refused, as usage', async () => {
  refused(await tool('foo', servers.at(0)), /unknown command 'foo'/, 2);
  refused(await tool('check'), /WORDS|missing/, 2);
  refused(await tool('check', 'nowhere'), /HOST:PORT/, 2);
  refused(await tool('reshard', servers.at(0), '--slots', '1'), /--to/, 2);
  for (const word of ['--help', 'help']) assert.match(done(await tool(word)), /set-timeout/);
  refused(await tool('check', '127.0.0.1:1'), /ECONNREFUSED/, 3);
});

test('C10, C11: create refuses too few nodes, and one that is not empty, and changes nothing', async () => {
  const addresses = servers.ports.slice(0, 6).map((_, i) => servers.at(i));
  refused(await tool('create', ...addresses.slice(0, 2), '--cluster-yes'), /3 nodes, and 2/);
  // A node without slots takes no key: these slots are its own for a moment.
  await servers.ask(5, 'CLUSTER', 'ADDSLOTS', 12182);
  await servers.ask(5, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
  await until('it serves', STEP_MS, async () => (await servers.ask(5, 'SET', 'foo', '1')) === 'OK');
  const why = await tool('create', ...addresses, '--cluster-replicas', '1', '--cluster-yes');
  refused(why, new RegExp(`${servers.at(5)} .* is not empty`));
  await servers.ask(5, 'FLUSHALL');
  await servers.ask(5, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'yes');
  for (const i of [0, 1, 2, 3, 4])
    assert.match(String(await servers.ask(i, 'CLUSTER', 'INFO')), /slots_assigned:0/);
});

test('C12, C13, C14, C15: create makes what redis-cli finds sound, by name, with an epoch each', async () => {
  const addresses = servers.ports.slice(0, 6).map((port) => `localhost:${port}`);
  refused(await tool('create', ...addresses, '--replicas', '1'), /nobody to ask here/);
  const plan = done(await tool('create', ...addresses, '--replicas', '1', '--dry-run'));
  assert.match(plan, /slots 0-5460[\s\S]*slots 5461-10922[\s\S]*slots 10923-16383/);
  done(await tool('create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'));
  await isSound();
  const nodes = String(await servers.ask(0, 'CLUSTER', 'NODES'))
    .trim()
    .split('\n');
  assert.equal(nodes.length, 6);
  assert.equal(nodes.filter((line) => line.includes('slave')).length, 3);
  // Replicas show the epoch of their primaries.
  assert.equal(new Set(nodes.map((line) => line.split(' ')[6])).size, 3);
  await fill(60);
  assert.match(done(await tool('info', servers.at(3))), /OK: 60 keys in 3 primaries/);
  assert.match(done(await tool('call', servers.at(0), 'ping')), /^(\S+: PONG\n){6}$/);
  const some = await tool('call', servers.at(0), '--cluster-only-masters', '--', 'ping', 'x');
  assert.match(done(some), /^(\S+: x\n){3}$/);
});

test('C18, C19, C22 to C27: damage to slots is named, mended, and then sound for redis-cli', async () => {
  const [one, two] = [await servers.id(0), await servers.id(1)];
  const before = [...(await servers.keys()).keys()].toSorted();
  await servers.ask(0, 'CLUSTER', 'SETSLOT', 100, 'MIGRATING', two);
  refused(await tool('check', servers.at(2)), /ERROR SLOTS_OPEN: .* still gives slots 100\n/);
  await servers.ask(1, 'CLUSTER', 'SETSLOT', 101, 'IMPORTING', one);
  await servers.ask(1, 'CLUSTER', 'SETSLOT', 102, 'IMPORTING', one);
  await servers.ask(0, 'CLUSTER', 'SETSLOT', 102, 'MIGRATING', two);
  for (const i of servers.ports.keys()) await servers.ask(i, 'CLUSTER', 'DELSLOTS', 200, 201);
  const named = await tool('check', servers.at(2));
  refused(named, /still gives slots 100,102\n/);
  refused(named, /still takes slots 101-102\n/);
  refused(named, /ERROR SLOTS_UNCOVERED: slots 200-201 are nobody's/);
  assert.equal((await oracle('check', servers.at(2))).code, 1);
  done(await tool('fix', servers.at(0), '-y'));
  assert.match(String(await servers.ask(1, 'CLUSTER', 'NODES')), /myself.* 102 /, 'it was moved');
  await isSound();
  assert.deepEqual([...(await servers.keys()).keys()].toSorted(), before);
});

test('C20, C26, C29: stray keys are found and gathered; two values of a key stop that, both kept', async () => {
  // Slot 12182 is the third's; the first one gets keys of it by hand.
  await servers.ask(2, 'SET', 'foo', 'of the owner');
  const stray = async (value: string): Promise<void> => {
    await servers.ask(0, 'CLUSTER', 'SETSLOT', 12182, 'IMPORTING', await servers.id(2));
    assert.equal(await servers.asking(0, 'SET', 'foo', value), 'OK');
    await servers.ask(0, 'CLUSTER', 'SETSLOT', 12182, 'STABLE');
  };
  await stray('another');
  refused(
    await tool('check', servers.at(0), '--cluster-search-multiple-owners'),
    /keys of slots 12182 are on nodes/,
  );
  const clash = await tool('fix', servers.at(0), '--cluster-search-multiple-owners', '-y');
  refused(clash, /KEY_TWICE: .*"foo"/);
  assert.equal(await servers.ask(2, 'GET', 'foo'), 'of the owner');
  assert.deepEqual((await servers.keys()).get('foo')?.toSorted(), [0, 2]);
  await stray('of the owner');
  const yes = { ...process.env, REDISCLI_CLUSTER_YES: '1' };
  done(await toolWith(yes, 'fix', servers.at(0), '--search-multiple-owners'));
  assert.deepEqual((await servers.keys()).get('foo'), [2]);
  await isSound();
});

test('C42 to C47: a node is added, filled at once, drained, taken out, and added again at once', async () => {
  refused(await tool('add-node', servers.at(1), servers.at(0), '-y'), /belongs to it already/);
  done(await tool('add-node', servers.at(6), servers.at(0), '--cluster-yes'));
  done(await tool('rebalance', servers.at(0), '--cluster-use-empty-masters', '--cluster-yes'));
  await isSound();
  const own = String(await servers.ask(6, 'CLUSTER', 'NODES')).match(/myself.* (\d+)-(\d+)/);
  assert.ok(own !== null, 'it has slots');
  refused(await tool('del-node', servers.at(0), await servers.id(6), '-y'), /owns 4096 slots/);
  done(await tool('del-node', servers.at(6), await servers.id(6), '--drain', '-y'));
  await isSound();
  const begin = performance.now();
  done(await tool('add-node', servers.at(6), servers.at(0), '--cluster-slave', '-y'));
  assert.ok(performance.now() - begin < 20_000, 'nobody waits for a ban to pass');
  for (const i of servers.ports.keys())
    assert.match(String(await servers.ask(i, 'CLUSTER', 'INFO')), /known_nodes:7/);
});

test('C8, C21, C46: a dead replica is an error for check, and can be taken out', async () => {
  const id = await servers.id(6);
  await servers.kill(6);
  assert.equal((await oracle('check', servers.at(0))).code, 0, 'the oracle does not see it');
  refused(await tool('check', servers.at(0)), /ERROR NODE_UNREACHABLE: replica/);
  refused(await tool('call', servers.at(0), 'ping'), /PONG/);
  done(await tool('del-node', servers.at(0), id, '-y'));
  await isSound();
});

test('C7, C49: set-timeout fails where it cannot be kept, and sets it all the same', async () => {
  refused(await tool('set-timeout', servers.at(0), '99'), /at least 100/, 2);
  const plan = done(await tool('set-timeout', servers.at(0), '8000', '--dry-run'));
  assert.match(plan, /^( {2}\S+ \(\w+\) gets cluster-node-timeout 8000\n){6}$/);
  const set = await tool('set-timeout', servers.at(0), '9000', '--cluster-yes');
  refused(set, /without a config file/);
  assert.deepEqual(await servers.ask(4, 'CONFIG', 'GET', 'cluster-node-timeout'), [
    'cluster-node-timeout',
    '9000',
  ]);
});

test('C28, C69 to C71: a failover is done when it says so; slots of the dead are not given away', async () => {
  refused(await tool('failover', servers.at(0)), /is a primary already/);
  const replica = await replicaOf(0);
  assert.match(done(await tool('failover', servers.at(replica), '-n')), /CLUSTER FAILOVER\n$/);
  assert.equal(((await servers.ask(replica, 'ROLE')) as [string])[0], 'slave');
  done(await tool('failover', servers.at(replica), '-y', '--no-auth-warning'));
  assert.equal(((await servers.ask(replica, 'ROLE')) as [string])[0], 'master');
  const line = new RegExp(`${servers.at(replica)}@\\S+ (myself,)?master`);
  for (const i of [0, 1, 2, 3, 4, 5])
    assert.match(String(await servers.ask(i, 'CLUSTER', 'NODES')), line, `server ${i} knows it`);
  await until(
    'the former follows',
    STEP_MS,
    async () => (await tool('check', servers.at(0))).code === 0,
  );
  await servers.kill(replica);
  refused(await tool('failover', servers.at(0)), /down or failed/);
  refused(await tool('fix', servers.at(0), '-y'), /does not answer: what they hold would be lost/);
  done(await tool('failover', servers.at(0), '--takeover'));
  refused(await tool('check', servers.at(0)), /NODE_UNREACHABLE/);
  await servers.run(replica);
  await until(
    'the dead follows',
    STEP_MS,
    async () => (await tool('check', servers.at(0))).code === 0,
  );
  await isSound();
});

/** A server that replicates that one. */
async function replicaOf(primary: number): Promise<number> {
  for (const i of [0, 1, 2, 3, 4, 5]) {
    const role = (await servers.ask(i, 'ROLE')) as [string, string, number];
    if (role[0] === 'slave' && role[2] === servers.port(primary)) return i;
  }
  return assert.fail('it has no replica');
}
