/** The end of a run: the table, the JSON file, and the page beside it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { judge } from '../marks.ts';
import type { Options } from '../options.ts';
import type { Results } from '../results.ts';
import { summaries } from '../summary.ts';
import { type Facts, pageOf } from './page.ts';
import { tableLines } from './table.ts';

const ROOT = join(import.meta.dirname, '..', '..');

export interface PublishOptions {
  readonly options: Options;
  readonly server: string;
  readonly say: (line: string) => void;
}

/** Also what a run measured that was broken off. */
export async function publish(results: Results, { options, server, say }: PublishOptions) {
  const { runs, snapshots, kills, switchovers, locals, idle } = results;
  const measured = [runs, snapshots, kills, switchovers, locals, idle];
  if (measured.every(({ length }) => length === 0)) return;
  for (const line of tableLines(results)) say(line);
  const facts: Facts = {
    date: new Date().toISOString(),
    commit: firstLine('git', ['rev-parse', '--short', 'HEAD']),
    server: firstLine(server, ['--version']),
    node: process.version,
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${inGib(totalmem())}`,
    load: loadavg().map((value) => Number(value.toFixed(1))),
    options,
  };
  const folder = join(ROOT, 'bench-results');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, facts.date.replace(/[:.]/g, '-'));
  const report = {
    facts,
    marks: judge(results),
    summaries: summaries(results.cases, runs),
    ...results,
  };
  writeFileSync(`${path}.json`, `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(`${path}.html`, pageOf(results, facts));
  say(`written to ${path}.json and .html`);
}

function inGib(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 3)} GiB`;
}

function firstLine(program: string, args: readonly string[]): string {
  try {
    const text = execFileSync(program, [...args], { cwd: ROOT, encoding: 'utf8' });
    return text.split('\n')[0] ?? '';
  } catch {
    return 'unknown';
  }
}
