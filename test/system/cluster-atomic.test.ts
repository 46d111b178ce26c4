/** Slots that the servers move themselves (valkey 9), under a client that notices nothing. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Counting, clientOf, fill, isFilled, isWhole } from './cluster-counting.ts';
import { ClusterServers, done, ownedBy, refused, tool, toolStopped } from './cluster-servers.ts';
import { figures, IS_FULL } from './figures.ts';
import { until } from './processes.ts';
import { fileScope } from './scope.ts';

const PROGRAM = process.env['ALTHING_TEST_ATOMIC'] ?? '';
const HERE = { skip: PROGRAM === '' ? 'no server that moves whole slots' : false };
const STEP_MS = 60_000;
const KEYS = IS_FULL ? 200_000 : 2_000;
const PASSWORD = 'a password';

let servers: ClusterServers;
const scope = fileScope();

before(async () => {
  if (PROGRAM === '') return;
  const security = ['--requirepass', PASSWORD, '--primaryauth', PASSWORD];
  const flags = [...security, '--appendonly', 'yes', '--enable-debug-command', 'yes'];
  servers = await ClusterServers.start(scope, 3, { program: PROGRAM, flags });
  servers.password = PASSWORD;
  process.env['REDISCLI_AUTH'] = PASSWORD;
  done(await tool('create', ...servers.ports.map((_, i) => servers.at(i)), '-y'));
  await fill(clientOf(scope, servers), KEYS);
});

/** Latest first, as `state` or another word of each. */
async function migrations(i: number, word = 'state'): Promise<string[]> {
  const all = (await servers.ask(i, 'CLUSTER', 'GETSLOTMIGRATIONS')) as string[][];
  return all.map((one) => String(one[one.indexOf(word) + 1]));
}

async function slotsOf(i: number): Promise<number> {
  return ownedBy(await servers.ask(i, 'CLUSTER', 'NODES'));
}

async function wordsFor(from: number, to: number, slots: number): Promise<string[]> {
  const ids = ['--from', await servers.id(from), '--to', await servers.id(to)];
  return ['reshard', servers.at(2), ...ids, '--slots', String(slots), '-y'];
}

/** While it does, a migration has all its keys on the other side, and waits to be handed over. */
async function hold(isHeld: boolean): Promise<void> {
  for (const i of servers.ports.keys())
    assert.equal(
      await servers.ask(i, 'DEBUG', 'SLOTMIGRATION', 'PREVENT-PAUSE', Number(isHeld)),
      'OK',
    );
}

function isHeld(): Promise<true> {
  return until('it waits', STEP_MS, async () => (await migrations(0))[0] === 'waiting-to-pause');
}

test('C86, C87: whole slots move under a writer, with their number and rate', HERE, async (t) => {
  const counting = new Counting(t, servers, 'whole');
  const begin = performance.now();
  const out = done(await tool(...(await wordsFor(0, 1, 3_000))));
  const tookMs = performance.now() - begin;
  assert.match(out, /moved 3000 of 3000 slots, \d+ keys, \d+ keys\/s, in/);
  assert.doesNotMatch(out, /key by key/);
  const states = await migrations(0);
  assert.ok(states.length > 1 && states.every((state) => state === 'success'), String(states));
  done(await tool('rebalance', servers.at(0), '--cluster-use-atomic-slot-migration', '-y'));
  const counted = await counting.end();
  await isFilled(clientOf(t, servers), KEYS);
  await isWhole(servers, KEYS);
  figures('reshard-whole', { keys: KEYS, tookMs, counted, stallMs: counting.stallMs });
});

test('C88: Ctrl-C cancels what is under way, and nothing has moved', HERE, async () => {
  await hold(true);
  const before = await slotsOf(1);
  const stopped = await toolStopped('SIGINT', isHeld, ...(await wordsFor(0, 1, 300)));
  refused(stopped, /Interrupted: the same command goes on/);
  assert.equal((await migrations(0))[0], 'cancelled');
  assert.equal(await slotsOf(1), before);
  await hold(false);
  await isWhole(servers, KEYS);
});

test(
  'a mover that was killed has left a migration, and the next one waits for it',
  HERE,
  async () => {
    await hold(true);
    const before = await slotsOf(1);
    const words = await wordsFor(0, 1, 200);
    const { code } = await toolStopped('SIGKILL', isHeld, ...words);
    assert.equal(code, -1);
    const [name] = await migrations(0, 'name');
    const again = tool(...words);
    // The other way it is said, and nothing is done.
    const elsewhere = [...words];
    elsewhere[words.indexOf('--to') + 1] = await servers.id(2);
    refused(await tool(...elsewhere), /are on their way to/);
    await hold(false);
    done(await again);
    assert.equal((await migrations(0, 'name'))[0], name, 'none was begun beside it');
    assert.equal(await slotsOf(1), before + 200);
    await isWhole(servers, KEYS);
  },
);

test(
  'what the servers cannot do goes key by key, with the reason, unless that was forbidden',
  HERE,
  async () => {
    assert.equal(await servers.ask(1, 'CONFIG', 'SET', 'primaryauth', 'wrong'), 'OK');
    const words = await wordsFor(1, 0, 200);
    refused(
      await tool(...words, '--atomic'),
      /NODE_REFUSED: failed: Failed to AUTH to target node/,
    );
    const before = await slotsOf(0);
    const out = done(await tool(...words));
    assert.match(
      out,
      /200 slots go key by key: failed: Failed to AUTH to target node: .*WRONGPASS/,
    );
    assert.equal(await slotsOf(0), before + 200);
    await servers.ask(1, 'CONFIG', 'SET', 'primaryauth', PASSWORD);
    const count = (await migrations(1)).length;
    done(await tool(...(await wordsFor(1, 0, 20)), '--rate', '5000'));
    assert.equal((await migrations(1)).length, count, 'with a rate, key by key');
    await isWhole(servers, KEYS);
  },
);
