/** Plain clients behind HAProxy, with the configuration that is published: `deploy/haproxy.cfg`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Deployment, ROOT } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { until } from './processes.ts';
import { atEnd, type Scope } from './scope.ts';
import { Wire } from './wire.ts';

const PROGRAM = process.env['ALTHING_TEST_HAPROXY'];
const ROUNDS = IS_FULL ? 10 : 1;
/** Two checks, the second soon after the first; the rest is a loaded machine's. */
const MOVED_MS_MAX = 15_000;

/** The published configuration, with this deployment's ports in the place of its nodes. */
function configurationOf(deployment: Deployment, socket: string): string {
  const published = readFileSync(join(ROOT, 'deploy', 'haproxy.cfg'), 'utf8');
  const ported = published
    .replace('bind :6379', `bind 127.0.0.1:${deployment.basePort + 9}`)
    .replace('bind :6380', `bind 127.0.0.1:${deployment.basePort + 10}`)
    .replace('global\n', `global\n    stats socket ${socket}\n`);
  return deployment.indices.reduce(
    (text, i) =>
      text.replaceAll(
        `node${i + 1}:6379 check port 8379`,
        `127.0.0.1:${deployment.port(i)} check port ${deployment.httpPort(i)}`,
      ),
    ported,
  );
}

async function startHaproxy(scope: Scope, deployment: Deployment): Promise<string> {
  const path = join(deployment.dir, 'haproxy.cfg');
  const socket = join(deployment.dir, 'haproxy.sock');
  writeFileSync(path, configurationOf(deployment, socket));
  const words = ['--pdeathsig', 'KILL', '--', PROGRAM ?? '', '-db', '-f', path];
  const child = spawn('setpriv', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000);
  });
  atEnd(scope, async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  await until('haproxy answers', MOVED_MS_MAX, () => {
    assert.equal(child.exitCode, null, said);
    return serversUp(socket).then(
      () => true,
      () => false,
    );
  });
  return socket;
}

/** `backend/server` of those that are up. */
async function serversUp(socket: string): Promise<string[]> {
  const link = connect(socket);
  await once(link, 'connect');
  link.write('show stat\n');
  let text = '';
  for await (const chunk of link) text += String(chunk);
  const [header = '', ...rows] = text.trim().split('\n');
  const status = header.split(',').indexOf('status');
  return rows
    .map((row) => row.split(','))
    .filter((row) => /^node\d$/.test(row[1] ?? '') && /^UP/.test(row[status] ?? ''))
    .map(([backend, server]) => `${backend}/${server}`)
    .sort();
}

test('haproxy sends writes to the leader through switchovers and kills, reads to followers', async (t) => {
  if (PROGRAM === undefined) return t.skip('there is no haproxy: see `npm run servers`');
  const deployment = await Deployment.agents(t);
  const socket = await startHaproxy(t, deployment);
  const isIn = async (leader: number, followers: readonly number[]) => {
    const wanted = [`primary/node${leader + 1}`, ...followers.map((i) => `replicas/node${i + 1}`)];
    const begin = performance.now();
    let seen: string[] = [];
    await until('haproxy has the roles right', MOVED_MS_MAX, async () => {
      seen = await serversUp(socket);
      return seen.join() === wanted.sort().join();
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${wanted.join()} and not ${seen.join()}`);
    });
    return Math.round(performance.now() - begin);
  };
  const others = (...away: number[]) => deployment.indices.filter((i) => !away.includes(i));
  let written = 0;
  const works = async () => {
    const [writer, reader] = [9, 10].map((above) => new Wire(deployment.basePort + above));
    assert.equal(await writer?.must('INCR', 'n'), ++written);
    assert.equal(await reader?.must('GET', 'n'), `${written}`);
    writer?.close();
    reader?.close();
  };
  const movedMs: number[] = [];
  await isIn(await deployment.leader(), others(await deployment.leader()));
  await works();
  for (let round = 0; round < ROUNDS; round++) {
    const old = await deployment.leader();
    const next = (old + 1) % deployment.nodes;
    const kept = new Wire(deployment.basePort + 9);
    await kept.must('PING');
    await deployment.switchover(next);
    movedMs.push(await isIn(next, others(next)));
    await until('who was connected is cut off', MOVED_MS_MAX, () => kept.isClosed);
    await works();
    await deployment.stopNode(next, 'SIGKILL');
    const heir = await deployment.leader();
    movedMs.push(await isIn(heir, others(heir, next)));
    await works();
    deployment.startNode(next);
    await deployment.ready();
    await isIn(heir, others(heir));
  }
  figures('haproxy', { rounds: ROUNDS, maxMs: Math.max(...movedMs), movedMs });
});
