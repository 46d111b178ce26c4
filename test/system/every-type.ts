/** Keys of every type, of any bytes, and what each of them holds by a server's own word. */

import assert from 'node:assert/strict';
import { bytes } from '../../src/core/dataset/trial-bytes.ts';
import { Wire, type Word } from './wire.ts';

/** Far away: nothing expires while it is looked at. */
const LATER_MS = 4_102_444_800_000;
const AT_ONCE = 500;

/** The same for the same numbers. */
export async function writeEveryType(wire: Wire, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += AT_ONCE) {
    let count = 0;
    const send = (...words: Word[]): void => {
      wire.command(...words);
      count += 1;
    };
    for (let i = at; i < Math.min(to, at + AT_ONCE); i++) {
      const key = keyOf(i);
      for (const words of writesOf(i, key)) send(...words);
      if (i % 5 === 0) send('PEXPIREAT', key, LATER_MS + i);
    }
    for (; count > 0; count--) await wire.reply();
  }
}

export function keyOf(i: number): Buffer {
  return Buffer.concat([Buffer.from(`k:${i}:`), bytes(i + 1, i % 30)]);
}

function writesOf(i: number, key: Buffer): Word[][] {
  const value = bytes(i + 7, (i * 37) % 300);
  switch (i % 8) {
    case 0:
      return [['RPUSH', key, value, '', 'x']];
    case 1:
      return [['SADD', key, value, ...Array.from({ length: i % 200 }, (_, n) => `m${n}`)]];
    case 2:
      return [
        ['HSET', key, value, '\r\n', ...Array.from({ length: i % 20 }, (_, n) => [n, n]).flat()],
      ];
    case 3:
      return [['ZADD', key, 0.1, value, 1 / 3, 'y', 'inf', 'z', -7, 'w']];
    case 4:
      return [
        ['XADD', key, '1-1', 'f', value],
        ['XADD', key, '2-1', 'f', 'g'],
        ['XGROUP', 'CREATE', key, 'group', '0'],
        ['XREADGROUP', 'GROUP', 'group', 'me', 'COUNT', '1', 'STREAMS', key, '>'],
      ];
    case 5:
      return [['SET', key, i]];
    default:
      return [['SET', key, value]];
  }
}

const READS: readonly (readonly string[])[] = [
  ['LRANGE', '0', '-1'],
  ['SMEMBERS'],
  ['HGETALL'],
  ['ZRANGE', '0', '-1', 'WITHSCORES'],
  ['XRANGE', '-', '+'],
];

function readOf(i: number): readonly Word[] {
  const [name = 'GET', ...rest] = READS[i % 8] ?? [];
  return [name, keyOf(i), ...rest];
}

/** In one form: members of a set and fields of a hash come in any order. */
function toldOf(i: number, raw: Buffer, time: Buffer): string {
  const text = raw.toString('latin1');
  const isLoose = i % 8 === 1 || i % 8 === 2;
  return `${isLoose ? [...text].sort().join('') : text} ${time}`;
}

/** What a server says of one key. */
export async function tell(wire: Wire, i: number): Promise<string> {
  wire.command(...readOf(i));
  wire.command('PEXPIRETIME', keyOf(i));
  return toldOf(i, await wire.raw(), await wire.raw());
}

/** Every key is there, once: at one server, or at the one of a cluster that has its slot. */
export async function isAllAt(
  ports: readonly number[],
  told: ReadonlyMap<number, string>,
): Promise<void> {
  const wires = ports.map((port) => new Wire(port));
  try {
    let keys = 0;
    for (const wire of wires) keys += Number(await wire.must('DBSIZE'));
    assert.equal(keys, told.size);
    for (const [i, want] of told) {
      const answers = await Promise.all(wires.map((wire) => tell(wire, i)));
      assert.equal(answers.filter((answer) => answer === want).length, 1, `key ${i}`);
    }
  } finally {
    for (const wire of wires) wire.close();
  }
}
