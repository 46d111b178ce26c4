/** Where a thread that serves clients begins. Whatever it throws ends the agent. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../assert.ts';
import { RelayThread } from './relay-thread.ts';
import type { NumberedOrder, PointReached, ThreadStart } from './thread-messages.ts';

const port = parentPort;
assert(port !== null, 'this is the beginning of a thread');
const start = workerData as ThreadStart;
const thread = new RelayThread(start, (answer) => port.postMessage(answer));
start.bells.on('message', () => thread.rung());
port.on('message', (told: NumberedOrder | PointReached) => {
  if ('pointReached' in told) thread.pointReached(told);
  else {
    thread.take(told);
    if (told.order.kind === 'stop') port.close();
  }
});
void thread.listen();
