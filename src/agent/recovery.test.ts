import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type TestContext, test } from 'node:test';
import { charterOf, nodeIdOf } from '../core/charter/charter.ts';
import { type Command, encodeCommand } from '../core/control/command.ts';
import { specFounded } from '../core/control/spec.ts';
import { encodeConfiguration } from '../core/raft/configuration.ts';
import type { Done } from '../core/raft/ports.ts';
import { logIndex, replOffset, term } from '../core/scalars.ts';
import { RealDisk } from '../io/storage/disk.ts';
import { type Identity, loadIdentity, saveIdentity } from '../io/storage/identity.ts';
import { openGroup } from '../io/storage/recovery.ts';
import { CONTROL_GROUP } from './control/control-group.ts';
import { OwnIdentity } from './own-identity.ts';
import { openRecovery } from './recovery.ts';
import { RecoveryFiles } from './recovery-files.ts';
import { DATA_GROUP } from './shard/data-group.ts';
import { encodeData, encodeReign } from './strong/entry.ts';

const MEMBERS = ['n1', 'n2', 'n3'].map((node, i) => ({ node, directory: `${i + 1}`.repeat(32) }));
const [N1, N2, N3] = MEMBERS.map(nodeIdOf) as [never, never, never];
const DECISION = 9;

function done(ask: (whenDone: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => ask((error) => (error ? reject(error) : resolve())));
}

async function writeLog(
  directory: string,
  group: typeof DATA_GROUP,
  payloads: readonly Uint8Array[],
): Promise<void> {
  const options = { group, mustExist: false, segmentBytes: 1e6, cacheBytes: 1e6 };
  const opened = await new Promise<Parameters<Parameters<typeof openGroup>[4]>[0]>((resolve) =>
    openGroup(new RealDisk(), directory, { ...options, onFailure: () => undefined }, null, resolve),
  );
  ok(opened.ok);
  const { store, base } = opened;
  const entries = payloads.map((payload, i) => {
    return { index: logIndex(i + 1), term: term(3), payload };
  });
  await done((saved) => store.saveHardState({ term: term(4), votedFor: null }, saved));
  await done((persisted) => store.persist(base, entries, persisted));
  await new Promise<void>((resolve) => store.close(() => resolve()));
}

/** What is left of n1, one of three, with 30 bytes of stream and a change of members behind it. */
async function survivor(t: TestContext): Promise<string> {
  const directory = mkdtempSync(`${tmpdir()}/althing-recovery-`);
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const charter = charterOf('orders', MEMBERS);
  await save(directory, {
    ...{ name: 'orders', node: 'n1', directory: MEMBERS[0]?.directory ?? '' },
    ...{ incarnation: 4, phase: 'member', charter, logCreated: true, controlCreated: true },
    deployment: 'd'.repeat(32),
    peers: {},
  });
  await writeLog(`${directory}/data0`, DATA_GROUP, [
    encodeReign(replOffset(0), 'f'.repeat(40)),
    encodeConfiguration({ voters: [N1, N2, N3], learners: [], decision: DECISION }),
    encodeData(replOffset(0), [Buffer.alloc(30)], 30),
  ]);
  const found: Command = {
    ...{ kind: 'found', atMs: 1, founders: [N1, N2, N3] },
    spec: specFounded(3, null),
  };
  const scaled: Command = { kind: 'spec', atMs: 2, change: { replicas: 1 }, ifVersion: null };
  await writeLog(`${directory}/control`, CONTROL_GROUP, [found, scaled].map(encodeCommand));
  return directory;
}

function save(directory: string, identity: Identity): Promise<void> {
  return done((saved) =>
    saveIdentity(new RealDisk(), `${directory}/identity`, identity, (error) =>
      error === null ? saved() : saved(error),
    ),
  );
}

function identityIn(directory: string): Promise<Identity> {
  return new Promise((resolve, reject) =>
    loadIdentity(new RealDisk(), `${directory}/identity`, (error, identity) =>
      identity === null ? reject(error) : resolve(identity),
    ),
  );
}

async function recovered(directory: string) {
  const recovery = await openRecovery(directory);
  const deployment = await recovery.carryOut();
  await recovery.close();
  const identity = await identityIn(directory);
  const self = nodeIdOf(identity);
  const files = await RecoveryFiles.open(new RealDisk(), directory, [self], true);
  const { state, configuration, last, offset } = files;
  await files.close();
  return { deployment, identity, self, state, configuration, last, offset };
}

test('recover: the whole log is kept, and the survivor alone counts, under an id of its own', async (t) => {
  const directory = await survivor(t);
  const recovery = await openRecovery(directory);
  const { last, offset, voters, isUnfinished } = recovery.survivor;
  deepEqual([last, offset, isUnfinished], [{ term: 3, index: 3 }, 30, false]);
  deepEqual(
    voters.map(({ node, isSelf, answers }) => [node, isSelf, answers]),
    [
      ['n1', true, false],
      ['n2', false, false],
      ['n3', false, false],
    ],
  );
  await recovery.close();

  const after = await recovered(directory);
  const { deployment, identity, self, state, configuration } = after;
  notEqual(self, N1);
  equal(identity.deployment, deployment);
  notEqual(deployment, 'd'.repeat(32));
  deepEqual([identity.phase, identity.recovering, identity.peers], ['member', undefined, {}]);
  deepEqual(after.offset, 30);
  deepEqual(after.last, { index: 4, term: 5 });
  const { decision } = state.data;
  ok(decision > DECISION, 'no leader follows an older one');
  deepEqual(configuration, { voters: [self], learners: [], decision });
  deepEqual(
    state.spec,
    { replicas: 1, forgetAfterMs: null, reads: 'leader', server: {} },
    'to the last command',
  );
  deepEqual(
    state.members.map(({ node }) => node),
    [self],
  );
  deepEqual(state.removed, [N2, N3, N1]);
  equal(state.history.at(-1)?.text, 'recovered from n1; without n2, n3');
});

test('recover: a second time it is another deployment again', async (t) => {
  const directory = await survivor(t);
  const first = await recovered(directory);
  const second = await recovered(directory);
  notEqual(first.deployment, second.deployment);
  ok(second.state.data.decision > first.state.data.decision);
  equal(second.offset, 30);
});

test('recover: broken off anywhere nothing runs on it, and it is brought to the same end', async (t) => {
  const before = await survivor(t);
  const whole = `${before}-whole`;
  t.after(() => rmSync(whole, { recursive: true, force: true }));
  cpSync(before, whole, { recursive: true });
  const end = await recovered(whole);
  const begun = { ...(await identityIn(before)), recovering: end.identity.directory };
  for (const already of [[], ['control'], ['control', 'data0']]) {
    const half = `${before}-half`;
    t.after(() => rmSync(half, { recursive: true, force: true }));
    cpSync(before, half, { recursive: true });
    for (const group of already) {
      rmSync(`${half}/${group}`, { recursive: true });
      cpSync(`${whole}/${group}`, `${half}/${group}`, { recursive: true });
    }
    await save(half, begun);
    const start = OwnIdentity.open(new RealDisk(), `${half}/identity`, 'orders', 'n1');
    await rejects(start, /RECOVERY_UNFINISHED/);
    const { deployment, configuration, state } = await recovered(half);
    equal(deployment, end.deployment, already.join());
    deepEqual(configuration, end.configuration, already.join());
    deepEqual(state.data, end.state.data, already.join());
    rmSync(half, { recursive: true });
  }
});

test('recover: a directory that belongs to no deployment has nothing to recover', async (t) => {
  const directory = await survivor(t);
  const identity = await identityIn(directory);
  await save(directory, { ...identity, phase: 'signed', deployment: '' });
  await rejects(openRecovery(directory), /NOT_FOUNDED/);
  rmSync(`${directory}/identity`);
  await rejects(openRecovery(directory), /NO_NODE: there is no/);
  await rejects(openRecovery(`${directory}/none`), /NO_NODE: .* is no directory/);
});
