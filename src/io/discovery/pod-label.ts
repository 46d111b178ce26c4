/**
 * The role of this node as a label of its own pod, so that Services can select the primary or the
 * replicas. It follows what the node is and decides nothing: while the API server is away the label
 * is old, and who comes to a former primary by it is passed on or refused there.
 *
 * The newest role wins, one change at a time. What the service account may not do is told once, in
 * words, and asked again now and then: a Role may be bound while the pod lives.
 */
import { textOf } from './body.ts';
import { DiscoveryError } from './errors.ts';
import type { KubernetesApi } from './kubernetes-api.ts';
import type { Clock } from './ports.ts';

export const ROLE_LABEL = 'althing.dev/role';

/** The API server answers with the whole pod. */
const POD_BYTES_MAX = 4 * 1024 * 1024;
/** Later than this counts as no answer. */
const PATCH_MS_MAX = 10_000;

export interface LabelPauses {
  /** After a failure that passes by itself. */
  readonly failedMs: number;
  /** After a refusal, which somebody has to end. */
  readonly refusedMs: number;
}

const PAUSES: LabelPauses = { failedMs: 2_000, refusedMs: 60_000 };

export interface PodLabelOptions {
  readonly api: Pick<KubernetesApi, 'change' | 'namespace'>;
  /** The pod's name. */
  readonly pod: string;
  readonly clock: Clock;
  readonly log: (level: 'info' | 'warn', event: string, facts: object) => void;
  readonly fatal: (error: Error) => void;
  readonly pauses?: LabelPauses;
}

export class PodLabel {
  readonly #o: PodLabelOptions;
  readonly #stopping = new AbortController();
  #wanted = '';
  #given = '';
  #complaint = '';
  #working: Promise<void> | null = null;

  constructor(options: PodLabelOptions) {
    this.#o = options;
  }

  /** From now on; may be called often. */
  want(role: string): void {
    this.#wanted = role;
    if (this.#working !== null || role === this.#given || this.#stopping.signal.aborted) return;
    this.#working = this.#work().then(
      () => {
        this.#working = null;
      },
      (error: Error) => this.#o.fatal(error),
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, pauses = PAUSES } = this.#o;
    while (this.#wanted !== this.#given && !signal.aborted) {
      const outcome = await this.#patch(this.#wanted);
      if (outcome === 'failed') await clock.sleep(pauses.failedMs, signal);
      if (outcome === 'refused') await clock.sleep(pauses.refusedMs, signal);
    }
  }

  async #patch(role: string): Promise<'done' | 'failed' | 'refused'> {
    const { api, pod, log } = this.#o;
    const { signal } = this.#stopping;
    try {
      const namespace = await api.namespace();
      const path = ['/api/v1/namespaces', namespace, 'pods', pod]
        .map((part, i) => (i % 2 === 0 ? part : encodeURIComponent(part)))
        .join('/');
      const answer = await api.change(
        { path, msMax: PATCH_MS_MAX, signal },
        {
          method: 'PATCH',
          type: 'application/merge-patch+json',
          body: { metadata: { labels: { [ROLE_LABEL]: role } } },
        },
      );
      if (answer.kind === 'refused') {
        this.#complain(inWords(answer.status, answer.text, pod, namespace));
        return answer.status === 403 || answer.status === 404 ? 'refused' : 'failed';
      }
      await textOf(answer.body, POD_BYTES_MAX);
      this.#given = role;
      this.#complaint = '';
      log('info', 'kubernetes.labelled', { pod, label: ROLE_LABEL, role });
      return 'done';
    } catch (error) {
      if (!(error instanceof DiscoveryError)) throw error;
      if (!signal.aborted) this.#complain(error.message);
      return 'failed';
    }
  }

  /** Each once, until it was well in between. */
  #complain(text: string): void {
    if (text === this.#complaint) return;
    this.#complaint = text;
    this.#o.log('warn', 'kubernetes.notLabelled', { label: ROLE_LABEL, text });
  }
}

function inWords(status: number, text: string, pod: string, namespace: string): string {
  const said = `(${status}: ${text})`;
  if (status === 403)
    return (
      `the service account may not patch pods in namespace ${namespace}; bind it to a Role with ` +
      `the verb patch on pods, or do without Services by role ${said}`
    );
  if (status === 404)
    return `there is no pod ${pod} in namespace ${namespace}: give its name as POD_NAME ${said}`;
  return `the API server refuses to label the pod ${said}`;
}
