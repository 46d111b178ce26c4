/**
 * Imported first in a child of the runner: ends the child when the runner is gone, however it
 * went. A thread of its own watches, because what is broken may loop for ever in the main one.
 */
import { Worker } from 'node:worker_threads';

const WATCH_EVERY_MS = 500;

const runner = process.env['ALTHING_SABOTAGE_RUNNER'] ?? '';

const watcher = `
  setInterval(() => {
    if (process.ppid !== ${Number(runner)}) process.kill(process.pid, 'SIGKILL');
  }, ${WATCH_EVERY_MS});
`;

if (runner !== '') new Worker(watcher, { eval: true }).unref();
