/** Half a minute of everything together, as `npm run faults` does it for longer. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { whyNoHosts } from '../../faults/hosts.ts';
import type { Report } from '../../faults/report.ts';
import { ROOT } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';

const SECONDS = IS_FULL ? 600 : 30;
const SHOWN_CHARACTERS = 8_000;

function runFaults(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const server = process.env['ALTHING_SERVER'];
  const all = [...args, ...(server === undefined ? [] : ['--server', server])];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, 'faults', 'main.ts'), ...all]);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-SHOWN_CHARACTERS);
      });
    child.on('close', (code) => resolve({ code, output }));
  });
}

const why = whyNoHosts();

test(`${SECONDS} s of all faults on hosts of their own: no anomaly`, {
  skip: why ?? false,
}, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'report-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const json = join(dir, 'report.json');
  const { code, output } = await runFaults([
    ...['--cell', 'all', '--seconds', String(SECONDS), '--json', json],
  ]);
  assert.equal(code, 0, output);
  const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
  const { outcomes, longestGap } = report.figures;
  // A run without clients or without faults would be clean as well.
  assert.ok(outcomes.ok > 10 * SECONDS, `only ${outcomes.ok} operations: ${output}`);
  assert.ok(report.bands.length >= 3, `only ${report.bands.length} faults: ${output}`);
  figures('faults', {
    seed: report.seed,
    seconds: SECONDS,
    operations: report.figures.operations,
    unknown: outcomes.unknown,
    faults: report.bands.length,
    longestGapMs: Math.round(longestGap.to - longestGap.from),
  });
});
