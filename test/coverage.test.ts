/** The rows of `docs/COVERAGE.md`: each of them once, and the tests that they name. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { documentText, rowsOf, wrongNames } from './named-tests.ts';

const STATES = ['test', 'other means', 'not yet'];

/** `R1` to `R80`, and those that were put in between. */
function ids(letter: string, count: number, ...between: string[]): string[] {
  return [...Array.from({ length: count }, (_, i) => `${letter}${i + 1}`), ...between];
}

const EXPECTED = [
  ...ids('R', 80, 'R51a', 'R51b', 'R51c', 'R51d'),
  ...ids('X', 53),
  ...ids('H', 37),
  ...ids('Q', 93, 'Q53a', 'Q53b', 'Q53c'),
  ...ids('C', 92),
  ...ids('S', 54),
  ...ids('G', 18),
];

const ROWS = rowsOf(documentText('COVERAGE.md'))
  .map(([id = '', behaviour = '', state = '', shown = '', ...more]) => {
    return { id, behaviour, state, shown, more };
  })
  .filter(({ id }) => /^[A-Z]\d/.test(id));

test('every row of the five systems, of Sentinel and of the gaps is there once', () => {
  equal(EXPECTED.length, 434);
  deepEqual(ROWS.map(({ id }) => id).toSorted(), EXPECTED.toSorted());
});

test('every row has words, a state, and says what shows it or why not', () => {
  for (const { id, behaviour, state, shown, more } of ROWS) {
    equal(more.length, 0, `${id} has four columns`);
    ok(behaviour !== '' && shown !== '', id);
    ok(STATES.includes(state), `${id}: ${state}`);
  }
});

test('every test that a row names is there, and who says "test" names one', () => {
  const wrong = ROWS.flatMap(({ id, state, shown }) =>
    wrongNames(shown, state === 'test').map((text) => `${id}: ${text}`),
  );
  deepEqual(wrong, []);
});
