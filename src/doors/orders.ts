/** What a door may ask of the agent. Each order answers in words; none throws for a plain "no". */
import type { SpecChange } from '../core/control/spec.ts';

export type OrderResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: string; readonly text: string };

export interface Orders {
  /** Hands leadership to `to` (a node name), or to the most level follower. Works on any node. */
  switchover(to: string | null): Promise<OrderResult>;
  /** Whatever is given changes; null for a version: whichever is in force. Works on any node. */
  changeSpec(change: SpecChange, ifVersion: number | null): Promise<OrderResult>;
  /** Takes a node out for good, by its name, or its id where two have one name. */
  removeNode(node: string): Promise<OrderResult>;
}
