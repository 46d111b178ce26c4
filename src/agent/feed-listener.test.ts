import { equal } from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { encodeCommand } from '../core/resp/writer.ts';
import { FeedListener } from './feed-listener.ts';
import type { FeedWire } from './strong/ports.ts';

const REPLID = 'ab'.repeat(20);

/** A server that asks for the stream after offset 0, and what it is fed. */
async function fed(t: { after(end: () => Promise<void>): void }) {
  let onWanted: (wire: FeedWire) => void = () => undefined;
  const wanted = new Promise<FeedWire>((resolve) => {
    onWanted = resolve;
  });
  const listener = new FeedListener({
    auth: { user: 'feed', password: 'secret' },
    onWanted: (wire) => onWanted(wire),
    onAcknowledged: () => undefined,
    onHeard: () => undefined,
    onDrained: () => undefined,
    onGone: () => undefined,
    onRefused: () => undefined,
  });
  const port = await listener.start();
  const server = connect(port, '127.0.0.1');
  t.after(async () => {
    server.destroy();
    await listener.stop();
  });
  const chunks: string[] = [];
  server.on('data', (chunk) => chunks.push(String(chunk)));
  server.write(encodeCommand(['AUTH', 'feed', 'secret']));
  server.write(encodeCommand(['PSYNC', REPLID, '1']));
  const wire = await wanted;
  wire.continue(REPLID);
  while (!chunks.join('').includes('CONTINUE')) await once(server, 'data');
  chunks.length = 0;
  return { server, chunks, wire };
}

test('what is fed leaves at the end of its turn, in order', async (t) => {
  const { server, chunks, wire } = await fed(t);
  for (const turn of [['one ', 'two ', 'three'], ['four']]) {
    for (const bytes of turn) equal(wire.write(Buffer.from(bytes)), true);
    while (!chunks.join('').endsWith(turn.join(''))) await once(server, 'data');
  }
  equal(chunks.join(''), 'one two threefour');
});
