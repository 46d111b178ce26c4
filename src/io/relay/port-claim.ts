/**
 * Whether a port that several listeners of this program will share is this program's alone.
 *
 * The kernel lets any program of the same user share a port that was opened to be shared; two nodes
 * given one port would then each get some of the other's clients. So, before it is opened:
 *
 * - A name that stands for it is taken for the life of the process, in the abstract namespace of
 *   Unix sockets: it is the network namespace's, as ports are, and goes with the process.
 * - The port is opened once alone, which fails where anybody listens, shared or not.
 */
import { createServer, type ListenOptions, type Server } from 'node:net';
import { portError } from './listener.ts';

/** Sharing a port among listeners came with Node 23.1, and abstract names are Linux's. */
const NODE_MIN = [23, 1] as const;

export function canSharePorts(platform: string, nodeVersion: string): boolean {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  const isNewEnough = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  return platform === 'linux' && isNewEnough;
}

export class PortClaim {
  readonly #name: Server;

  private constructor(name: Server) {
    this.#name = name;
  }

  /** Rejects with a `RelayError`, as opening the port would. */
  static async take(host: string, port: number): Promise<PortClaim> {
    try {
      const name = await listening({ path: `\0althing clients ${host}:${port}` });
      const claim = new PortClaim(name);
      try {
        const alone = await listening({ host, port });
        await new Promise((resolve) => alone.close(resolve));
        return claim;
      } catch (error) {
        claim.release();
        throw error;
      }
    } catch (error) {
      throw portError(error as NodeJS.ErrnoException, host, port);
    }
  }

  release(): void {
    this.#name.close();
  }
}

function listening(where: ListenOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    // Who comes in these moments is told that nobody is there.
    const server = createServer((stranger) => stranger.destroy());
    server.once('error', reject);
    server.listen(where, () => {
      server.removeListener('error', reject);
      server.on('error', () => undefined);
      resolve(server);
    });
  });
}
