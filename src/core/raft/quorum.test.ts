import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { majority, majorityValue } from './quorum.ts';

function* everyTuple(length: number, valueMax: number): Generator<number[]> {
  if (length === 0) {
    yield [];
    return;
  }
  for (const rest of everyTuple(length - 1, valueMax))
    for (let value = 0; value <= valueMax; value++) yield [value, ...rest];
}

test('majorityValue agrees with counting by hand, for every 1-5 voters with values 0-3', () => {
  for (let voters = 1; voters <= 5; voters++) {
    for (const values of everyTuple(voters, 3)) {
      const reached = [0, 1, 2, 3].filter(
        (value) => values.filter((each) => each >= value).length > voters / 2,
      );
      equal(majorityValue([...values]), Math.max(...reached), `values ${values}`);
    }
  }
});

test('majority: any two majorities of the same voters share one', () => {
  for (let voters = 1; voters <= 9; voters++) {
    equal(majority(voters) * 2 > voters, true);
    equal((majority(voters) - 1) * 2 <= voters, true);
  }
});
