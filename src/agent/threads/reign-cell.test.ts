import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { replOffset } from '../../core/scalars.ts';
import { ReignReader, ReignWriter, reignMemory } from './reign-cell.ts';

function cell() {
  const memory = reignMemory();
  let news = 0;
  const writer = new ReignWriter(memory, () => {
    news += 1;
  });
  const reader = new ReignReader(memory);
  const seen = (): number[] => {
    reader.look();
    return [reader.reign, reader.committed, reader.confirmed, reader.nextRound];
  };
  return { writer, reader, seen, news: () => news };
}

test('nothing is shown before a reign is open, and all that was said of it with its number', () => {
  const { writer, seen, news } = cell();
  writer.began(3);
  writer.committed(replOffset(100));
  deepEqual(seen(), [0, 0, 0, 0]);
  equal(news(), 0);
  writer.open(1);
  deepEqual(seen(), [1, 100, 0, 3]);
});

test('H1: what is committed after a reign has ended is not shown under its number', () => {
  const { writer, seen } = cell();
  writer.committed(replOffset(100));
  writer.open(1);
  writer.confirmed(7);
  writer.end();
  writer.committed(replOffset(553));
  writer.confirmed(8);
  deepEqual(seen(), [0, 0, 0, 0]);
  writer.open(2);
  deepEqual(seen(), [2, 553, 8, 0]);
});

test('only what may release a reply is news', () => {
  const { writer, reader, news } = cell();
  writer.open(1);
  writer.began(2);
  writer.executed(replOffset(50));
  equal(news(), 0);
  reader.look();
  equal(reader.hasUncommitted, true);
  writer.committed(replOffset(50));
  writer.committed(replOffset(50));
  writer.confirmed(1);
  writer.leased(1_234.567_8);
  equal(news(), 3, 'the same once more is none');
  reader.look();
  deepEqual([reader.hasUncommitted, reader.leasedUntilMs], [false, 1_234.567]);
  writer.leased(0);
  reader.look();
  equal(reader.leasedUntilMs, 0);
  writer.replicasHolding(2);
  reader.look();
  equal(reader.replicasHolding, 2);
  equal(news(), 4, 'a lease given up is looked at, a count for WAIT when somebody asks');
});
