/**
 * The Kubernetes API as a pod sees it: the address from its environment, and the token and the
 * certificate of its service account from files, read for every question, because both are
 * replaced while the pod lives.
 */
import { addressText, bareHost, parsePort } from './address.ts';
import { textOf } from './body.ts';
import { DiscoveryError } from './errors.ts';
import type { DiscoveryPorts, WebAnswer } from './ports.ts';

export interface KubernetesPlace {
  /** IPv6 without brackets, or a name. */
  readonly host: string;
  readonly port: number;
  /** Holds `token`, `ca.crt` and `namespace`. */
  readonly accountDir: string;
}

const ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';
const HTTPS_PORT = '443';
/** What an API server says beside a refusal is a sentence. */
const REFUSAL_BYTES_MAX = 64 * 1024;
const REFUSAL_CHARS_MAX = 300;

/** Null outside of a pod. */
export function kubernetesPlace(
  environment: Readonly<Record<string, string | undefined>>,
): KubernetesPlace | null {
  const host = environment['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = parsePort(environment['KUBERNETES_SERVICE_PORT'] || HTTPS_PORT);
  if (host === '' || port === null) return null;
  return { host: bareHost(host), port, accountDir: ACCOUNT_DIR };
}

export type ApiAnswer =
  | { readonly kind: 'ok'; readonly body: WebAnswer['body'] }
  | { readonly kind: 'refused'; readonly status: number; readonly text: string };

export interface ApiQuestion {
  readonly path: string;
  readonly msMax: number;
  readonly signal: AbortSignal;
}

export interface ApiChange {
  readonly method: 'POST' | 'PATCH';
  readonly type: 'application/json' | 'application/merge-patch+json';
  readonly body: object;
}

export class KubernetesApi {
  readonly #place: KubernetesPlace | null;
  readonly #ports: Pick<DiscoveryPorts, 'web' | 'files'>;

  constructor(place: KubernetesPlace | null, ports: Pick<DiscoveryPorts, 'web' | 'files'>) {
    this.#place = place;
    this.#ports = ports;
  }

  /** The pod's own. Throws a `DiscoveryError` where there is none. */
  async namespace(): Promise<string> {
    const text = await this.#ports.files.read(`${this.#here().accountDir}/namespace`);
    return text.trim();
  }

  /** Throws a `DiscoveryError` when nobody answers, or somebody who is not the API server. */
  get(question: ApiQuestion): Promise<ApiAnswer> {
    return this.#exchange(question, null);
  }

  /** The same, to change what is there. It may have been done where nobody answers. */
  change(question: ApiQuestion, change: ApiChange): Promise<ApiAnswer> {
    return this.#exchange(question, change);
  }

  async #exchange(question: ApiQuestion, change: ApiChange | null): Promise<ApiAnswer> {
    const token = await this.#token();
    const answer = await this.#ask(question, change, token);
    if (answer.status !== 401) return await spoken(answer);
    // The token may have been replaced between the reading and the question.
    const newer = await this.#token();
    if (newer === token) return await spoken(answer);
    await spoken(answer);
    return await spoken(await this.#ask(question, change, newer));
  }

  async #token(): Promise<string> {
    const path = `${this.#here().accountDir}/token`;
    const token = (await this.#ports.files.read(path)).trim();
    // A header may not hold everything that a file may; its text is not for a message.
    if (!/^[\x21-\x7e]+$/.test(token))
      throw new DiscoveryError('NOT_UNDERSTOOD', `${path} holds no token`);
    return token;
  }

  async #ask(
    { path, msMax, signal }: ApiQuestion,
    change: ApiChange | null,
    token: string,
  ): Promise<WebAnswer> {
    const place = this.#here();
    const caPath = `${place.accountDir}/ca.crt`;
    const ca = await this.#ports.files.read(caPath);
    // An empty list would mean: whoever Node trusts.
    if (!ca.includes('BEGIN CERTIFICATE'))
      throw new DiscoveryError('NOT_UNDERSTOOD', `${caPath} holds no certificate`);
    const url = `https://${addressText(place)}${path}`;
    const headers = { accept: 'application/json', authorization: `Bearer ${token}` };
    const { web } = this.#ports;
    const request = { url, headers, ca, msMax, signal };
    if (change === null) return await web.get(request);
    const { method, type, body } = change;
    const typed = { ...headers, 'content-type': type };
    return await web.change({ ...request, headers: typed, method, body: JSON.stringify(body) });
  }

  #here(): KubernetesPlace {
    if (this.#place !== null) return this.#place;
    throw new DiscoveryError(
      'NOT_HERE',
      'this is no pod: KUBERNETES_SERVICE_HOST is not set; use another source here',
    );
  }
}

async function spoken({ status, body }: WebAnswer): Promise<ApiAnswer> {
  if (status === 200 || status === 201) return { kind: 'ok', body };
  const text = messageIn(await textOf(body, REFUSAL_BYTES_MAX));
  return { kind: 'refused', status, text };
}

/** Of a `Status` object; other servers in between may say anything. */
function messageIn(body: string): string {
  let message: unknown = body;
  try {
    message = (JSON.parse(body) as { message?: unknown } | null)?.message ?? body;
  } catch {
    // Not JSON: the text as it is.
  }
  const text = String(message).replace(/\s+/g, ' ').trim();
  return text.slice(0, REFUSAL_CHARS_MAX);
}
