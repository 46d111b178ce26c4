/**
 * What the Kubernetes API says about pods: pages of a list, and the events of a watch. Pure.
 *
 * Only running pods count: one that has ended keeps its address in the record while another pod may
 * have got it already. Ready or not does not matter: a node gets ready by finding the others.
 */
import { addressText, placeHost } from './address.ts';
import { DiscoveryError } from './errors.ts';
import type { Place } from './source.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface PodPage {
  /** Where a watch, or the next page, goes on. */
  readonly version: string;
  /** Empty on the last page. */
  readonly continueToken: string;
}

export type WatchEvent =
  | { readonly kind: 'pods'; readonly version: string | null; readonly isChange: boolean }
  /** The version that was asked from is forgotten: the list has to be asked for again. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'error'; readonly text: string };

export class Pods {
  readonly #port: number;
  readonly #hosts = new Map<string, string>();

  constructor(port: number) {
    this.#port = port;
  }

  /** One place for each address, whatever the order the pods came in. */
  places(): Place[] {
    const hosts = [...new Set(this.#hosts.values())].toSorted();
    return hosts.map((host) => ({ address: { host, port: this.#port }, http: null }));
  }

  /** Throws a `DiscoveryError` when `text` is no list of pods. */
  takePage(text: string): PodPage {
    const list = fieldsOf(parsed(text));
    const items = list?.['items'];
    const metadata = fieldsOf(list?.['metadata']);
    const version = metadata?.['resourceVersion'];
    const continueToken = metadata?.['continue'] ?? '';
    if (!Array.isArray(items) || typeof version !== 'string' || typeof continueToken !== 'string')
      throw new DiscoveryError('NOT_UNDERSTOOD', 'the answer is no list of pods');
    for (const item of items) this.#put(fieldsOf(item));
    return { version, continueToken };
  }

  /** Throws a `DiscoveryError` when `line` is no event of a watch. */
  takeEvent(line: string): WatchEvent {
    const event = fieldsOf(parsed(line));
    const object = fieldsOf(event?.['object']);
    if (object === null) throw new DiscoveryError('NOT_UNDERSTOOD', 'a line is no watch event');
    const version = fieldsOf(object['metadata'])?.['resourceVersion'];
    const before = this.#key();
    switch (event?.['type']) {
      case 'ADDED':
      case 'MODIFIED':
        this.#put(object);
        break;
      case 'DELETED':
        this.#hosts.delete(podKey(object));
        break;
      case 'BOOKMARK':
        break;
      case 'ERROR': {
        const { code, message } = object;
        return code === 410 ? { kind: 'expired' } : { kind: 'error', text: `${code}: ${message}` };
      }
      default:
        throw new DiscoveryError('NOT_UNDERSTOOD', 'a watch event of an unknown type');
    }
    return {
      kind: 'pods',
      version: typeof version === 'string' ? version : null,
      isChange: this.#key() !== before,
    };
  }

  #put(pod: Fields | null): void {
    if (pod === null) throw new DiscoveryError('NOT_UNDERSTOOD', 'a pod is no object');
    const status = fieldsOf(pod['status']);
    const given = status?.['podIP'];
    const host = typeof given === 'string' ? placeHost(given) : null;
    if (host !== null && status?.['phase'] === 'Running') this.#hosts.set(podKey(pod), host);
    else this.#hosts.delete(podKey(pod));
  }

  #key(): string {
    return this.places()
      .map(({ address }) => addressText(address))
      .join(' ');
  }
}

/** A pod that was replaced under its name is another one. */
function podKey(pod: Fields): string {
  const metadata = fieldsOf(pod['metadata']);
  const { name, uid } = metadata ?? {};
  if (typeof name !== 'string') throw new DiscoveryError('NOT_UNDERSTOOD', 'a pod has no name');
  return typeof uid === 'string' ? uid : name;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DiscoveryError('NOT_UNDERSTOOD', 'the answer is not JSON', { cause });
  }
}

function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : null;
}
