/** Lines of commands and what must come back, for tests that go by the rows of a list. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, type Value, Wire } from './wire.ts';

/** A command in words, and its reply; a pattern is for an error, or for a text. A number waits. */
export type Line = readonly [command: string, reply: Value | RegExp] | number;

/** All on one connection, in turn. */
export async function plays(port: number, lines: readonly Line[]): Promise<void> {
  const wire = new Wire(port);
  try {
    for (const line of lines) {
      if (typeof line === 'number') await sleep(line);
      else await answers(wire, ...line);
    }
  } finally {
    wire.close();
  }
}

export async function answers(wire: Wire, command: string, want: Value | RegExp): Promise<void> {
  const reply = await wire.call(...command.split(' '));
  const text = reply instanceof Failure ? `-${reply.text}` : reply;
  if (want instanceof RegExp) assert.match(String(text), want, command);
  else assert.deepEqual(text, want, command);
}
