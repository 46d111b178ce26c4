import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import type { Survivor, VoterSeen } from '../recovery.ts';
import { EXIT } from './exit-codes.ts';
import { recoverCommand } from './recover.ts';

function voter(node: string, answers = false): VoterSeen {
  return { node, address: `${node}:7379`, isSelf: node === 'a', answers };
}

const SURVIVOR: Survivor = {
  ...{ directory: '/data/a', name: 'orders', deployment: 'd1', node: 'a' },
  ...{ last: { term: 5, index: 812 }, offset: 48_211, writtenAtMs: 0, isUnfinished: false },
  voters: [voter('a'), voter('b'), voter('c')],
};

/** Runs the command over directories that hold `survivors`; null: nobody is there to be asked. */
async function run(
  survivors: readonly Survivor[],
  options: { readonly yes?: boolean; readonly force?: boolean },
  answer: string | null,
) {
  const seen = { out: '', err: '', did: [] as string[], closed: 0 };
  const code = await recoverCommand(
    survivors.map(({ directory }) => directory),
    options,
    {
      open: async (directory) => ({
        survivor: survivors.find((each) => each.directory === directory) ?? SURVIVOR,
        carryOut: async () => {
          seen.did.push(directory);
          return 'd2';
        },
        close: async () => {
          seen.closed += 1;
        },
      }),
      ask: answer === null ? null : async () => answer,
      terminal: {
        out: (text) => {
          seen.out += text;
        },
        err: (text) => {
          seen.err += text;
        },
        colour: false,
        isScreen: false,
      },
    },
  );
  equal(seen.closed, survivors.length);
  return { ...seen, code };
}

test('recover says what may be lost, and does nothing that nobody has confirmed', async () => {
  for (const answer of [null, '', 'yes', 'order']) {
    const { code, did, out, err } = await run([SURVIVOR], {}, answer);
    deepEqual([code, did], [EXIT.failed, []]);
    match(out, /^a +5 +812 +48211 +1970-01-01 00:00:00 +\/data\/a$/m);
    match(out, /b at b:7379: nothing answers/);
    match(out, /may be lost: .*acknowledged after\n {2}entry 812 of term 5/);
    match(err, /Nothing was changed/);
  }
  const typed = await run([SURVIVOR], {}, 'orders\n');
  deepEqual([typed.code, typed.did], [EXIT.done, ['/data/a']]);
  match(typed.out, /orders is deployment d2 now, and a its only node/);
  const told = await run([SURVIVOR], { yes: true }, null);
  deepEqual([told.code, told.did], [EXIT.done, ['/data/a']]);
});

test('recover refuses while a majority may be there, its own node included, unless forced', async () => {
  const here = { ...SURVIVOR, voters: [voter('a'), voter('b', true), voter('c')] };
  const refused = await run([here], { yes: true }, null);
  deepEqual([refused.code, refused.did], [EXIT.failed, []]);
  match(refused.err, /^Refused: .* majority may be there/);
  const forced = await run([here], { yes: true, force: true }, null);
  deepEqual([forced.code, forced.did], [EXIT.done, ['/data/a']]);
  const alone = await run([{ ...SURVIVOR, voters: [voter('a')] }], { yes: true }, null);
  deepEqual(alone.did, [], 'a node of its own has lost nobody');
  const five = ['a', 'b', 'c', 'd', 'e'].map((node) => voter(node, node === 'b'));
  deepEqual((await run([{ ...SURVIVOR, voters: five }], { yes: true }, null)).did, ['/data/a']);
  const begun = await run([{ ...here, isUnfinished: true }], { yes: true }, null);
  deepEqual(begun.did, ['/data/a'], 'what has begun must end');
});

test('recover on several directories only says what they have, most first', async () => {
  const later = { ...SURVIVOR, directory: '/data/b', node: 'b', last: { term: 6, index: 3 } };
  const { code, did, out } = await run([SURVIVOR, later], { yes: true }, 'orders');
  deepEqual([code, did], [EXIT.done, []]);
  match(out, /^b +6 +3[\s\S]*^a +5 +812[\s\S]*first has most/m);
});

test('recover tells when the survivor was no voter', async () => {
  const spare = { ...SURVIVOR, voters: [voter('b'), voter('c')] };
  match((await run([spare], {}, null)).out, /may never have reached it/);
});
