/** Speaks to an agent's HTTP door. What comes back is a value: yes, no with a reason, or nobody. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { SpecChange } from '../../core/control/spec.ts';
import { httpToken, withoutLineEnd } from '../access.ts';
import type { AssemblyView, Status, View } from '../view.ts';
import { printable } from './terminal.ts';

export type Answer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'refused'; readonly status: number; readonly text: string }
  | { readonly kind: 'unreachable'; readonly text: string };

/** A change of the spec as HTTP has it: with times and sizes as people write them. */
export type SpecBody = Omit<SpecChange, 'forgetAfterMs' | 'maxLostBytes'> & {
  readonly forgetAfter?: string;
  readonly maxLostBytes?: string | null;
};

/** What came of an order, in words. */
export interface Told {
  readonly text: string;
}

export interface ConnectionOptions {
  readonly url?: string;
  readonly secretFile?: string;
}

const URL_DEFAULT = 'http://127.0.0.1:8379';
/** A status is answered from memory. */
const READ_MS_MAX = 5_000;
/** Longer than the agent's own bound on an order, so that its answer is heard. */
const ORDER_MS_MAX = 35_000;
/** A status of a large deployment is some kilobytes. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

export function addConnectionOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--url <URL>', `HTTP address of any node (default: ${URL_DEFAULT})`).env(
        'ALTHING_URL',
      ),
    )
    .addOption(
      new Option('--secret-file <FILE>', "the deployment's secret, for orders from afar").env(
        'ALTHING_SECRET_FILE',
      ),
    );
}

/** Why these options name no agent, or a client for the one they name. */
export function clientFor(
  options: ConnectionOptions,
): { ok: true; client: AgentClient } | { ok: false; text: string } {
  const given = options.url || URL_DEFAULT;
  const url = URL.parse(given.includes('://') ? given : `http://${given}`);
  if (url === null || !/^https?:$/.test(url.protocol))
    return { ok: false, text: `--url ${given} is not an HTTP address; give http://HOST:PORT` };
  if (!options.secretFile) return { ok: true, client: new AgentClient(url, null) };
  try {
    const secret = withoutLineEnd(readFileSync(options.secretFile));
    return { ok: true, client: new AgentClient(url, httpToken(secret)) };
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return { ok: false, text: `--secret-file ${options.secretFile} cannot be read (${code})` };
  }
}

export class AgentClient {
  readonly url: URL;
  readonly #token: string | null;

  constructor(url: URL, token: string | null) {
    this.url = url;
    this.#token = token;
  }

  async status(): Promise<Answer<Status>> {
    const answer = await this.#ask('/status', 'GET', null, READ_MS_MAX);
    return answer.kind !== 'ok' || isStatus(answer.value)
      ? (answer as Answer<Status>)
      : this.#stranger();
  }

  async limits(): Promise<Answer<ReturnType<View['limits']>>> {
    const answer = await this.#ask('/limits', 'GET', null, READ_MS_MAX);
    return answer.kind !== 'ok' || Array.isArray(answer.value)
      ? (answer as Answer<ReturnType<View['limits']>>)
      : this.#stranger();
  }

  async isReady(): Promise<boolean> {
    return (await this.#ask('/ready', 'GET', null, READ_MS_MAX)).kind === 'ok';
  }

  async members(): Promise<Answer<AssemblyView>> {
    const answer = await this.#ask('/members', 'GET', null, READ_MS_MAX);
    return answer.kind !== 'ok' || isAssembly(answer.value)
      ? (answer as Answer<AssemblyView>)
      : this.#stranger();
  }

  switchover(to: string | null): Promise<Answer<Told>> {
    return this.#order('/switchover', 'POST', to === null ? {} : { to });
  }

  remove(node: string): Promise<Answer<Told>> {
    return this.#order('/remove', 'POST', { node });
  }

  changeSpec(change: SpecBody): Promise<Answer<Told>> {
    return this.#order('/spec', 'PATCH', change);
  }

  #order(path: string, method: 'POST' | 'PATCH', body: object): Promise<Answer<Told>> {
    return this.#ask(path, method, body, ORDER_MS_MAX) as Promise<Answer<Told>>;
  }

  async #ask(
    path: string,
    method: 'GET' | 'POST' | 'PATCH',
    body: object | null,
    msMax: number,
  ): Promise<Answer<unknown>> {
    const headers = new Headers({ accept: 'application/json' });
    if (body !== null) headers.set('content-type', 'application/json');
    // The token goes out only with what needs it.
    if (method !== 'GET' && this.#token !== null)
      headers.set('authorization', `Bearer ${this.#token}`);
    try {
      const response = await fetch(new URL(path, this.url), {
        method,
        headers,
        redirect: 'error',
        signal: AbortSignal.timeout(msMax),
        ...(body === null ? {} : { body: JSON.stringify(body) }),
      });
      const value = jsonOf(await textOf(response));
      if (value === undefined) return this.#stranger();
      if (response.ok) return { kind: 'ok', value };
      return { kind: 'refused', status: response.status, text: reasonOf(value, response.status) };
    } catch (error) {
      const text = `no agent answers at ${this.url.origin} (${failureOf(error)})`;
      return { kind: 'unreachable', text };
    }
  }

  #stranger(): { kind: 'unreachable'; text: string } {
    return { kind: 'unreachable', text: `what answers at ${this.url.origin} is not an agent` };
  }
}

async function textOf(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error('its answer is too large');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Enough to tell an agent from another program; the rest of the shape is fixed by its version. */
function isStatus(value: unknown): value is Status {
  if (typeof value !== 'object' || value === null) return false;
  const { members, problems, offsets } = value as Partial<Record<keyof Status, unknown>>;
  return Array.isArray(members) && Array.isArray(problems) && typeof offsets === 'object';
}

function isAssembly(value: unknown): value is AssemblyView {
  if (typeof value !== 'object' || value === null) return false;
  const { members, decisions } = value as Partial<Record<keyof AssemblyView, unknown>>;
  return Array.isArray(members) && Array.isArray(decisions);
}

function reasonOf(value: unknown, status: number): string {
  const detail = (value as { detail?: unknown } | null)?.detail;
  return typeof detail === 'string' ? printable(detail) : `HTTP ${status}`;
}

function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  const { code } = (error.cause ?? error) as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : error.message;
}
