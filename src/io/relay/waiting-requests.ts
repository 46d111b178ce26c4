/**
 * Commands that no server has seen yet, in order. They can still be refused without a lie.
 *
 * Invariant: the first byte kept is the first byte of a command.
 */
import type { Segment } from './request-gate.ts';

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

  add(segment: Segment): void {
    this.#segments.push(segment);
    this.#bytes += segment.bytes.length;
  }

  /** All of them, to be forwarded. */
  takeAll(): readonly Segment[] {
    const segments = this.#segments;
    this.#segments = [];
    this.#bytes = 0;
    return segments;
  }

  /** Forgets all of them, and says what they were. */
  refuseAll(): Refused {
    let begun = 0;
    let whole = 0;
    let isBinding = false;
    for (const segment of this.takeAll()) {
      begun += segment.begun;
      whole += segment.ended;
      isBinding ||= segment.binds;
    }
    return { whole, isInside: begun > whole, isBinding };
  }
}

/** What is left of `segment` after the command begun before it; null when that does not end. */
export function afterTail(segment: Segment): Segment | null {
  if (segment.begun === 0 && segment.ended === 0) return null;
  return {
    ...segment,
    bytes: segment.bytes.subarray(segment.tailBytes),
    ended: segment.ended - 1,
    tailBytes: 0,
  };
}
