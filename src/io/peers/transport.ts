/**
 * Sockets between agents: TLS 1.3 with a pre-shared key and an ephemeral key exchange when there is
 * a secret, plain TCP on loopback when there is none (design §8).
 */
import { hkdfSync } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import * as tls from 'node:tls';
import { ReadBuffer } from '../read-buffer.ts';
import type { Refusal } from './hello.ts';

const PSK_IDENTITY = 'althing-1';
const PSK_BYTES = 32;
/**
 * Node's pre-shared keys are bound to SHA-256. Neither side ever resumes: every connection has
 * its own key exchange.
 */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export type PeersErrorCode = 'SECRET_NEEDED' | 'BAD_ADDRESS' | 'LISTEN_FAILED' | 'NO_RELAY';

/** What the world did to the connections between agents. Callers branch on `code`. */
export class PeersError extends Error {
  override readonly name = 'PeersError';
  readonly code: PeersErrorCode;

  constructor(code: PeersErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }
}

export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65_535))
    throw new PeersError('BAD_ADDRESS', `${JSON.stringify(text)} is not host:port`);
  return { host, port };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

export class Transport {
  readonly #key: Buffer | null;
  readonly #reads = new ReadBuffer();

  constructor(secret: Buffer | null) {
    this.#key =
      secret === null
        ? null
        : Buffer.from(hkdfSync('sha256', secret, 'althing', 'peers psk 1', PSK_BYTES));
  }

  /** `onReady` once bytes can be sent. The caller listens for errors and owns the socket. */
  dial({ host, port }: Address, onReady: () => void): Socket {
    const key = this.#key;
    const options = { host, port, noDelay: true, allowHalfOpen: true };
    if (key === null) return this.#reads.dial(options, onReady);
    const socket = connect(options);
    const secured = tls.connect(
      {
        // Half-open as well, because this socket is.
        socket,
        minVersion: 'TLSv1.3',
        ciphers: CIPHERS,
        pskCallback: () => ({ psk: key, identity: PSK_IDENTITY }),
        // Nobody is believed for a certificate, whoever signed it.
        ca: [],
        checkServerIdentity: () => new Error('a certificate where a shared key was expected'),
      },
      () => {
        if (Object.keys(secured.getPeerCertificate()).length === 0) onReady();
        else secured.destroy(new Error('a certificate where a shared key was expected'));
      },
    );
    return secured;
  }

  /**
   * Not yet listening. `onRaw` sees every connection first and may destroy it; `onReady` sees it
   * when bytes can be sent; `onFailed` when it never got so far. The caller owns the sockets.
   */
  serve(on: {
    raw: (socket: Socket) => boolean;
    ready: (socket: Socket) => void;
    failed: (address: string, refusal: Refusal) => void;
  }): Server {
    const key = this.#key;
    const options = { noDelay: true, allowHalfOpen: true };
    if (key === null) {
      return createServer(options, (accepted) => {
        const socket = this.#reads.adopt(accepted);
        if (on.raw(socket)) on.ready(socket);
      });
    }
    const secured = tls.createServer(
      {
        allowHalfOpen: true,
        minVersion: 'TLSv1.3',
        ciphers: CIPHERS,
        pskCallback: (_socket, identity) => (identity === PSK_IDENTITY ? key : null),
      },
      on.ready,
    );
    secured.on('tlsClientError', (error, socket) => {
      const refusal = refusalOfAccept(error);
      if (refusal !== null) on.failed(socket.remoteAddress ?? 'unknown', refusal);
      socket.destroy();
    });
    return createServer(options, (socket) => {
      if (on.raw(socket)) secured.emit('connection', socket);
    });
  }
}

export function remoteOf(socket: Socket): string {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined ? 'unknown' : `${remoteAddress}:${remotePort}`;
}

/** What a failed dial says about the other side; null when it is simply not there. */
export function refusalOfDial(error: Error): Refusal | null {
  const code = codeOf(error);
  if (!code.startsWith('ERR_SSL')) return null;
  return code.includes('DECRYPT_ERROR')
    ? { code: 'WRONG_SECRET', text: 'the secret of the other side is a different one' }
    : {
        code: 'WRONG_SECRET',
        text: `no encryption with a secret was agreed on (${code}): has the other side a secret?`,
      };
}

/** What a failed knock says about the other side; null when it simply left. */
function refusalOfAccept(error: Error): Refusal | null {
  const code = codeOf(error);
  if (code === 'ECONNRESET' || code === 'EPIPE') return null;
  return code.includes('BINDER')
    ? { code: 'WRONG_SECRET', text: 'somebody knocked with a different secret' }
    : {
        code: 'MALFORMED',
        text: `somebody knocked without a proper handshake (${code}): a peer without a secret?`,
      };
}

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.message.slice(0, 80);
}
