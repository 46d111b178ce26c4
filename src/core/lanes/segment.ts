/**
 * What a client sends, cut where it matters which connection carries it; and the commands that no
 * server has seen yet.
 *
 * Invariant of what waits: its first byte is the first byte of a command, so that all of it can
 * still be refused without a lie.
 */
import { type Effect, leavesState } from './effect.ts';

export interface Segment {
  readonly bytes: Buffer;
  /** Commands that begin in `bytes`. 0: they continue the one begun before, and no more. */
  readonly begun: number;
  /** Commands that end there. */
  readonly ended: number;
  /** Of its only command; null for any number of plain ones. */
  readonly effect: Effect | null;
  /** All its commands are reads, which a server that follows could answer as well. */
  readonly isRead: boolean;
  /** It begins after they were read: what was asked for then must be there. */
  point: number;
}

export interface Refused {
  /** How many commands had come whole. */
  readonly whole: number;
  /** The last one had come only in part. */
  readonly isInside: boolean;
  /** One of them was to leave state in the connection. */
  readonly isBinding: boolean;
}

export class WaitingRequests {
  #segments: Segment[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0;
  }

  get first(): Segment | undefined {
    return this.#segments[0];
  }

  add(segment: Segment): void {
    this.#segments.push(segment);
    this.#bytes += segment.bytes.length;
  }

  /** All of them, to be forwarded; what cannot be is to be given back by `putBack`. */
  takeAll(): readonly Segment[] {
    const segments = this.#segments;
    this.#segments = [];
    this.#bytes = 0;
    return segments;
  }

  /** The last ones of what was taken, in order, before anything else was added. */
  putBack(segments: readonly Segment[]): void {
    for (const segment of segments) this.add(segment);
  }

  /** Forgets all of them, and says what they were. */
  refuseAll(): Refused {
    let begun = 0;
    let whole = 0;
    let isBinding = false;
    for (const segment of this.takeAll()) {
      begun += segment.begun;
      whole += segment.ended;
      isBinding ||= segment.effect !== null && leavesState(segment.effect);
    }
    return { whole, isInside: begun > whole, isBinding };
  }
}
