/** Slots move under a client that follows redirections: nothing is lost, whoever is killed. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Counting, clientOf, fill, isFilled, isWhole } from './cluster-counting.ts';
import {
  ClusterServers,
  done,
  oracle,
  ownedBy,
  refused,
  tool,
  toolFor,
  toolStopped,
  toolWith,
} from './cluster-servers.ts';
import { figures, IS_FULL } from './figures.ts';
import { until } from './processes.ts';
import { fileScope } from './scope.ts';

const STEP_MS = 60_000;
const KEYS = IS_FULL ? 200_000 : 2_000;
const KILLS = IS_FULL ? 100 : 4;
/** More keys at a time make redis-cli no faster. */
const PIPELINE = ['--cluster-pipeline', '100'];
const PASSWORD = 'a password';

let servers: ClusterServers;
const scope = fileScope();

before(async () => {
  servers = await ClusterServers.start(scope, 3, {
    flags: ['--requirepass', PASSWORD, '--masterauth', PASSWORD, '--appendonly', 'yes'],
  });
  servers.password = PASSWORD;
  process.env['REDISCLI_AUTH'] = PASSWORD;
  done(await tool('create', ...servers.ports.map((_, i) => servers.at(i)), '-y'));
  await fill(clientOf(scope, servers), KEYS);
});

test('C30 to C35: back to back, with the passwords, under a writer that notices nothing', async (t) => {
  const counting = new Counting(t, servers, 'quiet');
  const [a, b] = [await servers.id(0), await servers.id(1)];
  refused(await tool('reshard', servers.at(0), '--to', b, '--slots', '10'), /nobody to ask here/);
  const self = await tool('reshard', servers.at(0), '--to', b, '--from', b, '--slots', '10', '-y');
  refused(self, /cannot be a source/);
  const begin = performance.now();
  const flags = ['--cluster-from', a, '--cluster-to', b, '--cluster-slots'];
  done(await tool('reshard', servers.at(0), ...flags, '1500', '--cluster-yes'));
  done(await tool('reshard', servers.at(0), '--cluster-to', a, '--cluster-slots', '900', '-y'));
  done(await tool('rebalance', servers.at(2), '--cluster-threshold', '0', '-y'));
  assert.match(done(await tool('rebalance', servers.at(2))), /within 2%/);
  const took = performance.now() - begin;
  const counted = await counting.end();
  await isFilled(clientOf(t, servers), KEYS);
  await isWhole(servers, KEYS);
  figures('reshard', { tookMs: took, counted, stallMs: counting.stallMs });
});

/** A busy machine says nothing about speed: in full runs only, which have it to themselves. */
const MEASURED = { skip: IS_FULL ? false : 'npm run system -- cluster-reshard' };

test('slots move faster than with redis-cli and its best pipeline setting', MEASURED, async () => {
  const slots = '4000';
  const [from, to] = [await servers.id(0), await servers.id(2)];
  const timed = async (run: typeof tool, source: string, target: string): Promise<number> => {
    const words = ['--cluster-from', source, '--cluster-to', target, '--cluster-slots', slots];
    const begin = performance.now();
    done(await run('reshard', servers.at(1), ...words, '--cluster-yes', ...PIPELINE));
    return performance.now() - begin;
  };
  const ourMs = await timed(tool, from, to);
  // It does not wait for gossip: right after a change it would not begin.
  await until('it agrees', STEP_MS, async () => (await oracle('check', servers.at(1))).code === 0);
  const theirMs = await timed(oracle, to, from);
  figures('reshard-speed', { slots, keys: KEYS, ourMs, theirMs });
  assert.ok(ourMs < theirMs, `ours ${ourMs} ms, redis-cli ${theirMs} ms`);
  done(await tool('rebalance', servers.at(2), '--threshold', '0', '-y'));
});

test('C31: a large key stays with its slot, is named, and the exit code says so', async (t) => {
  const client = clientOf(t, servers);
  await client.set('foo', 'x'.repeat(2_000_000));
  const words = ['--from', await servers.id(2), '--to', await servers.id(0)];
  const all = ['reshard', servers.at(0), ...words, '--slots', '1260', '--big-keys', '1mb', '-y'];
  const left = await tool(...all);
  refused(left, /slot 12182 stays: its key "foo" has \d+ bytes/);
  assert.match(left.out, /moved 1259 of 1260 slots/);
  assert.equal(await client.strlen('foo'), 2_000_000);
  done(await tool('rebalance', servers.at(0), '-y'));
  await client.del('foo');
  await isWhole(servers, KEYS);
});

test('Ctrl-C ends a move between two windows: no slot is open, the exit code says it', async () => {
  const [from, to] = [await servers.id(0), await servers.id(1)];
  const [words, before] = [['--from', from, '--to', to, '--slots', '900'], await slotsOf(1)];
  const isMoving = (): Promise<true> =>
    until('it moves', STEP_MS, async () => (await slotsOf(1)) > before);
  const all = ['reshard', servers.at(0), ...words, '-y', '--rate', '60'];
  refused(await toolStopped('SIGINT', isMoving, ...all), /Interrupted: the same command goes on/);
  assert.ok((await slotsOf(1)) < before + 900, 'it was not done');
  await until('all agree', STEP_MS, async () => (await tool('check', servers.at(2))).code === 0);
  done(await tool('rebalance', servers.at(2), '-y'));
  await isWhole(servers, KEYS);
});

test('C36: the mover is killed anywhere, and fix goes on: every key once, every count right', async (t) => {
  const counting = new Counting(t, servers, 'killed');
  let interrupted = 0;
  for (let round = 0; round < KILLS; round++) {
    const [to, from] = [await servers.id(round % 3), await servers.id((round + 1) % 3)];
    const words = ['--from', from, '--to', to, '--slots', '800', '-y', '--rate', '40'];
    const killMs = Math.round(700 + Math.random() * 2_500);
    const { code } = await toolFor(killMs, 'reshard', servers.at(0), ...words);
    if (code !== 0) interrupted++;
    done(await tool('fix', servers.at(round % 3), '-y'));
    await isWhole(servers, KEYS);
  }
  assert.ok(interrupted > 0, 'some were killed in time');
  const counted = await counting.end();
  figures('reshard-killed', { kills: KILLS, interrupted, counted, stallMs: counting.stallMs });
});

test('C36: source or target is killed and started again in the middle, and the move goes on', async (t) => {
  for (const victim of [0, 1]) {
    const [from, to] = [await servers.id(0), await servers.id(1)];
    const words = ['--from', from, '--to', to, '--slots', '600', '-y', '--rate', '60'];
    const before = await slotsOf(1);
    const moving = tool('reshard', servers.at(2), ...words);
    await until('it moves', STEP_MS, async () => (await slotsOf(1)) > before);
    await servers.kill(victim);
    await servers.run(victim);
    const { code, out } = await moving;
    // Where others took the server for failed meanwhile it stops, and fix goes on.
    if (code !== 0) t.diagnostic(out);
    done(await tool('fix', servers.at(2), '-y'));
    await isWhole(servers, KEYS);
    done(await tool('rebalance', servers.at(2), '-y'));
  }
  await isFilled(clientOf(t, servers), KEYS);
});

async function slotsOf(i: number): Promise<number> {
  return ownedBy(await servers.ask(i, 'CLUSTER', 'NODES'));
}

for (const program of (process.env['ALTHING_TEST_SERVERS'] ?? '').split(':')) {
  if (!program.includes('valkey')) continue;
  test(`the same on ${program.replace(/.*(valkey-[\d.]+).*/, '$1')}: made, resharded, mended`, async (t) => {
    const others = await ClusterServers.start(t, 3, { program });
    const { REDISCLI_AUTH: _, ...environment } = process.env;
    const run = (...words: string[]): ReturnType<typeof tool> => toolWith(environment, ...words);
    done(await run('create', ...others.ports.map((_port, i) => others.at(i)), '-y'));
    assert.equal(await others.ask(2, 'SET', 'foo', 'value'), 'OK');
    const words = ['--to', await others.id(0), '--from', await others.id(2), '--slots', '1300'];
    done(await run('reshard', others.at(1), ...words, '-y'));
    assert.equal(await others.ask(0, 'GET', 'foo'), 'value');
    await others.ask(1, 'CLUSTER', 'SETSLOT', 12182, 'IMPORTING', await others.id(0));
    refused(await run('check', others.at(1)), /SLOTS_OPEN/);
    done(await run('fix', others.at(1), '-y'));
  });
}
