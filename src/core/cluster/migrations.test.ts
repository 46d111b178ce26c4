import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { DIALECTS, isAbout, isOf, parseMigrations } from './migrations.ts';

const [A, B] = ['a'.repeat(40), 'b'.repeat(40)] as const;
const RANGES = [
  { from: 0, to: 9 },
  { from: 20, to: 20 },
] as const;

test('Valkey is told at the source, Redis at the target, each in its own words', () => {
  const said = DIALECTS.map((dialect) => [dialect.asked, dialect.begin(B, RANGES).join(' ')]);
  deepEqual(said, [
    ['source', `CLUSTER MIGRATESLOTS SLOTSRANGE 0 9 20 20 NODE ${B}`],
    ['target', 'CLUSTER MIGRATION IMPORT 0 9 20 20'],
  ]);
  deepEqual(
    DIALECTS.map((dialect) => [...dialect.cancel('7'), String(dialect.cancelsAll)].join(' ')),
    ['CLUSTER CANCELSLOTMIGRATIONS true', 'CLUSTER MIGRATION CANCEL ID 7 false'],
  );
});

test('what Valkey tells: fields in any order, those of newer servers passed over', () => {
  const reply = [
    [
      ...['operation', 'EXPORT', 'name', 'n1', 'slot_ranges', '0-9 20-20', 'new_field', 7],
      ...['target_node', B, 'source_node', A, 'create_time', 1, 'state', 'snapshotting'],
      ...['message', '', 'cow_size', 0],
    ],
    // A replica of the target does not tell who is concerned.
    ['name', 'n0', 'slot_ranges', '5-5', 'state', 'failed', 'message', 'Connection lost'],
    ['slot_ranges', '5-5'],
    'no map',
  ];
  const [first, second, ...none] = parseMigrations(reply);
  deepEqual(first, {
    ...{ id: 'n1', source: A, target: B, slots: RANGES, state: 'snapshotting' },
    ...{ outcome: 'running', error: '', retries: 0 },
  });
  deepEqual([second?.outcome, second?.error, second?.target], ['failed', 'Connection lost', '']);
  equal(none.length, 0);
});

test('what Redis tells, as its documentation has it', () => {
  const task = (state: string, retries: number): string[] => [
    ...['id', 't1', 'slots', '0-9 20-20', 'source', A, 'dest', B, 'operation', 'import'],
    ...['state', state, 'last_error', 'lost', 'retries', String(retries)],
  ];
  const all = parseMigrations(['completed', 'canceled', 'streaming-buffer'].map((s) => task(s, 2)));
  deepEqual(
    all.map(({ id, source, target, slots, outcome, error, retries }) => ({
      ...{ id, source, target, slots, outcome, error, retries },
    })),
    ['done', 'cancelled', 'running'].map((outcome) => ({
      ...{ id: 't1', source: A, target: B, slots: RANGES, outcome, error: 'lost', retries: 2 },
    })),
  );
});

test('a migration is known by its slots', () => {
  const [one] = parseMigrations([['name', 'n', 'slot_ranges', '20 0-9', 'state', 'x']]);
  if (one === undefined) throw new Error('it was not read');
  equal(isOf(one, RANGES), true);
  equal(isOf(one, [{ from: 0, to: 9 }]), false);
  equal(isAbout(one, new Set([20])), true);
  equal(isAbout(one, new Set([10, 19])), false);
});

test('what is no list is no migration', () => {
  for (const reply of [null, 'OK', 7, []]) deepEqual(parseMigrations(reply), []);
});
