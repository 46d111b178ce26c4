/** The list of known faults in `docs/RELIABILITY.md` and the tests that it names. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { documentText, ROOT, rowsOf, wrongName } from './named-tests.ts';

const DOCUMENT = documentText('RELIABILITY.md');
const HOLES = Array.from({ length: 12 }, (_, i) => `H${i + 1}`);
const TWENTY_ONE = [
  ...['13', '14', '17', '18', '19', '21', '23', '25', '26', '28', '30'],
  ...['42', '43', '44', '48', '49', '50', '51', '52', '53', '54'],
];
/** In the order of the source. */
const PITFALLS = [
  'Single-server change bug',
  'No no-op at term start',
  'Disruptive rejoin',
  'PreVote is not enough',
  'Stickiness alone can block',
  'PreVote vs CheckQuorum corner cases',
  'Lease with drift, pause, VM stop',
  'ReadIndex misuse',
  'fsync failure',
  'Lazy or batched fsync',
  'Torn tail vs corruption',
  'Term/vote and log ordering',
  'Term/vote lost on log rewrite',
  'Snapshot install not atomic',
  'Install over conflicting log',
  'Config in snapshot',
  'Learner promotion',
  'Removing the leader',
  'Leadership transfer races',
  'Same id after data loss',
  'Unbounded uncommitted tail',
  'Two leaders share a term / double vote',
  'Apply twice / skip',
  'Partial write to follower',
  'Clock steps',
  'Slow disk (gray failure)',
  'Head-of-line: Node event loop or GC pause',
];
/** Rows about what does not exist yet; nothing else may wait. */
const MAY_WAIT = [...['H5', 'smaller']];

interface Row {
  readonly id: string;
  readonly tests: string;
  readonly failsWhen: string;
}

function rowsUnder(heading: string): Row[] {
  const section = DOCUMENT.split(/^### /m).find((part) => part.startsWith(heading));
  ok(section, `a section ${heading}`);
  const [, ...rows] = rowsOf(section);
  return rows.map((cells) => {
    equal(cells.length, 4, `four columns: ${cells}`);
    const [id = '', , tests = '', failsWhen = ''] = cells;
    return { id, tests, failsWhen };
  });
}

const SECTIONS = {
  holes: rowsUnder('Holes found in the design'),
  twentyOne: rowsUnder('The 21 of RedisRaft'),
  pitfalls: rowsUnder('Pitfalls of Raft'),
  users: rowsUnder('What others’ users lost'),
};

test('every known fault is listed: the holes, the twenty-one, the pitfalls', () => {
  const ids = (rows: readonly Row[]): string[] => [...new Set(rows.map(({ id }) => id))];
  deepEqual(
    ids(SECTIONS.holes).filter((id) => id !== 'smaller'),
    HOLES,
  );
  deepEqual(ids(SECTIONS.twentyOne), TWENTY_ONE);
  deepEqual(ids(SECTIONS.pitfalls), PITFALLS);
});

test('every test that the list names is there, and every row names one or waits', () => {
  const wrong: string[] = [];
  for (const { id, tests } of Object.values(SECTIONS).flat()) {
    if (tests.startsWith('*waits for*')) {
      if (!MAY_WAIT.includes(id)) wrong.push(`${id} waits`);
      continue;
    }
    const named = [...tests.matchAll(/`([^`]+)`(?: "([^"]+)")?/g)];
    if (named.length === 0) wrong.push(`${id} names no test`);
    for (const [, file = '', name] of named)
      wrong.push(...wrongName(file, name).map((text) => `${id}: ${text}`));
  }
  deepEqual(wrong, []);
});

test('every sabotage that the list names is there', () => {
  const numbers = readdirSync(join(ROOT, 'sabotage')).map((file) => file.split('-', 1)[0]);
  const named = Object.values(SECTIONS)
    .flat()
    .flatMap(({ failsWhen }) => failsWhen.match(/\bS\d{2,3}\b/g) ?? []);
  ok(named.length > 0);
  deepEqual(
    named.filter((each) => !numbers.includes(each.slice(1))),
    [],
  );
});

test('Clock steps: nothing that decides asks the wall clock', () => {
  const files = globSync('src/{core,io,agent}/**/*.ts', { cwd: ROOT })
    // Lines for people carry the time; tests and trials have deadlines.
    .filter((path) => !/\.test\.ts$|\/trial[^/]*\.ts$|^src\/agent\/journal\.ts$/.test(path))
    // Tools: a backup is named by its time, and when a key ends is a time of day.
    .filter((path) => !/^src\/(io\/dataset\/|agent\/backup\.ts$)/.test(path));
  ok(files.length > 100);
  const asking = files.filter((path) =>
    /\bDate\b(?=[.(])/.test(readFileSync(join(ROOT, path), 'utf8')),
  );
  deepEqual(asking, []);
});
