/** What every source of addresses is, whatever it asks. */
import type { Address } from './address.ts';

/** Somewhere to ask: an address of a peer listener, and of HTTP where the source knows it. */
export interface Place {
  readonly address: Address;
  readonly http: Address | null;
}

/** Everything that a source knows now, and in words what was wrong with it, if anything. */
export interface Answer {
  readonly places: readonly Place[];
  readonly complaint: string | null;
}

export interface Source {
  /** As it is written in the setting, with its defaults. */
  readonly label: string;
  /** The pause between two looks, of which half is chance; null: one look says it all. */
  readonly everyMs: number | null;
  /** How long an address counts that answers no longer name. */
  readonly keepMs: number;
  /**
   * Yields at least one answer and ends, or throws a `DiscoveryError`. It may go on for long,
   * yielding whenever something has changed; aborting `signal` ends it.
   */
  look(signal: AbortSignal): AsyncIterable<Answer>;
}
