/**
 * `npm run faults -- --cell CELL --seconds N`: real processes on hosts of their own, real faults,
 * and what clients saw through the checkers. The last line is the verdict.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeLines } from '../sim/check/history-lines.ts';
import { CELLS } from './cells.ts';
import {
  keepDirectory,
  makeDirectory,
  removeAbandonedDirectories,
  removeDirectory,
} from './directories.ts';
import { figuresOf, perSecond } from './figures.ts';
import { Hosts, removeAbandonedHosts, whyNoHosts } from './hosts.ts';
import { checkRecord } from './judgement.ts';
import { type FaultsOptions, readOptions, USAGE } from './options.ts';
import { type Report, verdictOf } from './report.ts';
import { htmlPage } from './report-html.ts';
import { textLines } from './report-text.ts';
import { Run } from './run.ts';
import { buildShims } from './shims/build.ts';

const EXIT = { clean: 0, found: 1, usage: 2 } as const;

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args, Date.now());
  if (options === 'list') {
    for (const [name, { means }] of Object.entries(CELLS)) print(`${name.padEnd(16)}${means}`);
    return EXIT.clean;
  }
  if ('wrong' in options) {
    print(`${options.wrong}\n${USAGE}`);
    return EXIT.usage;
  }
  const why = whyNoHosts();
  if (why !== null) {
    print(`this cannot be run here: ${why}`);
    return EXIT.usage;
  }
  removeAbandonedHosts();
  removeAbandonedDirectories();
  const dir = makeDirectory();
  const hosts = new Hosts(options.nodes);
  // Whatever ends us, nothing stays: processes in the hosts first, then where they wrote.
  process.on('exit', () => {
    hosts.remove();
    removeDirectory(dir);
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => process.exit(EXIT.found));
  const report = await measured(options, hosts, dir);
  for (const line of textLines(report)) print(line);
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(report, null, 1)}\n`);
  if (report.kept !== null) writeFileSync(join(report.kept, 'report.html'), htmlPage(report));
  if (options.html !== null) writeFileSync(options.html, htmlPage(report));
  if (report.kept !== null) print(`kept in ${report.kept}`);
  print(verdictOf(report));
  return report.findings.length === 0 ? EXIT.clean : EXIT.found;
}

async function measured(options: FaultsOptions, hosts: Hosts, dir: string): Promise<Report> {
  const { cell, seconds, seed, nodes, server, relayThreads, reads } = options;
  const shims = await buildShims();
  const shim = 'path' in shims ? shims.path : null;
  const begin = performance.now();
  const say = (line: string): void =>
    print(`[${((performance.now() - begin) / 1_000).toFixed(1).padStart(6)} s] ${line}`);
  const run = new Run({ cell, seconds, seed, hosts, dir, server, relayThreads, reads, shim, say });
  const record = await run.run().finally(() => run.close());
  say(`checking ${record.operations.length} operations`);
  const { checked, anomalies } = checkRecord(record.operations);
  const notes = [...checked];
  if (record.lostWrites > 0)
    notes.push(`${record.lostWrites} changes that were not synced were lost by power cuts`);
  if ('skipped' in shims) notes.push(`left out: faults of disks and clocks: ${shims.skipped}`);
  const findings = [...record.findings, ...anomalies];
  let kept: string | null = null;
  if (findings.length > 0 || options.keep) {
    writeFileSync(join(dir, 'history.jsonl'), writeLines(record.operations));
    kept = keepDirectory(dir, `${cell}-${seed}`);
  }
  const { bands, reigns, queue, healMs, keys, untilMs, seen } = record;
  const command =
    `npm run faults -- --cell ${cell} --seconds ${seconds} --seed ${seed}` +
    (nodes === 3 ? '' : ` --nodes ${nodes}`) +
    (server === null ? '' : ` --server ${server}`) +
    (relayThreads === null ? '' : ` --relay-threads ${relayThreads}`) +
    (reads === null ? '' : ` --reads ${reads}`);
  return {
    ...{ cell, seconds, seed, nodes, server: record.version, command },
    figures: figuresOf(seen, bands, untilMs),
    perSecond: perSecond(seen, untilMs),
    ...{ bands, reigns, queue, healMs, keys, checked: notes, findings, kept },
  };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exit(await main(process.argv.slice(2)));
