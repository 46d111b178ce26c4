import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { parseNodes } from './nodes-text.ts';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const C = 'c'.repeat(40);

test('parseNodes: roles, epochs, slots, open slots and a name behind the address', () => {
  const lines = parseNodes(
    `${A} 10.0.0.1:6379@16379,db1.example myself,master - 0 0 7 connected 0-5 9 ` +
      `[93->-${B}] [77-<-${C}]\n` +
      `${B} ::1:6380@1700,,shard-id=0123 slave,fail? ${A} 0 1700000000000 7 connected\n` +
      `${C} :0@0 master,noaddr - 1 1 3 disconnected\n`,
  );
  equal(lines?.length, 3);
  const [a, b, c] = lines ?? [];
  deepEqual(
    [a?.host, a?.port, a?.busPort, a?.isPrimary, a?.epoch],
    ['10.0.0.1', 6379, 16379, true, 7],
  );
  deepEqual(a?.slots, [
    { from: 0, to: 5 },
    { from: 9, to: 9 },
  ]);
  deepEqual([...(a?.migrating ?? [])], [[93, B]]);
  deepEqual([...(a?.importing ?? [])], [[77, C]]);
  deepEqual([b?.host, b?.port, b?.busPort, b?.primary], ['::1', 6380, 1700, A]);
  deepEqual([b?.isPrimary, b?.flags], [false, ['slave', 'fail?']]);
  deepEqual([c?.host, c?.port, c?.slots], ['', 0, []]);
});

test('parseNodes: a bus port that is not told is where it is by default', () => {
  equal(parseNodes(`${A} 10.0.0.1:7001 myself,master - 0 0 0 connected`)?.[0]?.busPort, 17001);
});

test('parseNodes: what no server says is null', () => {
  const bad = ['', 'ERR no cluster', `${A} nowhere master - 0 0 1 connected`, `${A} h:1@2 master`];
  for (const text of bad) equal(parseNodes(text), null, text);
});
