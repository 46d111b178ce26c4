/** Ports for a deployment that nobody uses now. */
import { createServer } from 'node:net';

/** Nothing above the range that the kernel takes its own ports from. */
const PORTS = { from: 12_000, to: 29_900, step: 20 };

/** A base port whose ports for clients, peers and HTTP are all free now. */
export async function freeBasePort(nodes: number): Promise<number> {
  const { from, to, step } = PORTS;
  for (let tries = 0; tries < 50; tries++) {
    const base = from + step * Math.floor((Math.random() * (to - from)) / step);
    const offsets = [0, 1_000, 2_000].flatMap((o) =>
      Array.from({ length: nodes }, (_, i) => o + i),
    );
    const free = await Promise.all(offsets.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no free ports');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
