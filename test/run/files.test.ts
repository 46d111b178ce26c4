import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const FILES = new URL('./files.ts', import.meta.url).href;
const SCOPE = new URL('../system/scope.ts', import.meta.url).href;
const LEFTOVERS = new URL('./leftovers.ts', import.meta.url).href;

/** Node's runner does nothing when it is called within a test, so it gets a process of its own. */
const DRIVER = `
  const [cwd, fileMs, ...beside] = process.argv.slice(2);
  const { runFiles } = await import(${JSON.stringify(FILES)});
  const { Leftovers } = await import(${JSON.stringify(LEFTOVERS)});
  const leftovers = new Leftovers();
  const lines = [];
  const queue = (...paths) => paths.map((path) => ({ path, fileMs: Number(fileMs) }));
  const lanes = [[queue('planted.test.mjs')], [queue(), queue(...beside)]];
  const counts = await runFiles({
    cwd, leftovers, lanes, end: Date.now() + 60_000,
    print: (line) => lines.push(line),
  });
  leftovers.close();
  process.stdout.write(JSON.stringify({ counts, lines }));
`;

interface Outcome {
  readonly counts: Readonly<Record<string, number>>;
  readonly lines: readonly string[];
}

/** Of one file, and of another that runs at the same time. */
async function outcomeOf(body: string, fileMs = 30_000, beside = ''): Promise<Outcome> {
  const cwd = mkdtempSync(join(process.env['TMPDIR'] ?? '/tmp', 'planted-'));
  try {
    const header =
      "import { test } from 'node:test';\nimport { spawn } from 'node:child_process';\n";
    writeFileSync(join(cwd, 'planted.test.mjs'), `${header}${body}\n`);
    writeFileSync(join(cwd, 'beside.test.mjs'), `${header}${beside}\n`);
    const environment = { ...process.env };
    delete environment['NODE_TEST_CONTEXT'];
    // Nobody comes back to what is planted.
    delete environment['NODE_COMPILE_CACHE'];
    writeFileSync(join(cwd, 'driver.mjs'), DRIVER);
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(cwd, 'driver.mjs'), cwd, String(fileMs), ...(beside === '' ? [] : ['beside.test.mjs'])],
      { env: environment },
    );
    return JSON.parse(stdout) as Outcome;
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

/** Gone, or dead and not yet collected by whoever adopted it. */
function isGone(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

test('a file that passes is one line and no complaint', async () => {
  const { counts, lines } = await outcomeOf("test('a', () => {}); test('b', () => {});");
  assert.deepEqual([counts['tests'], counts['pass'], counts['complaints']], [2, 2, 0]);
  assert.match(lines.join('\n'), /^ok {3}planted\.test\.mjs \(2 tests, [\d.]+ s\)$/);
});

test('a failing test is counted, and told with its name and its error', async () => {
  const { counts, lines } = await outcomeOf("test('broken', () => { throw new Error('why'); });");
  assert.equal(counts['fail'], 1);
  assert.match(lines.join('\n'), /FAIL planted\.test\.mjs:\d+ broken\n.*Error: why/);
});

test('a file that cannot be read as a program fails', async () => {
  const { counts } = await outcomeOf('const = ;');
  assert.equal(counts['fail'], 1);
});

test('a file that hangs is ended, and fails', async () => {
  const hang = "test('slow', () => new Promise((resolve) => setTimeout(resolve, 60_000)));";
  const { counts } = await outcomeOf(hang, 1_000);
  assert.equal(counts['complaints'], 1);
  assert.equal((counts['fail'] ?? 0) + (counts['cancelled'] ?? 0) > 0, true);
});

test('a process that is left behind is named and ended', async () => {
  const leave = "spawn('sleep', ['61'], { detached: true, stdio: 'ignore' }).unref();";
  const { counts, lines } = await outcomeOf(`test('a', () => { ${leave} });`);
  assert.equal(counts['complaints'], 1);
  const pid = /left process (\d+): sleep 61/.exec(lines.join('\n'))?.[1];
  assert.ok(pid);
  assert.ok(isGone(Number(pid)));
});

test('a temporary file that is left behind is named', async () => {
  const { counts, lines } = await outcomeOf(`
    import { writeFileSync } from 'node:fs';
    import { tmpdir } from 'node:os';
    test('a', () => writeFileSync(tmpdir() + '/left', ''));`);
  assert.equal(counts['complaints'], 1);
  assert.match(lines.join('\n'), /planted\.test\.mjs left .*\/left$/);
});

test('what is left is told of the file that left it, also when another runs beside', async () => {
  const leave = "spawn('sleep', ['62'], { detached: true, stdio: 'ignore' }).unref();";
  const slow = "test('slow', () => new Promise((resolve) => setTimeout(resolve, 5_000)));";
  const { counts, lines } = await outcomeOf(slow, 30_000, `test('a', () => { ${leave} });`);
  assert.deepEqual([counts['pass'], counts['complaints']], [2, 1]);
  assert.match(lines.join('\n'), /^FAIL beside\.test\.mjs left process \d+: sleep 62 ?$/m);
});

test('what goes on beside a test ends with it, also when the test and another end of it fail', async () => {
  const { counts, lines } = await outcomeOf(`
    import { atEnd, Beside, fileScope } from ${JSON.stringify(SCOPE)};
    import { setTimeout as sleep } from 'node:timers/promises';
    const forever = async (isOn) => { while (isOn()) await sleep(5); };
    const file = fileScope();
    new Beside(file, forever);
    test('a', (t) => {
      new Beside(t, forever);
      atEnd(t, () => Promise.reject(new Error('an end of it')));
      throw new Error('the test');
    });`);
  assert.deepEqual([counts['fail'], counts['cancelled'], counts['complaints']], [1, 0, 0]);
  assert.match(lines.join('\n'), /Error: the test/);
});
