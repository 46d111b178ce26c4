/** What the HTTP door answers, path by path. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Orders } from '../orders.ts';
import type { View } from '../view.ts';
import { metricsText } from './metrics.ts';
import { addOrders, ORDER_PATHS } from './orders.ts';
import { lagBound, QUESTIONS } from './paths.ts';
import { problem, sendProblem } from './problem.ts';

export interface RouteOptions {
  readonly view: View;
  readonly orders: Orders;
  readonly token: string | null;
}

const READ_METHODS = ['GET', 'HEAD', 'OPTIONS'] as const;

const READINGS: readonly [path: string, means: string][] = [
  ['/status', 'this node and what it knows of the others'],
  ['/members', 'every node, and what was decided about them and why'],
  ['/spec', 'what is wanted of the deployment; its version is the ETag'],
  ['/peers', 'this node and the peers it is connected to, with their addresses'],
  ['/limits', 'every bound of the program with its reason'],
  ['/metrics', 'for Prometheus'],
];

/** One line per path, for whoever asked for one that is not there. */
export function routeLines(): string[] {
  return [
    ...READINGS.map(([path, means]) => `GET ${path}: ${means}`),
    ...QUESTIONS.map(({ paths, means }) => `GET ${paths.join(', ')}: ${means}`),
    ...ORDER_PATHS.map(({ method, path, means }) => `${method} ${path}: ${means}`),
  ];
}

/** The methods that a path takes, null when there is no such path. */
export function allowedMethods(path: string): readonly string[] | null {
  const readable = [...READINGS.map(([each]) => each), ...QUESTIONS.flatMap(({ paths }) => paths)];
  const changing = ORDER_PATHS.filter((order) => order.path === path).map(({ method }) => method);
  const all = [...(readable.includes(path) ? READ_METHODS : []), ...changing];
  return all.length === 0 ? null : all;
}

export function addRoutes(app: FastifyInstance, options: RouteOptions): void {
  const { view } = options;
  app.get('/status', () => view.status());
  app.get('/members', () => view.assembly());
  app.get('/spec', (_request, reply) => sendSpec(reply, view));
  app.get('/peers', () => view.peers());
  app.get('/limits', () => view.limits());
  app.get('/metrics', async (_request, reply) => {
    const text = await metricsText(view);
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text);
  });
  for (const [path] of READINGS)
    app.options(path, (_request, reply) =>
      reply.header('allow', allowedMethods(path)?.join(', ')).send(),
    );
  addQuestions(app, view);
  addOrders(app, options);
}

function sendSpec(reply: FastifyReply, view: View): FastifyReply {
  const { spec } = view.status();
  if (spec === null)
    return sendProblem(reply, problem(503, 'nothing is agreed on yet', { code: 'NOT_FOUNDED' }));
  return reply.header('etag', `"${spec.version}"`).send(spec);
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
