/** What connections cost that do nothing: resident memory of each process, before and with them. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from '../cpu.ts';
import type { IdleRun } from '../results.ts';
import type { Target } from '../targets/target.ts';

/** Opened at a time: more would overrun a listener's backlog. */
const OPENING_MAX = 100;
const ANSWER_MS_MAX = 10_000;
/** For collectors and allocators to come to rest. */
const REST_MS = 5_000;

export async function measureIdle(
  target: Target,
  wanted: number,
  signal: AbortSignal,
): Promise<IdleRun> {
  await target.settle(signal);
  const port = await target.port();
  const processes = await target.processes();
  const before = processes.map(({ pid }) => residentBytes(pid));
  const sockets: Socket[] = [];
  try {
    let opened = 0;
    while (sockets.length < wanted && opened === sockets.length) {
      const count = Math.min(OPENING_MAX, wanted - sockets.length);
      const some = Array.from({ length: count }, () => openOne(port));
      sockets.push(...some.map(({ socket }) => socket));
      const answers = await Promise.all(some.map(({ answered }) => answered));
      opened += answers.filter(Boolean).length;
      signal.throwIfAborted();
    }
    await sleep(REST_MS, undefined, { signal });
    const rows = processes.map(({ name, pid }, at) => ({
      name,
      beforeBytes: before[at] ?? 0,
      afterBytes: residentBytes(pid),
    }));
    return { target: target.name, wanted, opened, processes: rows };
  } finally {
    for (const socket of sockets) socket.destroy();
    await sleep(REST_MS);
  }
}

/** A connection counts when a PING on it was answered: only then everything behind it is there. */
function openOne(port: number): { socket: Socket; answered: Promise<boolean> } {
  const socket = createConnection({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  const limit = AbortSignal.timeout(ANSWER_MS_MAX);
  const answered = (async (): Promise<boolean> => {
    try {
      await once(socket, 'connect', { signal: limit });
      socket.write('PING\r\n');
      const [bytes] = (await once(socket, 'data', { signal: limit })) as [Buffer];
      return bytes.toString().startsWith('+PONG');
    } catch {
      return false;
    }
  })();
  return { socket, answered };
}
