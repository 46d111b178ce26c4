import { deepEqual } from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { FENCE } from '../core/lanes/lane.ts';
import { FenceLink } from './fence-link.ts';

/** A fence that is always wanted; `said`: in order, what it did. */
function fence() {
  const said: string[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (bytes: Buffer, _encoding, done) => {
      said.push(FENCE.equals(bytes) ? 'ROLE' : (bytes.toString().split('\r\n')[2] ?? ''));
      done();
    },
  });
  const link = new FenceLink({
    connect: () => socket as Socket,
    auth: { user: 'u', password: 'p' },
    onReady: () => said.push('ready'),
    isWanted: () => true,
    onSent: () => said.push('sent'),
    onRole: () => 'done',
    onClosed: (why) => said.push(why),
  });
  return { link, socket, said };
}

test('a fence asks nothing before it is let in, and does then', async () => {
  const { link, socket, said } = fence();
  link.askSoon();
  await turn();
  socket.emit('connect');
  link.askSoon();
  await turn();
  deepEqual(said.splice(0), ['AUTH', 'CLIENT']);
  socket.push('+OK\r\n+OK\r\n');
  await turn();
  link.askSoon();
  link.askSoon();
  await turn();
  deepEqual(said, ['ready', 'sent', 'ROLE']);
});

test('a fence that is closed asks nothing more', async () => {
  const { link, socket, said } = fence();
  socket.emit('connect');
  socket.push('+OK\r\n+OK\r\n');
  await turn();
  link.askSoon();
  link.close();
  await turn();
  deepEqual(said, ['AUTH', 'CLIENT', 'ready']);
});
