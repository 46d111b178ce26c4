import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import { createJournal, type JournalLevel } from './journal.ts';

function journalOf(nowMs: () => number = () => 0, level?: JournalLevel) {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return {
    journal: createJournal({ name: 'd', node: 'a', destination, nowMs, ...(level && { level }) }),
    lines,
  };
}

test('a line is JSON with the deployment, the node, the event and its facts', () => {
  const { journal, lines } = journalOf();
  journal.info('raft.elected', { term: 7 });
  journal.debug('raft.quiet');
  equal(lines.length, 1);
  const { time, ...line } = lines[0] ?? {};
  match(String(time), /^\d{4}-\d\d-\d\dT/);
  deepEqual(line, { level: 'info', name: 'd', node: 'a', event: 'raft.elected', term: 7 });
});

test('nothing below its level is said', () => {
  for (const [level, events] of [
    ['debug', ['a', 'b', 'c', 'd']],
    ['info', ['b', 'c', 'd']],
    ['warn', ['c', 'd']],
    ['error', ['d']],
  ] as const) {
    const { journal, lines } = journalOf(() => 0, level);
    journal.debug('a');
    journal.info('b');
    journal.warn('c');
    journal.error('d');
    deepEqual(
      lines.map(({ event }) => event),
      events,
    );
  }
});

test('an error among the facts shows its message, code and cause', () => {
  const { journal, lines } = journalOf();
  const cause = new Error('EIO');
  const error = Object.assign(new Error('sync failed', { cause }), { code: 'DISK' });
  journal.error('storage.failed', { error });
  const { stack, ...shown } = (lines[0]?.['error'] ?? {}) as Record<string, unknown>;
  deepEqual(shown, { message: 'sync failed', code: 'DISK', cause: 'EIO' });
  match(String(stack), /sync failed/);
});

test('the same warning is said once per window, with the count of those held back', () => {
  let nowMs = 0;
  const { journal, lines } = journalOf(() => nowMs);
  for (let i = 0; i < 5; i++) journal.warn('peers.refused', { address: 'b:1' });
  journal.warn('peers.refused', { address: 'c:1' });
  equal(lines.length, 2);
  nowMs = 10_000;
  journal.warn('peers.refused', { address: 'b:1' });
  equal(lines[2]?.['repeated'], 4);
});
