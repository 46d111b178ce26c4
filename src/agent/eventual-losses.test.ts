import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Primary } from '../core/control/state.ts';
import type { Alone } from '../core/psync/alone.ts';
import { nodeId } from '../core/scalars.ts';
import { trialDir } from '../io/server/trial.ts';
import { type Loss, LossCount, Losses } from './eventual-losses.ts';
import { AOF_DIRECTORY, type Grown } from './eventual-record.ts';
import { createJournal } from './journal.ts';

const [H1, H2, H3] = ['1'.repeat(40), '2'.repeat(40), '3'.repeat(40)];
const NEXT: Primary = {
  decision: 9,
  node: nodeId('b@00000002'),
  isPlanned: false,
  base: H1,
  history: H2,
  from: { history: H1, offset: 100 },
  former: null,
};
const GROWN: Grown = {
  history: H1,
  offset: 140,
  wasPrimary: true,
  isCounted: true,
  tail: { since: 90, path: 'part', position: 500 },
};
const ABOUT: Loss = { decision: 9, from: NEXT.from, bytes: 40, isExact: false, isLeast: false };

interface Course {
  readonly grown?: Grown | null;
  readonly counted?: Loss;
  /** The server was started once more after that. */
  readonly again?: Grown | null;
  /** So much of the file the next primary does not have. */
  readonly alone?: Alone;
}

function lossOf({ grown = null, counted, again, alone }: Course): Loss | null {
  const count = new LossCount();
  count.started(grown);
  if (counted !== undefined) count.counted(counted);
  if (again !== undefined) count.started(again);
  return count.take(NEXT, alone ?? null);
}

test('a former primary that was started again tells what it had more by its file', () => {
  const least = { ...ABOUT, bytes: 0, isLeast: true };
  const uncounted = { ...ABOUT, from: null, bytes: null };
  for (const [grown, loss] of [
    [GROWN, ABOUT],
    [{ ...GROWN, offset: 100 }, least],
    [
      { ...GROWN, isCounted: false },
      { ...ABOUT, isLeast: true },
    ],
    [{ ...GROWN, offset: 60, isCounted: false }, least],
    [{ ...GROWN, history: H3 }, uncounted],
    [{ ...GROWN, history: H2 }, null],
    [{ ...GROWN, wasPrimary: false }, null],
  ] as const)
    deepEqual(lossOf({ grown }), loss, JSON.stringify(grown));
  const counted = { ...ABOUT, bytes: 7, isExact: true };
  deepEqual(lossOf({ grown: GROWN, counted }), counted);
  deepEqual(lossOf({ counted: { ...counted, decision: 8 } }), null, 'of an earlier decision');
});

test('a file that was compared with what the next primary has is counted by that', () => {
  const counted = { ...ABOUT, bytes: 7, isExact: true };
  const [some, none] = [
    { bytes: 30, isShort: false },
    { bytes: 0, isShort: false },
  ];
  deepEqual(lossOf({ grown: GROWN, alone: some }), { ...ABOUT, bytes: 30 });
  deepEqual(lossOf({ grown: GROWN, alone: none }), null);
  const short = lossOf({ grown: GROWN, alone: { ...none, isShort: true } });
  deepEqual(short, { ...ABOUT, bytes: 0, isLeast: true }, 'not all was written yet');
  deepEqual(lossOf({ counted, again: GROWN, alone: some }), { ...ABOUT, bytes: 30 });
  deepEqual(lossOf({ grown: GROWN, counted, alone: some }), counted, 'its own word is of now');
});

test('only a file of the history that the next one has left is compared', () => {
  const count = new LossCount();
  for (const [grown, tail] of [
    [GROWN, GROWN.tail],
    [{ ...GROWN, wasPrimary: false }, null],
    [{ ...GROWN, history: H3 }, null],
    [null, null],
  ] as const) {
    count.started(grown);
    equal(count.tailBehind(NEXT), tail);
  }
  count.started(GROWN);
  count.counted({ ...ABOUT, isExact: true });
  equal(count.tailBehind(NEXT), null, 'its server has counted');
});

test('what an earlier life of the server has counted is a bound, and its file may know of more', () => {
  const counted = { ...ABOUT, bytes: 7, isExact: true };
  const about = { ...counted, isExact: false };
  for (const [again, loss] of [
    [GROWN, ABOUT],
    [{ ...GROWN, offset: 101 }, about],
    [
      { ...GROWN, offset: 101, isCounted: false },
      { ...about, isLeast: true },
    ],
    [{ ...GROWN, history: H3 }, about],
    [null, about],
  ] as const)
    deepEqual(lossOf({ counted, again }), loss, JSON.stringify(again));
});

test('what a primary has that was open is no loss, and a loss is told once', () => {
  const count = new LossCount();
  count.started(GROWN);
  count.opened();
  equal(count.take(NEXT, null), null);
  count.started(GROWN);
  deepEqual(count.take(NEXT, null), ABOUT);
  equal(count.take(NEXT, null), null);
});

test('what is kept of a loss is told until somebody removes it', async (t) => {
  const dir = await trialDir(t);
  await mkdir(`${dir}/data/${AOF_DIRECTORY}`, { recursive: true });
  await writeFile(`${dir}/data/${AOF_DIRECTORY}/part`, 'as it was');
  const journal = createJournal({ name: 't', node: 'a', destination: { write: () => undefined } });
  const options = { dir, dataDir: `${dir}/data`, journal };
  const losses = await Losses.open(options);
  deepEqual(losses.problems, []);
  await losses.keep({ ...ABOUT, isLeast: true });
  for (const each of [losses, await Losses.open(options)])
    match(each.problems[0]?.text ?? '', /^at least 40 bytes, perhaps more, of what this node took/);
  const kept = await readFile(`${dir}/lost/9/${AOF_DIRECTORY}/part`, 'utf8');
  equal(kept, 'as it was');
});
