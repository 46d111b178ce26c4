import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { allSabotages, changedFiles, ROOT, sabotagedCopy } from './copy.ts';
import { applied, PatchError, parseSabotage, type Sabotage } from './patch.ts';
import { ruleOf, tryControl, tryOut } from './trial.ts';

const SABOTAGES = allSabotages();
/** Each is caught by its first seeds; `npm run sabotage` runs all of them. */
const QUICK = ['01-', '07-', '18-'];
const QUICK_SEEDS = 40;

function sabotageNamed(start: string): Sabotage {
  const found = SABOTAGES.find(({ name }) => name.startsWith(start));
  assert.ok(found, `there is a sabotage ${start}`);
  return found;
}

test('there are at least twenty sabotages, numbered once, each with a reason and a check', () => {
  assert.ok(SABOTAGES.length >= 20);
  const numbers = SABOTAGES.map(({ name }) => /^(\d{2,3})-[a-z0-9-]+$/.exec(name)?.[1]);
  assert.ok(!numbers.includes(undefined), 'each is named like 07-what-it-does');
  assert.equal(new Set(numbers).size, numbers.length);
  for (const { name, what, breaks } of SABOTAGES) {
    assert.match(what, /^[A-Z].*[.)]$/, `${name} says what is broken in a sentence`);
    const source =
      /(DESIGN|thesis|reliability\.md|engine\.md) §\d|holes\.md H\d|features\.md X\d|Raft figure|decisions\/\d{4}/;
    assert.match(breaks, source, `${name} says which rule it breaks`);
  }
});

test('every sabotage fits the present tree in one place, and what it makes still parses', () => {
  for (const sabotage of SABOTAGES) {
    for (const [path, text] of changedFiles(sabotage, ROOT)) {
      assert.match(path, /^src\//, `${sabotage.name} breaks the product, not the simulator`);
      assert.notEqual(text, readFileSync(join(ROOT, path), 'utf8'));
      stripTypeScriptTypes(text);
    }
  }
});

test('the tests that sabotages name are there', () => {
  for (const { name, shownBy, unit } of SABOTAGES)
    for (const path of [shownBy, unit])
      assert.ok(path === null || existsSync(join(ROOT, path)), `${name}: ${path}`);
});

test('a copy differs from the tree in what the patch changes, and is gone afterwards', () => {
  const { directory: copy, remove } = sabotagedCopy(sabotageNamed('06-'));
  const path = 'src/core/raft/commit.ts';
  assert.notEqual(readFileSync(join(copy, path), 'utf8'), readFileSync(join(ROOT, path), 'utf8'));
  assert.deepEqual(readdirSync(join(copy, 'src/core')), readdirSync(join(ROOT, 'src/core')));
  remove();
  assert.equal(existsSync(copy), false);
});

const HEADER = 'sabotage: A b.\nbreaks: holes.md H1\ncaught by: /x/\n';
const DIFF = '--- a/src/a.ts\n+++ b/src/a.ts\n@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n';

function patched(text: string, diff = DIFF): string {
  const [file] = parseSabotage('00-a.patch', HEADER + diff).files;
  assert.ok(file);
  return applied('00-a', file, text);
}

test('a hunk goes where its lines are, wherever that is', () => {
  assert.equal(patched('zero\none\ntwo\nthree\n'), 'zero\none\nTWO\nthree\n');
  assert.equal(patched('one\ntwo'), 'one\nTWO');
});

test('a hunk that fits nowhere or twice is refused by name, with what to do', () => {
  for (const text of ['one\n2\n', 'one\n two\n', 'one\ntwo\none\ntwo\n'])
    assert.throws(
      () => patched(text),
      (error) => error instanceof PatchError && /^00-a: .*make the patch again/.test(error.message),
    );
});

test('a patch without its header, its check or its effect is refused', () => {
  const same = DIFF.replace('+TWO', '+two');
  for (const text of [
    DIFF,
    HEADER,
    HEADER.replace('/x/', 'x') + DIFF,
    HEADER.replace('/x/', '/(/') + DIFF,
    HEADER.replace('breaks: holes.md H1\n', '') + DIFF,
    `${HEADER}sabotage: C d.\n${DIFF}`,
    `${HEADER}steps: many\n${DIFF}`,
    `${HEADER}world: none\n${DIFF}`,
    HEADER + same,
    HEADER + DIFF.replace('b/src/a.ts', 'b/src/b.ts'),
  ])
    assert.throws(() => parseSabotage('00-a.patch', text), PatchError, text);
});

for (const start of QUICK) {
  const sabotage = sabotageNamed(start);
  test(`it is caught: ${sabotage.what}`, async (t) => {
    const trial = await tryOut(sabotage, { from: 1, seedsMax: QUICK_SEEDS });
    assert.equal(trial.isCaught, true, JSON.stringify(trial));
    t.diagnostic(`${trial.seeds} seeds: ${ruleOf(trial.failure ?? '')}`);
  });
}

test('what is not broken is not caught, and a check that is not met is no catch', async () => {
  const options = { from: 1, seedsMax: 2 };
  const control = await tryControl(options);
  assert.deepEqual([control.failure, control.fault, control.seeds], [null, null, 2]);
  const other = { ...sabotageNamed('01-'), caughtBy: /never said/ };
  const trial = await tryOut(other, options);
  assert.equal(trial.isCaught, false);
  assert.ok(Object.keys(trial.others).length > 0, 'other failures are shown');
});

test('a patch that only crashes is a fault of the patch', async () => {
  const broken = sabotageNamed('06-');
  const [file] = broken.files;
  assert.ok(file);
  const spoilt = (line: string) => {
    const hunks = [{ before: ['export function commitUpTo(s: State, index: LogIndex): void {'] }];
    return {
      ...broken,
      files: [
        { ...file, hunks: hunks.map(({ before }) => ({ before, after: [...before, line] })) },
      ],
    };
  };
  const options = { from: 1, seedsMax: 1 };
  assert.match((await tryOut(spoilt('  if ('), options)).fault ?? '', /does not run/);
  assert.match((await tryOut(spoilt('  noSuchThing();'), options)).fault ?? '', /patch crashes/);
});

/** Starts a child that never ends by itself, and says its id. */
const PARENT = `
  const { spawn } = require('node:child_process');
  const args = ['--import', '${join(ROOT, 'sabotage', 'bounded.ts')}', '-e', 'for (;;);'];
  const env = { ...process.env, ALTHING_SABOTAGE_RUNNER: String(process.pid) };
  const child = spawn(process.execPath, args, { stdio: 'ignore', env });
  console.log(child.pid);
`;
const GONE_MS_MAX = 10_000;

test('a child that loops for ever ends when the runner is killed', async () => {
  const parent = spawn(process.execPath, ['-e', PARENT], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
  const isThere = () => existsSync(`/proc/${pid.toString().trim()}`);
  assert.equal(isThere(), true);
  await sleep(500);
  parent.kill('SIGKILL');
  const end = Date.now() + GONE_MS_MAX;
  while (isThere() && Date.now() < end) await sleep(50);
  assert.equal(isThere(), false);
});

test('bad usage is told with what there is, and exit code 2', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['sabotage/main.ts', ...args], { cwd: ROOT, encoding: 'utf8' });
  for (const args of [['--only', 'nothing'], ['--seeds', '0'], ['--no-such']]) {
    const { status, stdout } = run(...args);
    assert.equal(status, 2);
    assert.match(stdout, /npm run sabotage/);
  }
  const listed = run('--list');
  assert.equal(listed.status, 0);
  assert.equal(listed.stdout.trim().split('\n').length, SABOTAGES.length);
});
