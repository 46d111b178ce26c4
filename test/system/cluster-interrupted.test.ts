/**
 * A reshard whose mover, source or target is killed at a random moment, in turn: it goes on, ends
 * with every key once and every write that was acknowledged, and `check` finds nothing.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Counting, clientOf, fill, isFilled, isWhole } from './cluster-counting.ts';
import { ClusterServers, done, ownedBy, tool, toolBeside } from './cluster-servers.ts';
import { figures, IS_FULL } from './figures.ts';
import { until } from './processes.ts';

const VICTIMS = ['mover', 'source', 'target'] as const;
const ROUNDS = IS_FULL ? 100 : VICTIMS.length;
const STEP_MS = 90_000;
const KEYS = IS_FULL ? 20_000 : 1_000;
const SLOTS = 800;
/** How many keys those slots have, more or less. */
const KEYS_MOVED = (KEYS * SLOTS) / 16_384;
const KEYS_PER_SECOND = Math.ceil(KEYS_MOVED / 2);
const PLAN = /move \d+ slots/;
/** A move takes so long, and the kill comes in the midst of it, or just before or after. */
const MOVE_MS = { keys: 2_000, whole: 800 };
const AWAY_MS_MAX = 1_000;

const WAYS = [
  { way: 'keys', program: 'redis-server', words: ['--rate', String(KEYS_PER_SECOND)] },
  { way: 'whole', program: process.env['ALTHING_TEST_ATOMIC'] ?? '', words: ['--atomic'] },
] as const;

for (const { way, program, words } of WAYS) {
  const skip = program === '' ? 'no server that moves whole slots' : false;
  test(`a reshard of ${way} is interrupted by kills of each participant`, { skip }, async (t) => {
    const servers = await ClusterServers.start(t, 3, { program, flags: ['--appendonly', 'yes'] });
    done(await tool('create', ...servers.ports.map((_, i) => servers.at(i)), '-y'));
    await fill(clientOf(t, servers), KEYS);
    const counting = new Counting(t, servers, 'kept', 'set');
    const interrupted = { mover: 0, source: 0, target: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const victim = VICTIMS[round % VICTIMS.length] ?? 'mover';
      if (await interrupt(t, servers, { victim, round, way, words })) interrupted[victim]++;
      await isWhole(servers, KEYS);
    }
    const counted = await counting.end();
    await isFilled(clientOf(t, servers), KEYS);
    const { stallMs } = counting;
    figures('cluster-interrupted', { way, rounds: ROUNDS, interrupted, counted, stallMs });
  });
}

interface Round {
  readonly victim: (typeof VICTIMS)[number];
  readonly round: number;
  readonly way: 'keys' | 'whole';
  readonly words: readonly string[];
}

/** True when the mover did not get to its end; whatever became of it, the same is done after it. */
async function interrupt(
  t: TestContext,
  servers: ClusterServers,
  { victim, round, way, words }: Round,
): Promise<boolean> {
  const [source, target, other] = [round % 3, (round + 1) % 3, (round + 2) % 3] as const;
  const owned = async (): Promise<number> => ownedBy(await servers.ask(target, 'CLUSTER', 'NODES'));
  const wanted = (await owned()) + SLOTS;
  const ids = ['--from', await servers.id(source), '--to', await servers.id(target)];
  const reshard = ['reshard', servers.at(other), ...ids, '-y', ...words, '--slots'];
  const moving = toolBeside(...reshard, String(SLOTS));
  let isOver = false;
  void moving.ended.then(() => (isOver = true));
  await until('it begins', STEP_MS, () => isOver || PLAN.test(moving.out()));
  assert.match(moving.out(), PLAN);
  const killMs = Math.random() * MOVE_MS[way];
  await sleep(killMs);
  if (victim === 'mover') moving.kill('SIGKILL');
  else {
    const i = victim === 'source' ? source : target;
    await servers.kill(i);
    await sleep(Math.random() * AWAY_MS_MAX);
    await servers.run(i);
  }
  const { code, out } = await moving.ended;
  if (code !== 0) {
    t.diagnostic(`round ${round}, ${victim} killed after ${Math.round(killMs)} ms: ${code} ${out}`);
    done(await tool('fix', servers.at(other), '-y'));
    const left = wanted - (await owned());
    if (left > 0) done(await tool(...reshard, String(left)));
  }
  assert.equal(await owned(), wanted);
  await until(
    'check is clean',
    STEP_MS,
    async () => (await tool('check', servers.at(other))).code === 0,
  );
  return code !== 0;
}
