/** What the HTTP door answers, path by path. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { OrderResult, Orders } from '../orders.ts';
import type { View } from '../view.ts';
import { mayChange } from './gate.ts';
import { metricsText } from './metrics.ts';
import { lagBound, QUESTIONS } from './paths.ts';
import { problem, sendProblem } from './problem.ts';
import { within } from './within.ts';

export interface RouteOptions {
  readonly view: View;
  readonly orders: Orders;
  readonly token: string | null;
}

/** A hand-over has its own, shorter bound; this one is for an agent that forgot about it. */
const ORDER_MS_MAX = 30_000;
const LATE: OrderResult = {
  ok: false,
  code: 'TIMEOUT',
  text: `no answer within ${ORDER_MS_MAX / 1000} s; look at the status for what came of it`,
};
/** These say "not now"; every other refusal says "not like this". */
const NOT_NOW: ReadonlySet<string> = new Set(['NO_LEADER', 'NOT_READY', 'STARTING', 'TIMEOUT']);

const READ_METHODS = ['GET', 'HEAD', 'OPTIONS'] as const;

const READINGS: readonly [path: string, means: string][] = [
  ['/status', 'this node and what it knows of the others'],
  ['/peers', 'this node and the peers it is connected to, with their addresses'],
  ['/limits', 'every bound of the program with its reason'],
  ['/metrics', 'for Prometheus'],
];
const ORDERS: readonly [path: string, means: string][] = [
  ['/switchover', 'hands leadership over; body {"to": "NODE"} or none'],
];

/** One line per path, for whoever asked for one that is not there. */
export function routeLines(): string[] {
  return [
    ...READINGS.map(([path, means]) => `GET ${path}: ${means}`),
    ...QUESTIONS.map(({ paths, means }) => `GET ${paths.join(', ')}: ${means}`),
    ...ORDERS.map(([path, means]) => `POST ${path}: ${means}`),
  ];
}

/** The methods that a path takes, null when there is no such path. */
export function allowedMethods(path: string): readonly string[] | null {
  const readable = [...READINGS.map(([each]) => each), ...QUESTIONS.flatMap(({ paths }) => paths)];
  if (readable.includes(path)) return READ_METHODS;
  return ORDERS.some(([each]) => each === path) ? ['POST'] : null;
}

export function addRoutes(app: FastifyInstance, options: RouteOptions): void {
  const { view } = options;
  app.get('/status', () => view.status());
  app.get('/peers', () => view.peers());
  app.get('/limits', () => view.limits());
  app.get('/metrics', async (_request, reply) => {
    const text = await metricsText(view);
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text);
  });
  for (const [path] of READINGS) app.options(path, (_request, reply) => allow(reply));
  addQuestions(app, view);
  addSwitchover(app, options);
}

/** HAProxy's default check is OPTIONS: it gets the answer of GET, without the body's cost. */
function addQuestions(app: FastifyInstance, view: View): void {
  for (const question of QUESTIONS) {
    for (const url of question.paths) {
      app.route<{ Querystring: { lag?: unknown } }>({
        method: [...READ_METHODS],
        url,
        handler: (request, reply) => {
          const bound = question.takesLag ? lagBound(request.query.lag) : null;
          if (bound === 'bad')
            return sendProblem(reply, problem(400, 'lag is a size: ?lag=1000 or ?lag=10mb'));
          reply.code(question.answer(view, bound) ? 200 : 503);
          return reply.header('allow', READ_METHODS.join(', ')).send(view.status());
        },
      });
    }
  }
}

const SwitchoverBody = z.strictObject({ to: z.string().min(1).max(63).optional() });

function addSwitchover(app: FastifyInstance, { orders, token }: RouteOptions): void {
  app.post('/switchover', {
    // Before the body is read: a stranger's bytes are not worth parsing.
    onRequest: async (request, reply) => {
      const remoteAddress = request.socket.remoteAddress ?? '';
      const verdict = mayChange({ remoteAddress, headers: request.headers }, token);
      if (verdict.ok) return;
      if (verdict.status === 401) reply.header('www-authenticate', 'Bearer realm="althing"');
      return sendProblem(reply, problem(verdict.status, verdict.detail));
    },
    handler: async (request, reply) => {
      const body = SwitchoverBody.safeParse(request.body ?? {});
      if (!body.success)
        return sendProblem(
          reply,
          problem(400, 'the body is {"to": "NODE"}, or nothing for the most level follower'),
        );
      const result = await within(ORDER_MS_MAX, orders.switchover(body.data.to ?? null), LATE);
      if (result.ok) return { ok: true, text: result.text };
      const status = NOT_NOW.has(result.code) ? 503 : 409;
      // `ok` and `text` are there either way.
      return sendProblem(reply, problem(status, result.text, result));
    },
  });
}

function allow(reply: FastifyReply): FastifyReply {
  return reply.header('allow', READ_METHODS.join(', ')).send();
}
