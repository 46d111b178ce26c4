/**
 * What is known of the other nodes: their newest reports, and when each was last seen by anybody.
 *
 * Times are of this node's monotonic clock. A report counts for some seconds, and only from a node
 * that is connected; so what a deposed leader said last is soon forgotten.
 */
import type { NodeId } from '../../core/scalars.ts';
import type { Report } from './report.ts';

/** Reports come once a second; two may be late or lost. */
export const REPORT_MS_MAX = 3_500;

interface Kept {
  readonly report: Report;
  readonly atMs: number;
}

export class Sightings {
  readonly #nowMs: () => number;
  readonly #reports = new Map<NodeId, Kept>();
  readonly #seenAtMs = new Map<NodeId, number>();
  #sinceMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** From now on it watches: nobody was gone for longer, as far as it can say. */
  begin(): void {
    this.#sinceMs = this.#nowMs();
    this.#seenAtMs.clear();
  }

  reported(from: NodeId, report: Report): void {
    this.#reports.set(from, { report, atMs: this.#nowMs() });
  }

  lost(node: NodeId): void {
    this.#reports.delete(node);
  }

  /** Looked at regularly: who is up here, or was reported so. */
  look(up: Iterable<NodeId>): void {
    const nowMs = this.#nowMs();
    for (const node of up) this.#seenAtMs.set(node, nowMs);
    for (const { report } of this.fresh().values())
      for (const node of report.up) this.#seenAtMs.set(node, nowMs);
  }

  goneMs(node: NodeId): number {
    return this.#nowMs() - Math.max(this.#sinceMs, this.#seenAtMs.get(node) ?? 0);
  }

  fresh(): ReadonlyMap<NodeId, Kept> {
    const oldestMs = this.#nowMs() - REPORT_MS_MAX;
    for (const [node, { atMs }] of this.#reports) if (atMs < oldestMs) this.#reports.delete(node);
    return this.#reports;
  }

  of(node: NodeId): Report | null {
    return this.fresh().get(node)?.report ?? null;
  }

  /**
   * Who leads the data group, by its own word. A term that anybody knows of and that is later makes
   * an older leader's word worthless, even while nobody is known to lead in it.
   */
  dataLeader(): { readonly node: NodeId; readonly report: Report } | null {
    const all = [...this.fresh()];
    const newest = Math.max(0, ...all.map(([, { report }]) => report.term));
    for (const [node, { report }] of all)
      if (report.leader === node && report.term === newest) return { node, report };
    return null;
  }
}
