/**
 * Discovery over this machine's real resolver, as a program of its own: a line of JSON whenever
 * something has changed. The test runs it where name servers are the test's.
 */
import { networkInterfaces } from 'node:os';
import { Discovery } from '../../src/io/discovery/discovery.ts';
import { ownCandidate } from '../../src/io/discovery/own-candidate.ts';
import { parseSources } from '../../src/io/discovery/specification.ts';
import { systemPorts } from '../../src/io/discovery/system.ts';

/** One line. */
export interface Picture {
  readonly candidates: readonly string[];
  readonly own: string | null;
  /** In words, by source. */
  readonly errors: Readonly<Record<string, string | null>>;
}

const LOOK_MS = 20;

function main(given: string, limits: object): void {
  const parsed = parseSources(given, 7379);
  if (!parsed.ok) throw new Error(parsed.text);
  const discovery = new Discovery({
    specs: parsed.specs,
    peers: null,
    kubernetes: null,
    ports: systemPorts(),
    onChange: () => undefined,
    log: () => undefined,
    fatal: (error) => {
      throw error;
    },
    limits,
  });
  discovery.start();
  let last = '';
  setInterval(() => {
    const all = discovery.candidates();
    const picture: Picture = {
      candidates: all.map(({ text }) => text),
      own: ownCandidate(all, 7379, networkInterfaces())?.text ?? null,
      errors: Object.fromEntries(
        discovery.status().map(({ source, lastError }) => [source, lastError?.text ?? null]),
      ),
    };
    const line = JSON.stringify(picture);
    if (line !== last) process.stdout.write(`${line}\n`);
    last = line;
  }, LOOK_MS);
}

const [, program = '', given, limits] = process.argv;
if (program.endsWith('discovery-watch.ts') && given !== undefined)
  main(given, JSON.parse(limits ?? '{}') as object);
