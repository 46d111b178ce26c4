/** Errors of the HTTP door: application/problem+json, RFC 9457. */
import type { FastifyReply } from 'fastify';

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timeout',
  409: 'Conflict',
  412: 'Precondition failed',
  413: 'Content too large',
  415: 'Unsupported media type',
  431: 'Header fields too large',
  500: 'Internal error',
  503: 'Service unavailable',
};

export interface ProblemDetail {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Stable, UPPER_SNAKE, when a program may want to branch on it. */
  readonly code?: string;
  readonly [more: string]: unknown;
}

export function problem(
  status: number,
  detail: string,
  more: Readonly<Record<string, unknown>> = {},
): ProblemDetail {
  return { type: 'about:blank', title: TITLES[status] ?? 'Error', status, detail, ...more };
}

export function sendProblem(reply: FastifyReply, body: ProblemDetail): FastifyReply {
  // Text, since the JSON serializer would put its own content type.
  return reply
    .code(body.status)
    .header('content-type', 'application/problem+json')
    .send(`${JSON.stringify(body)}\n`);
}
