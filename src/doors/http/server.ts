/**
 * The HTTP door: role checks for load balancers and probes, status, metrics, and orders.
 *
 * Reading is open to whoever reaches the port; changing is for `gate.ts` to allow. The port is
 * bound by the configuration's rules: off loopback only with a client password.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import type { Orders } from '../orders.ts';
import type { View } from '../view.ts';
import { problem, sendProblem } from './problem.ts';
import { addRoutes, allowedMethods, routeLines } from './routes.ts';

/** What the door says to the agent's journal. */
export interface DoorJournal {
  info(event: string, facts?: object): void;
  warn(event: string, facts?: object): void;
}

export interface HttpDoorOptions {
  readonly view: View;
  readonly orders: Orders;
  readonly host: string;
  readonly port: number;
  /** What a caller from elsewhere must bear to change something; null: none of them may. */
  readonly token: string | null;
  readonly journal: DoorJournal;
}

/** Orders are a few words. */
const BODY_BYTES_MAX = 16 * 1024;
const HEADER_BYTES_MAX = 8 * 1024;
/** Probes and scrapers of a large installation, with room; more are refused by closing. */
const CONNECTIONS_MAX = 512;
/** A whole request has to arrive within this. */
const REQUEST_MS_MAX = 10_000;
/** An idle connection is closed: longer than a scraper's usual pause would only hold a slot. */
const KEEP_ALIVE_MS = 20_000;

export class HttpDoorError extends Error {
  override readonly name = 'HttpDoorError';
  readonly code: 'PORT_BUSY' | 'LISTEN_FAILED';

  constructor(code: HttpDoorError['code'], detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }
}

export class HttpDoor {
  readonly #options: HttpDoorOptions;
  readonly #app: FastifyInstance;

  constructor(options: HttpDoorOptions) {
    this.#options = options;
    this.#app = createApp(options);
  }

  /** The port it listens on, which differs from the one given when that was 0. */
  get port(): number {
    const address = this.#app.server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#options.port;
  }

  async start(): Promise<void> {
    const { host, port } = this.#options;
    const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE')
        throw new HttpDoorError('PORT_BUSY', `HTTP port ${place} is taken by another program`, {
          cause: error,
        });
      throw new HttpDoorError('LISTEN_FAILED', `cannot listen on HTTP port ${place} (${code})`, {
        cause: error,
      });
    }
    this.#options.journal.info('http.listening', { host, port: this.port });
  }

  /** Open connections are closed, also in the middle of an answer. May be called twice. */
  async stop(): Promise<void> {
    const { server } = this.#app;
    const closed = server.listening ? once(server, 'close') : Promise.resolve();
    server.closeAllConnections();
    await this.#app.close();
    await closed;
  }
}

function createApp(options: HttpDoorOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
    http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: REQUEST_MS_MAX },
    routerOptions: { ignoreTrailingSlash: true },
    clientErrorHandler: answerNonsense,
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  // A page in a browser may send text without asking first; JSON it may not.
  app.removeContentTypeParser('text/plain');

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const allowed = allowedMethods(path);
    if (allowed === null)
      return sendProblem(reply, problem(404, 'there is no such path', { paths: routeLines() }));
    reply.header('allow', allowed.join(', '));
    return sendProblem(reply, problem(405, `${path} takes ${allowed.join(', ')}`));
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500) return sendProblem(reply, problem(status, error.message));
    options.journal.warn('http.failed', { path: request.url.slice(0, 200), error });
    return sendProblem(reply, problem(500, 'the agent failed to answer; its log says more'));
  });
  addRoutes(app, options);
  return app;
}

/** Bytes that are not HTTP get one line and the end of the connection. */
function answerNonsense(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${JSON.stringify(problem(400, 'this port speaks HTTP'))}\n`;
  const head = [
    'HTTP/1.1 400 Bad Request',
    'Content-Type: application/problem+json',
    'Connection: close',
    `Content-Length: ${body.length}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
