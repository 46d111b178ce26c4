import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { defaultStateDirectory, openStateDirectory } from './state-directory.ts';

const THREE = ['node1', 'node2', 'node3'];

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'up-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'state');
}

test('a second `up` on one directory is refused, with the pid of the first', (t) => {
  const path = place(t);
  openStateDirectory(path, THREE, false);
  assert.throws(
    () => openStateDirectory(path, THREE, false),
    new RegExp(`pid ${process.pid}\\) runs on ${path}`),
  );
});

test('the secret has 256 bits, is for its owner alone, and stays', (t) => {
  const { secretFile } = openStateDirectory(place(t), THREE, false);
  const { mode, size } = statSync(secretFile);
  assert.equal(mode & 0o777, 0o600);
  assert.equal(size, 65);
});

/** As if an earlier `up` had left this and ended. */
function leave(path: string, nodes: readonly string[], alsoThere: readonly string[] = []): void {
  for (const name of [...nodes, ...alsoThere])
    mkdirSync(join(path, name, 'data'), { recursive: true });
  writeFileSync(join(path, 'up.json'), JSON.stringify({ nodes }));
}

test('fewer nodes than the directory holds are refused', (t) => {
  const path = place(t);
  leave(path, THREE);
  assert.throws(() => openStateDirectory(path, ['node1'], false), /holds a deployment of 3 nodes/);
});

test('more nodes than the directory holds are added to it, but none that somebody else made', (t) => {
  const [path, other] = [place(t), place(t)];
  const four = [...THREE, 'node4'];
  leave(path, THREE);
  openStateDirectory(path, four, false);
  assert.deepEqual(JSON.parse(readFileSync(join(path, 'up.json'), 'utf8')), { nodes: four });
  assert.equal(existsSync(join(path, 'node1', 'data')), true);
  leave(other, THREE, ['node4']);
  assert.throws(() => openStateDirectory(other, four, false), /did not make it/);
});

test('--fresh deletes what an earlier `up` made, and nothing else', (t) => {
  const path = place(t);
  leave(path, THREE, ['node7', 'letters']);
  openStateDirectory(path, ['node1'], true);
  const there = ['node1', 'node2', 'node7', 'letters'].filter((n) => existsSync(join(path, n)));
  assert.deepEqual(there, ['node1', 'node7', 'letters']);
  assert.equal(existsSync(join(path, 'node1', 'data')), false);
});

test('a directory of somebody else is not taken over', (t) => {
  const path = place(t);
  mkdirSync(join(path, 'node2'), { recursive: true });
  assert.throws(() => openStateDirectory(path, THREE, false), /did not make it/);
});

test('a damaged record is named, and nothing is deleted', (t) => {
  const path = place(t);
  leave(path, THREE);
  writeFileSync(join(path, 'up.json'), '{"nodes":["../elsewhere"]}');
  assert.throws(() => openStateDirectory(path, THREE, true), /up\.json is damaged/);
  assert.equal(existsSync(join(path, 'node1', 'data')), true);
});

test('the default place follows XDG, and ignores a relative path there', () => {
  assert.equal(defaultStateDirectory({ XDG_STATE_HOME: '/s' }), '/s/althing/up');
  assert.match(defaultStateDirectory({ XDG_STATE_HOME: 's' }), /\.local\/state\/althing\/up$/);
});
