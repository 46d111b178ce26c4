/**
 * Pods by label selector: the list, then a watch from where it ended, so that a pod is known as
 * soon as it has an address. What a watch cannot do (refused, broken, its version forgotten) the
 * next list does: whenever a look ends, the list is asked for again after a pause.
 *
 * What the service account may not do is told in words with the permission that is missing; other
 * sources go on, and so does this one once it is given.
 */
import { linesOf, textOf } from './body.ts';
import { DiscoveryError } from './errors.ts';
import type { ApiAnswer, KubernetesApi } from './kubernetes-api.ts';
import type { DiscoveryLimits } from './limits.ts';
import { Pods } from './pods.ts';
import type { Clock } from './ports.ts';
import type { Answer, Source } from './source.ts';
import type { KubernetesSpec } from './specification.ts';

export class KubernetesSource implements Source {
  readonly label: string;
  readonly everyMs: number;
  /** A list says everything: a pod that it lacks is gone. */
  readonly keepMs = 0;
  readonly #spec: KubernetesSpec;
  readonly #api: KubernetesApi;
  readonly #clock: Clock;
  readonly #limits: DiscoveryLimits;
  /** Why there is no watch, and when to ask for one again. */
  #refused: { readonly text: string; readonly untilMs: number } | null = null;

  constructor(
    label: string,
    spec: KubernetesSpec,
    api: KubernetesApi,
    { clock, limits }: { readonly clock: Clock; readonly limits: DiscoveryLimits },
  ) {
    this.label = label;
    this.everyMs = limits.pollEveryMs;
    this.#spec = spec;
    this.#api = api;
    this.#clock = clock;
    this.#limits = limits;
  }

  async *look(signal: AbortSignal): AsyncIterable<Answer> {
    const namespace = this.#spec.namespace ?? (await this.#api.namespace());
    const pods = new Pods(this.#spec.port);
    let version = await this.#list(pods, namespace, signal);
    if (this.#refused !== null && this.#clock.nowMs() < this.#refused.untilMs) {
      yield { places: pods.places(), complaint: this.#refused.text };
      return;
    }
    this.#refused = null;
    yield { places: pods.places(), complaint: null };
    for (;;) {
      const begunMs = this.#clock.nowMs();
      const next = yield* this.#watch(pods, { namespace, version, signal });
      if (next === null || signal.aborted) return;
      if (this.#clock.nowMs() - begunMs < this.#limits.watchShortMs) return;
      version = next;
    }
  }

  /** The version that the list is of. */
  async #list(pods: Pods, namespace: string, signal: AbortSignal): Promise<string> {
    const { listPagesMax, listPageItems, listBytesMax, lookMsMax } = this.#limits;
    let continueToken = '';
    for (let page = 0; page < listPagesMax; page++) {
      const path = this.#path(namespace, {
        limit: String(listPageItems),
        ...(continueToken === '' ? {} : { continue: continueToken }),
      });
      const answer = await this.#api.get({ path, msMax: lookMsMax, signal });
      if (answer.kind === 'refused')
        throw new DiscoveryError('REFUSED', inWords(answer, 'list', namespace));
      const taken = pods.takePage(await textOf(answer.body, listBytesMax));
      if (taken.continueToken === '') return taken.version;
      continueToken = taken.continueToken;
    }
    const podsMax = listPagesMax * listPageItems;
    throw new DiscoveryError('NOT_UNDERSTOOD', `the selector means more than ${podsMax} pods`);
  }

  /** The version at which the watch ended as it should; null when only a list can go on. */
  async *#watch(
    pods: Pods,
    from: { namespace: string; version: string; signal: AbortSignal },
  ): AsyncGenerator<Answer, string | null> {
    const { namespace, signal } = from;
    const { watchSeconds, watchGraceMs, lineBytesMax } = this.#limits;
    let { version } = from;
    const path = this.#path(namespace, {
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds: String(watchSeconds),
    });
    try {
      const msMax = watchSeconds * 1000 + watchGraceMs;
      const answer = await this.#api.get({ path, msMax, signal });
      if (answer.kind === 'refused') {
        if (answer.status !== 410) yield this.#refuse(pods, inWords(answer, 'watch', namespace));
        return null;
      }
      for await (const line of linesOf(answer.body, lineBytesMax)) {
        const event = pods.takeEvent(line);
        if (event.kind === 'expired') return null;
        if (event.kind === 'error') {
          yield { places: pods.places(), complaint: `the watch ended: ${event.text}` };
          return null;
        }
        version = event.version ?? version;
        if (event.isChange) yield { places: pods.places(), complaint: null };
      }
      return version;
    } catch (error) {
      if (!(error instanceof DiscoveryError) || signal.aborted) throw error;
      yield { places: pods.places(), complaint: `the watch broke: ${error.message}` };
      return null;
    }
  }

  #refuse(pods: Pods, why: string): Answer {
    const { watchAgainMs, pollEveryMs } = this.#limits;
    const text = `${why}; asking every ${pollEveryMs / 1000} s instead`;
    this.#refused = { text, untilMs: this.#clock.nowMs() + watchAgainMs };
    return { places: pods.places(), complaint: text };
  }

  #path(namespace: string, query: Readonly<Record<string, string>>): string {
    const words = new URLSearchParams({
      labelSelector: this.#spec.selector,
      fieldSelector: 'status.phase=Running',
      ...query,
    });
    return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?${words}`;
  }
}

function inWords(
  { status, text }: Extract<ApiAnswer, { kind: 'refused' }>,
  verb: 'list' | 'watch',
  namespace: string,
): string {
  const said = `(${status}: ${text})`;
  if (status === 403)
    return (
      `the service account may not ${verb} pods in namespace ${namespace}; ` +
      `bind it to a Role with verbs get, list and watch on pods ${said}`
    );
  if (status === 401) return `the API server does not accept the service account's token ${said}`;
  return `the API server refuses to ${verb} pods ${said}`;
}
