/** The paths of the HTTP door that change something: who may ask, and what comes of it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { parseSpecChange, type SpecChange } from '../../core/control/spec.ts';
import { parseBytes } from '../bytes.ts';
import { parseDuration } from '../durations.ts';
import type { OrderResult, Orders } from '../orders.ts';
import { mayChange } from './gate.ts';
import { problem, sendProblem } from './problem.ts';
import { within } from './within.ts';

export interface OrderPath {
  readonly method: 'POST' | 'PATCH';
  readonly path: string;
  readonly means: string;
}

const SPEC_BODY =
  '{"replicas": N, "forgetAfter": "10m", "reads": "local", "server": {"NAME": "VALUE"}}, ' +
  'and of an eventual deployment "shards": N, "maxLostBytes": "1mb" (null: any), ' +
  '"minReplicasToWrite": N; ' +
  'any of them';

export const ORDER_PATHS: readonly OrderPath[] = [
  {
    method: 'POST',
    path: '/switchover',
    means: 'hands leadership over; body {"to": "NODE"} or none',
  },
  {
    method: 'PATCH',
    path: '/spec',
    means: `changes what is wanted; body ${SPEC_BODY}; null takes a setting out`,
  },
  { method: 'POST', path: '/remove', means: 'takes a node out for good; body {"node": "NODE"}' },
];

/** An order has its own, shorter bound; this one is for an agent that forgot about it. */
const ORDER_MS_MAX = 30_000;
const LATE: OrderResult = {
  ok: false,
  code: 'TIMEOUT',
  text: `no answer within ${ORDER_MS_MAX / 1000} s; look at the status for what came of it`,
};
/** These say "not now"; every other refusal says "not like this". */
const NOT_NOW: ReadonlySet<string> = new Set([
  'NO_LEADER',
  'NOT_READY',
  'NOT_NOW',
  'NOT_FOUNDED',
  'STARTING',
  'TIMEOUT',
  'UNKNOWN',
]);

const NODE_NAME = z.string().min(1).max(80);
const SwitchoverBody = z.strictObject({ to: NODE_NAME.optional() });
const RemoveBody = z.strictObject({ node: NODE_NAME });
const SpecBody = z.strictObject({
  shards: z.number().optional(),
  replicas: z.number().optional(),
  forgetAfter: z.string().max(20).optional(),
  reads: z.string().max(20).optional(),
  maxLostBytes: z.union([z.number(), z.string().max(20), z.null()]).optional(),
  minReplicasToWrite: z.number().optional(),
  server: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
});

export function addOrders(
  app: FastifyInstance,
  { orders, token }: { readonly orders: Orders; readonly token: string | null },
): void {
  const onRequest = gate(token);
  app.post('/switchover', { onRequest }, (request, reply) => {
    const body = SwitchoverBody.safeParse(request.body ?? {});
    if (!body.success)
      return refuse(reply, 'the body is {"to": "NODE"}, or nothing for the most level follower');
    return answer(reply, orders.switchover(body.data.to ?? null));
  });
  app.post('/remove', { onRequest }, (request, reply) => {
    const body = RemoveBody.safeParse(request.body);
    if (!body.success) return refuse(reply, 'the body is {"node": "NODE"}');
    return answer(reply, orders.removeNode(body.data.node));
  });
  app.patch('/spec', { onRequest }, (request, reply) => {
    const ifVersion = versionWanted(request.headers['if-match']);
    if (ifVersion === 'bad') return refuse(reply, 'If-Match is a version of the spec, or *');
    const change = specChange(request.body);
    if (typeof change === 'string') return refuse(reply, change);
    return answer(reply, orders.changeSpec(change, ifVersion));
  });
}

/** Before the body is read: a stranger's bytes are not worth parsing. */
function gate(token: string | null) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const remoteAddress = request.socket.remoteAddress ?? '';
    const verdict = mayChange({ remoteAddress, headers: request.headers }, token);
    if (verdict.ok) return;
    if (verdict.status === 401) reply.header('www-authenticate', 'Bearer realm="althing"');
    return sendProblem(reply, problem(verdict.status, verdict.detail));
  };
}

async function answer(reply: FastifyReply, asked: Promise<OrderResult>) {
  const result = await within(ORDER_MS_MAX, asked, LATE);
  if (result.ok) return { ok: true, text: result.text };
  const isOther = result.code === 'OTHER_VERSION';
  const status = isOther ? 412 : NOT_NOW.has(result.code) ? 503 : 409;
  // `ok` and `text` are there either way.
  return sendProblem(reply, problem(status, result.text, result));
}

async function refuse(reply: FastifyReply, detail: string) {
  return sendProblem(reply, problem(400, detail));
}

/** As `GET /spec` has it in its ETag, with or without the quotes; null for any. */
function versionWanted(header: string | undefined): number | null | 'bad' {
  if (header === undefined || header.trim() === '*') return null;
  const [, digits] = /^"?(\d{1,15})"?$/.exec(header.trim()) ?? [];
  return digits === undefined ? 'bad' : Number(digits);
}

/** In the words of the core, or what is wrong with it. */
function specChange(body: unknown): SpecChange | string {
  const parsed = SpecBody.safeParse(body);
  if (!parsed.success || Object.keys(parsed.data).length === 0) return `the body is ${SPEC_BODY}`;
  const { forgetAfter, server, maxLostBytes, ...others } = parsed.data;
  const forgetAfterMs = forgetAfter === 'never' ? null : parseDuration(forgetAfter ?? '');
  if (forgetAfter !== undefined && forgetAfter !== 'never' && forgetAfterMs === null)
    return 'forgetAfter is a time like "10m", or "never"';
  const lost = typeof maxLostBytes === 'string' ? parseBytes(maxLostBytes) : maxLostBytes;
  if (lost === null && maxLostBytes !== null)
    return 'maxLostBytes is a size like "1mb", or null for any';
  return parseSpecChange({
    ...others,
    ...(forgetAfter === undefined ? {} : { forgetAfterMs }),
    ...(lost === undefined ? {} : { maxLostBytes: lost }),
    ...(server === undefined ? {} : { server: settingsOf(server) }),
  });
}

/** As the server's configuration spells them. */
function settingsOf(server: Readonly<Record<string, string | number | boolean | null>>) {
  const settings = Object.entries(server).map(([name, value]) => {
    const text = typeof value === 'boolean' ? (value ? 'yes' : 'no') : value;
    return [name.toLowerCase(), text === null ? null : String(text)] as const;
  });
  return Object.fromEntries(settings);
}
