/**
 * Nodes that were told one name and nothing else: three found one deployment, in whatever order
 * they start, and a fourth joins it. Each has an address of its own on loopback, of one name.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../src/doors/view.ts';
import { OwnResolver, whyNoResolver } from './own-resolver.ts';
import { until } from './processes.ts';
import { PROGRAM } from './program.ts';

/** A node begins within seconds; a loaded machine of two cores may well be slow. */
const PATIENCE_MS = 60_000;
const DELAY_MS_MAX = 1_000;
const HTTP_PORT = 8379;
const hostOf = (i: number) => `127.0.1.${i}`;

test('three nodes with one name of all found one deployment, and a fourth joins it', async (t) => {
  const why = whyNoResolver();
  if (why !== null) return t.skip(why);
  const dir = mkdtempSync(join(tmpdir(), 'found-'));
  const secret = join(dir, 'secret');
  writeFileSync(secret, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  const nodes: ChildProcess[] = [];
  const resolver = new OwnResolver(
    { after: (fn) => t.after(fn) },
    { resolvConf: [], ownAddress: '10.1.0.2/24', command: ['sleep', 'infinity'] },
  );
  t.after(async () => {
    await Promise.all(nodes.map(ended));
    rmSync(dir, { recursive: true, force: true });
  });
  await sleep(200);
  await resolver.serve([1, 2, 3, 4].map((i) => `${hostOf(i)} orders.test`));

  const logOf = (i: number) => join(dir, `${i}.log`);
  // The same on every node but for what a machine has of its own: address and host name.
  const start = (i: number) => {
    mkdirSync(join(dir, `${i}`));
    const flags = ['--discover', 'orders.test', '--expect', '3', '--secret-file', secret];
    const own = ['--dir', join(dir, `${i}`), '--bind', hostOf(i), '--relay-threads', '0'];
    const agent = [process.execPath, PROGRAM, 'start', ...flags, ...own];
    const named = ['unshare', '-u', 'sh', '-c', `hostname host${i}; exec "$@"`, 'sh', ...agent];
    const log = openSync(logOf(i), 'a');
    nodes.push(spawn('nsenter', [...resolver.entering, ...named], { stdio: ['pipe', log, log] }));
    closeSync(log);
  };
  const status = async (i: number): Promise<Status | null> => {
    const answer = await resolver.get(`http://${hostOf(i)}:${HTTP_PORT}/status`);
    return answer === '' ? null : (JSON.parse(answer) as Status);
  };
  const all = async (what: string, those: readonly number[], holds: (s: Status) => boolean) =>
    await until(what, PATIENCE_MS, async () => {
      const seen = await Promise.all(those.map(status));
      const known = seen.filter((each) => each !== null);
      return known.length === those.length && known.every(holds) && known;
    }).catch((error: Error) => {
      const logs = those.map((i) => readFileSync(logOf(i), 'utf8').slice(-2_000));
      throw new Error(`${error.message}\n${logs.join('\n')}`);
    });

  const order = [1, 2, 3].toSorted(() => Math.random() - 0.5);
  for (const i of order) {
    start(i);
    await sleep(Math.random() * DELAY_MS_MAX);
  }
  const founded = await all('one deployment', order, (s) => s.leader !== null);
  const [first] = founded;
  assert.ok(first);
  assert.equal(new Set(founded.map(({ deployment }) => deployment)).size, 1);
  const [source] = first.discovery;
  assert.equal(source?.source, 'dns:orders.test:7379');
  assert.equal(source.addresses.length, 4);

  start(4);
  const [joined] = await all('the fourth is in', [4], (s) => s.deployment === first.deployment);
  assert.equal(joined?.node, 'host4-7379');
  const isKnown = (s: Status) => s.members.some(({ node }) => node === 'host4-7379');
  await all('all know it', [1, 2, 3, 4], isKnown);
});

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
