import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { logIndex, term } from '../../core/scalars.ts';
import { Proposals } from './proposals.ts';

const id = (index: number, ofTerm: number) => ({ index: logIndex(index), term: term(ofTerm) });

function world() {
  const proposals = new Proposals();
  const answers: string[] = [];
  const give = (name: string) =>
    proposals.given((answer) => answers.push(`${name} ${answer.ok ? answer.text : answer.code}`));
  return { proposals, answers, give };
}

test('each gets the answer of its own entry', () => {
  const { proposals, answers, give } = world();
  for (const name of ['a', 'b']) give(name);
  proposals.accepted(5, term(2));
  proposals.accepted(7, term(2));
  proposals.applied(id(4, 1), { ok: true, text: 'of another' });
  proposals.applied(id(5, 2), { ok: true, text: 'first' });
  proposals.applied(id(6, 2), null);
  proposals.applied(id(7, 2), { ok: false, code: 'OTHER_BASIS', text: '' });
  deepEqual(answers, ['a first', 'b OTHER_BASIS']);
});

test('what stands at its index in another term is not its own', () => {
  const { proposals, answers, give } = world();
  give('a');
  proposals.accepted(5, term(2));
  proposals.applied(id(5, 3), { ok: true, text: 'of another' });
  deepEqual(answers, ['a UNKNOWN']);
});

test('who is refused, and who waits when leadership is lost, hear so once', () => {
  const { proposals, answers, give } = world();
  for (const name of ['a', 'b', 'c']) give(name);
  proposals.accepted(5, term(2));
  proposals.refused('handingOver');
  proposals.lost();
  proposals.lost();
  proposals.refused('notLeader');
  deepEqual(answers, ['b NOT_NOW', 'a UNKNOWN', 'c NOT_NOW']);
});
