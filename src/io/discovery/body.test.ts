import { deepEqual, equal, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { linesOf, textOf } from './body.ts';

async function* pieces(...all: string[]) {
  for (const piece of all) yield Buffer.from(piece);
}

async function lines(body: AsyncIterable<Uint8Array>, bytesMax = 100): Promise<string[]> {
  const found: string[] = [];
  for await (const line of linesOf(body, bytesMax)) found.push(line);
  return found;
}

test('linesOf yields the same lines wherever the bytes are cut', async () => {
  const text = '{"a":"ä"}\n\n{"b":2}\r\n{"c"';
  const bytes = Buffer.from(text);
  for (let cut = 0; cut <= bytes.length; cut++) {
    async function* body() {
      yield bytes.subarray(0, cut);
      yield bytes.subarray(cut);
    }
    deepEqual(await lines(body()), ['{"a":"ä"}', '{"b":2}\r'], `cut at ${cut}`);
  }
});

test('a line, and a body, has a bound', async () => {
  await rejects(lines(pieces('12345', '678901'), 10), /a line has more than 10 bytes/);
  deepEqual(await lines(pieces('1234567890\n', '1234567890\n'), 10), ['1234567890', '1234567890']);
  await rejects(textOf(pieces('12345', '678901'), 10), /more than 10 bytes/);
  equal(await textOf(pieces('12345', '67890'), 10), '1234567890');
});
