/**
 * Who may change something over HTTP: a program on this machine, or the bearer of the token.
 *
 * Loopback alone is not proof of a local user: a web page can make a browser on this machine send
 * a request, and a proxy on this machine passes on those of others. Both leave a trace in the
 * headers, and with a trace the token is asked for.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback, isSameToken } from '../access.ts';

export interface Caller {
  readonly remoteAddress: string;
  readonly headers: IncomingHttpHeaders;
}

export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly status: 401 | 403; readonly detail: string };

const TRACES = ['origin', 'referer', 'forwarded', 'x-forwarded-for', 'x-real-ip', 'via'] as const;

export function mayChange({ remoteAddress, headers }: Caller, token: string | null): Verdict {
  const [, given] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  if (given !== undefined && token !== null && isSameToken(given, token)) return { ok: true };
  if (given === undefined && isLocal(remoteAddress, headers)) return { ok: true };
  if (token === null)
    return {
      ok: false,
      status: 403,
      detail: 'this deployment has no secret: only programs on this machine may change something',
    };
  const detail =
    given === undefined
      ? 'give the token as "Authorization: Bearer …"; the CLI makes it from --secret-file'
      : 'this is not the token of the deployment';
  return { ok: false, status: 401, detail };
}

function isLocal(remoteAddress: string, headers: IncomingHttpHeaders): boolean {
  if (!isLoopback(remoteAddress)) return false;
  if (TRACES.some((name) => headers[name] !== undefined)) return false;
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  return host === '' || isLoopback(host);
}
