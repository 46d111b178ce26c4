/** Questions to another node's agent, each with one answer: its own, or that none came. */
import { randomBytes } from 'node:crypto';
import type { NodeId } from '../core/scalars.ts';
import type { OrderResult } from '../doors/orders.ts';

export interface Ask {
  readonly to: NodeId;
  /** The answer comes under the topic `<topic>.done`. */
  readonly topic: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly msMax: number;
  /** When no answer came, in words. */
  readonly late: string;
}

export class Asks {
  readonly #note: (to: NodeId, topic: string, body: unknown) => void;
  /** By request id. */
  readonly #open = new Map<string, (result: OrderResult) => void>();

  constructor(note: (to: NodeId, topic: string, body: unknown) => void) {
    this.#note = note;
  }

  ask({ to, topic, body, msMax, late }: Ask): Promise<OrderResult> {
    return new Promise((resolve) => {
      const request = randomBytes(8).toString('hex');
      const finish = (result: OrderResult): void => {
        clearTimeout(timer);
        this.#open.delete(request);
        resolve(result);
      };
      const timer = setTimeout(() => finish(refused('TIMEOUT', late)), msMax);
      this.#open.set(request, finish);
      this.#note(to, topic, { request, ...body });
    });
  }

  /** What a peer says it answers. */
  answered({ request, ok, code, text }: Readonly<Record<string, unknown>>): void {
    const finish = this.#open.get(String(request));
    if (finish === undefined || typeof text !== 'string') return;
    finish(ok === true ? { ok: true, text } : refused(String(code), text));
  }
}

export function refused(code: string, text: string): OrderResult {
  return { ok: false, code, text };
}
