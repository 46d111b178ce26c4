/** Ports for a deployment: free now, and not given to another while its nodes come and go. */
import { createServer, type Server } from 'node:net';

/** Nothing above the range that the kernel takes its own ports from. */
const PORTS = { from: 12_000, to: 30_000 };
/** Ports of clients, peers and HTTP: so far apart, and no two bases share any of them. */
const KINDS = [0, 1_000, 2_000];
const BLOCK = 3_000;
const STEP = 20;
/** Held for as long as the others are in use. */
const CLAIM = STEP - 1;
const TRIES = 200;

export interface ClaimedPorts {
  readonly base: number;
  release(): void;
}

export async function claimPorts(nodes: number): Promise<ClaimedPorts> {
  for (let tries = 0; tries < TRIES; tries++) {
    const block = Math.floor((Math.random() * (PORTS.to - PORTS.from)) / BLOCK);
    const slot = Math.floor((Math.random() * 1_000) / STEP);
    const base = PORTS.from + BLOCK * block + STEP * slot;
    const claim = await listening(base + CLAIM);
    if (claim === null) continue;
    claim.unref();
    const ports = KINDS.flatMap((kind) => Array.from({ length: nodes }, (_, i) => base + kind + i));
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return { base, release: () => void claim.close() };
    claim.close();
  }
  throw new Error('no free ports');
}

function listening(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = await listening(port);
  if (server === null) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}
