/** `node sim/check/main.ts FILE.jsonl [--elle FILE] [--porcupine FILE] [--json FILE]` */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { checkHistory } from './check.ts';
import { toElle } from './elle.ts';
import type { Operation } from './history.ts';
import { BadHistory, parseLines } from './history-lines.ts';
import { toPorcupineKv } from './porcupine.ts';

const USAGE = 'check FILE.jsonl [--elle FILE] [--porcupine FILE] [--json FILE]';
/** Anomalies that are printed; the JSON file has all of them. */
const PRINTED_MAX = 20;

function fail(words: string): never {
  console.error(`${words}\nusage: ${USAGE}`);
  process.exit(2);
}

function asked() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        elle: { type: 'string' },
        porcupine: { type: 'string' },
        json: { type: 'string' },
      },
    });
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function historyIn(file: string): Operation[] {
  try {
    return parseLines(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof BadHistory) return fail(`${file}: ${error.message}`);
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function main(): void {
  const { values, positionals } = asked();
  const [file] = positionals;
  if (file === undefined || positionals.length !== 1) fail('one file is wanted');
  const operations = historyIn(file);
  if (values.elle !== undefined) writeFileSync(values.elle, toElle(operations));
  if (values.porcupine !== undefined) {
    const { text, leftOut } = toPorcupineKv(operations);
    writeFileSync(values.porcupine, text);
    if (leftOut.length > 0) console.log(`not in porcupine's form: ${leftOut.join(' ')}`);
  }
  const { verdict, anomalies, doubts, summary } = checkHistory(operations);
  if (values.json !== undefined) {
    const details = { verdict, summary, doubts, anomalies };
    writeFileSync(values.json, `${JSON.stringify(details, null, 2)}\n`);
  }
  for (const { kind, words } of anomalies.slice(0, PRINTED_MAX)) console.log(`${kind}: ${words}`);
  if (anomalies.length > PRINTED_MAX) console.log(`and ${anomalies.length - PRINTED_MAX} more`);
  for (const doubt of doubts) console.log(`undecided: ${doubt}`);
  console.log(`verdict: ${verdict === 'violated' ? 'VIOLATED' : verdict}, ${summary}`);
  process.exitCode = verdict === 'ok' ? 0 : 1;
}

if (import.meta.main) main();
