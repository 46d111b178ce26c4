/**
 * The power switch of one host: it can be set to go off at a chosen point inside a step, between
 * two effects or right after a promise has left. Timers alone never hit those points.
 */

/** Thrown in place of an effect; the host catches it at its door, and is dead. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut';
}

/** What the receiver builds on. */
export type Promised = 'vote' | 'acknowledgement';

type Fuse = { readonly kind: 'effects'; left: number } | { readonly kind: Promised };

export class Power {
  #fuse: Fuse | null = null;

  /** Off just before the given effect, counted from now, is carried out. */
  cutAtEffect(effects: number): void {
    this.#fuse = { kind: 'effects', left: effects };
  }

  /** Off right after the next such promise has left. */
  cutAfter(promise: Promised): void {
    this.#fuse = { kind: promise };
  }

  disarm(): void {
    this.#fuse = null;
  }

  /** To be called before each effect. */
  effect(): void {
    if (this.#fuse?.kind !== 'effects') return;
    this.#fuse.left -= 1;
    if (this.#fuse.left < 0) throw new PowerCut('before an effect');
  }

  /** To be called after each vote or acknowledgement. */
  promised(promise: Promised): void {
    if (this.#fuse?.kind === promise) throw new PowerCut('after a promise');
  }
}
