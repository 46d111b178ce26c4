/** What a checker found wrong. */

export interface Anomaly {
  /** In the words of Adya, Jepsen and Elle: `G1a`, `lost-update`, `G-single-realtime`... */
  readonly kind: string;
  readonly key: string | null;
  /** Places of the operations concerned, in the history that was given. */
  readonly operations: readonly number[];
  /** The whole story, one line or several. */
  readonly words: string;
}
