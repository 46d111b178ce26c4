/** The client port: accepts connections and hands them to the relay. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { assert } from '../../assert.ts';
import { ReadBuffer } from '../read-buffer.ts';

export type RelayErrorCode = 'CLIENT_PORT_IN_USE' | 'CLIENT_PORT_UNAVAILABLE';

/** The client port cannot be opened. */
export class RelayError extends Error {
  override readonly name = 'RelayError';
  readonly code: RelayErrorCode;
  readonly detail: string;

  constructor(code: RelayErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
    this.detail = detail;
  }
}

export interface ListenerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly keepAliveMs: number;
  /** Other listeners of this program share the port: the kernel chooses one for each client. */
  readonly isShared?: boolean;
  readonly onClient: (client: Socket) => void;
  /** An accept failed (no file descriptors left, say). The listener goes on. */
  readonly onError: (error: Error) => void;
}

/** Connections the kernel keeps until they are accepted, as the server asks for (`tcp-backlog`). */
const BACKLOG = 511;

export function portError(error: NodeJS.ErrnoException, host: string, port: number): RelayError {
  const isInUse = error.code === 'EADDRINUSE';
  const code = isInUse ? 'CLIENT_PORT_IN_USE' : 'CLIENT_PORT_UNAVAILABLE';
  return new RelayError(code, `listening for clients on ${host}:${port}`, { cause: error });
}

export class ClientListener {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static open(options: ListenerOptions): Promise<ClientListener> {
    const server = createServer({
      // A client that has sent its last command still wants the replies.
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: options.keepAliveMs,
    });
    const reads = new ReadBuffer();
    server.on('connection', (accepted: Socket) => options.onClient(reads.adopt(accepted)));
    return new Promise((resolve, reject) => {
      const { host, port, isShared = false } = options;
      server.once('error', (error) => reject(portError(error, host, port)));
      server.listen({ host, port, backlog: BACKLOG, reusePort: isShared }, () => {
        server.removeAllListeners('error');
        server.on('error', options.onError);
        resolve(new ClientListener(server));
      });
    });
  }

  get port(): number {
    const address = this.#server.address();
    assert(address !== null && typeof address === 'object', 'an open listener has an address');
    return (address satisfies AddressInfo).port;
  }

  /** Accepts nobody any more. Sessions are the relay's to close. */
  close(): void {
    this.#server.close();
  }
}
