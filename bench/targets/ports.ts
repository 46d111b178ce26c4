/** Free ports on loopback, below those that the kernel hands out. */
import { createServer } from 'node:net';
import { TargetError } from './target.ts';

const FIRST = 21_000;
const LAST = 29_000;
const STEP = 50;

/** A base port whose whole set is free now: `count` ports from each of its offsets. */
export async function findBasePort(offsets: readonly number[], count: number): Promise<number> {
  for (let base = FIRST; base < LAST; base += STEP) {
    const ports = offsets.flatMap((offset) =>
      Array.from({ length: count }, (_, i) => base + offset + i),
    );
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
  throw new TargetError(`no free ports from ${FIRST} to ${LAST + 2_000}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
