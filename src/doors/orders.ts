/** What a door may ask of the agent. Each order answers in words; none throws for a plain "no". */

export type OrderResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: string; readonly text: string };

export interface Orders {
  /** Hands leadership to `to` (a node name), or to the most level follower. Works on any node. */
  switchover(to: string | null): Promise<OrderResult>;
}
