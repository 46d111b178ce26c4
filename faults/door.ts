/**
 * Runs on a node's host, beside its agent, for as long as the run: opens connections to the
 * agent's doors on loopback and hands them over, so that clients elsewhere reach both sides of
 * every partition. Says over HTTP what it is told to.
 */
import { connect, type Socket } from 'node:net';
import { askStatus } from '../src/doors/cli/up/agent-http.ts';
import type { DoorAnswer, DoorQuestion } from './door-link.ts';

/** A paused agent's kernel accepts for it; a host that is not there answers at once. */
const CONNECT_MS = 5_000;
const POST_MS = 20_000;

function answer(question: DoorQuestion, what: Omit<DoorAnswer, 'id'>, socket?: Socket): void {
  // The run is over when nobody listens any more.
  if (process.connected) process.send?.({ id: question.id, ...what }, socket, {}, () => undefined);
}

function open(question: DoorQuestion): void {
  const socket = connect({ host: '127.0.0.1', port: question.port, noDelay: true });
  const late = setTimeout(() => socket.destroy(new Error('no connection in time')), CONNECT_MS);
  socket.once('error', (error: NodeJS.ErrnoException) => {
    clearTimeout(late);
    answer(question, { error: error.code ?? error.message });
  });
  socket.once('connect', () => {
    clearTimeout(late);
    socket.removeAllListeners('error').on('error', () => undefined);
    answer(question, {}, socket);
  });
}

async function post(question: DoorQuestion): Promise<void> {
  try {
    const reply = await fetch(`http://127.0.0.1:${question.port}${question.path ?? '/'}`, {
      method: question.path === '/spec' ? 'PATCH' : 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(question.body ?? {}),
      signal: AbortSignal.timeout(POST_MS),
    });
    answer(question, { code: reply.status, text: await reply.text() });
  } catch (error) {
    answer(question, { error: (error as Error).message });
  }
}

process.on('message', (question: DoorQuestion) => {
  if (question.ask === 'connect') open(question);
  else if (question.ask === 'post') void post(question);
  else void askStatus(question.port).then((status) => answer(question, { status }));
});
process.on('disconnect', () => process.exit(0));
