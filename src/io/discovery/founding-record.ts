/**
 * Which deployment was founded under a name, where no node's disk can lose it: one ConfigMap, which
 * the API server lets exactly one founding create and nobody change (`immutable`).
 */
import { textOf } from './body.ts';
import { DiscoveryError } from './errors.ts';
import type { ApiAnswer, KubernetesApi } from './kubernetes-api.ts';
import type { DiscoveryLimits } from './limits.ts';

export type Recorded =
  /** The id that stands there; null: none yet. */
  | { readonly kind: 'stands'; readonly deployment: string | null }
  /** The service account has no right to it; in words, with the right that is missing. */
  | { readonly kind: 'forbidden'; readonly text: string };

export interface RecordOptions {
  /** Of the deployment. */
  readonly name: string;
  /** Null: the one that the service account's files name. */
  readonly namespace: string | null;
  readonly limits: Pick<DiscoveryLimits, 'lookMsMax' | 'recordBytesMax'>;
}

const ID = /^[0-9a-f]{32}$/;
/** What Kubernetes takes as a name, but for its length, which a deployment's name keeps. */
const OBJECT_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

export class FoundingRecord {
  readonly #api: KubernetesApi;
  readonly #o: RecordOptions;
  readonly #object: string;

  constructor(api: KubernetesApi, options: RecordOptions) {
    this.#api = api;
    this.#o = options;
    this.#object = objectNameOf(options.name);
  }

  /** As a person gives it to kubectl. */
  get place(): string {
    const { namespace } = this.#o;
    return `configmap ${this.#object}${namespace === null ? '' : ` -n ${namespace}`}`;
  }

  /** Throws a `DiscoveryError` when nobody answers, or not with what was asked for. */
  async read(signal: AbortSignal): Promise<Recorded> {
    const { lookMsMax, recordBytesMax } = this.#o.limits;
    const path = `${await this.#path()}/${this.#object}`;
    const answer = await this.#api.get({ path, msMax: lookMsMax, signal });
    if (answer.kind === 'ok')
      return { kind: 'stands', deployment: idIn(await textOf(answer.body, recordBytesMax)) };
    if (answer.status === 404) return { kind: 'stands', deployment: null };
    return this.#refused(answer, 'get');
  }

  /** What stands there afterwards: `deployment`, unless another one was there before. */
  async write(deployment: string, signal: AbortSignal): Promise<Recorded> {
    const before = await this.read(signal);
    if (before.kind === 'forbidden' || before.deployment !== null) return before;
    const { lookMsMax } = this.#o.limits;
    const question = { path: await this.#path(), msMax: lookMsMax, signal };
    const metadata = { name: this.#object };
    const data = { deployment };
    const record = { apiVersion: 'v1', kind: 'ConfigMap', immutable: true, metadata, data };
    const answer = await this.#api.change(question, {
      method: 'POST',
      type: 'application/json',
      body: record,
    });
    if (answer.kind === 'ok' || answer.status === 409) return await this.read(signal);
    return this.#refused(answer, 'create');
  }

  async #path(): Promise<string> {
    const namespace = this.#o.namespace ?? (await this.#api.namespace());
    return `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`;
  }

  #refused({ status, text }: Extract<ApiAnswer, { kind: 'refused' }>, verb: string): Recorded {
    const said = `(${status}: ${text})`;
    if (status !== 403)
      throw new DiscoveryError('REFUSED', `the API server does not ${verb} ${this.place} ${said}`);
    const words =
      `the service account may not ${verb} ${this.place}; ` +
      `bind it to a Role with verbs get and create on configmaps ${said}`;
    return { kind: 'forbidden', text: words };
  }
}

/** One for each name of a deployment, which may have capitals and underscores. */
export function objectNameOf(name: string): string {
  const isPlain = OBJECT_NAME.test(name);
  return isPlain ? `althing.${name}` : `althing-hex.${Buffer.from(name).toString('hex')}`;
}

function idIn(text: string): string {
  let deployment: unknown;
  try {
    deployment = (JSON.parse(text) as { data?: { deployment?: unknown } } | null)?.data?.deployment;
  } catch (cause) {
    throw new DiscoveryError('NOT_UNDERSTOOD', 'the answer is not JSON', { cause });
  }
  if (typeof deployment === 'string' && ID.test(deployment)) return deployment;
  throw new DiscoveryError('NOT_UNDERSTOOD', 'the ConfigMap names no deployment');
}
