/**
 * A leader that slept through its own succession: it wakes up believing that it leads, with
 * commands waiting in its sockets.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { signal, until } from './processes.ts';
import { fileScope } from './scope.ts';
import { Failure, type Value, Wire } from './wire.ts';

const ROUNDS = IS_FULL ? 10 : 1;
const SESSIONS = 20;
/** After the fence's bound a server that hangs is given up; then an election follows. */
const SUCCESSION_MS = 40_000;

type Answer = Value | 'closed';

let deployment: Deployment;
const scope = fileScope();

before(async () => {
  deployment = await Deployment.agents(scope);
});

async function answerOf(wire: Wire): Promise<Answer> {
  return wire.reply(10_000).catch((): 'closed' => 'closed');
}

/** Pauses the leader's agent or server until another leads; returns what the old one then said. */
async function pauseLeader(who: 'agent' | 'server', round: number) {
  const old = await deployment.leader();
  const { pid, server, term } = await deployment.status(old);
  const key = `register:${who}:${round}`;
  const queue = `queue:${who}:${round}`;
  const late = (n: number): string => `late:${who}:${round}:${n}`;
  const wires = Array.from({ length: SESSIONS }, () => new Wire(deployment.port(old)));
  for (const wire of wires) assert.equal(await wire.must('SET', key, 'old'), 'OK');
  // A blocked and a watching session wait for what happens to them.
  const blocked = new Wire(deployment.port(old));
  blocked.command('BLPOP', queue, 30);
  const watching = new Wire(deployment.port(old));
  await watching.must('WATCH', key);
  await watching.must('MULTI');
  await watching.must('SET', key, 'from the watch');
  await sleep(50);

  const pausedAt = performance.now();
  signal(who === 'agent' ? pid : server.pid, 'SIGSTOP');
  wires.forEach((wire, n) => {
    if (n % 2 === 0) wire.command('GET', key);
    else wire.command('SET', late(n), 'late');
  });
  watching.command('EXEC');
  const next = await until('another leader', SUCCESSION_MS, async () => {
    for (const i of deployment.indices.filter((each) => each !== old)) {
      const { ready, status } = await deployment.ask(i);
      if (ready && status?.role === 'leader' && status.term > term) return [i];
    }
    return null;
  }).then(([i = 0]) => i);
  const successionMs = Math.round(performance.now() - pausedAt);
  const other = new Wire(deployment.port(next));
  assert.equal(await other.must('SET', key, 'new'), 'OK');
  await other.must('RPUSH', queue, 'item');
  assert.equal(wires.filter((wire) => wire.unread > 0).length, 0, 'asleep, it says nothing');
  signal(who === 'agent' ? pid : server.pid, 'SIGCONT');
  const answers = await Promise.all(wires.map(answerOf));
  const execReply = await answerOf(watching);
  const popReply = await answerOf(blocked).catch(() => 'closed');
  for (const wire of [...wires, blocked, watching]) wire.close();
  return { key, queue, late, answers, execReply, popReply, other, successionMs };
}

for (const who of ['agent', 'server'] as const) {
  test(`a leader whose ${who} was stopped answers no read with an old value and acknowledges nothing`, async () => {
    const successionMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const seen = await pauseLeader(who, round);
      successionMs.push(seen.successionMs);
      const { answers, key, queue, late, other, execReply, popReply } = seen;
      await deployment.ready();
      for (const [n, answer] of answers.entries()) {
        if (n % 2 === 0) assert.notEqual(answer, 'old', 'a read got an old value');
        else if (answer === 'OK')
          // Passed on to the new leader, it may well have been done: then it must be there.
          assert.equal(await other.must('GET', late(n)), 'late');
      }
      assert.ok(
        execReply === 'closed' || execReply === null || execReply instanceof Failure,
        `EXEC of a watch that was broken: ${JSON.stringify(execReply)}`,
      );
      if (popReply !== 'closed') assert.deepEqual(popReply, [queue, 'item']);
      assert.equal(await other.must('GET', key), 'new');
      await deployment.assertIdentical();
      other.close();
    }
    figures(`pause-${who}`, { rounds: ROUNDS, successionMs });
  });
}
