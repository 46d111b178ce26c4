/**
 * This node and the record of its deployment's founding, in Kubernetes: an empty node that reads
 * an id there never founds, and nobody becomes a founder before the record names what was signed.
 *
 * Of two foundings that could not see each other the record lets one have members. It outlives all
 * disks: nodes that have lost theirs wait for a person instead of beginning anew with nothing.
 * Without the right to it (403) a founding is as safe as elsewhere, and the journal says so.
 */
import type { Problem } from '../doors/view.ts';
import { DiscoveryError } from '../io/discovery/errors.ts';
import type { FoundingRecord } from '../io/discovery/founding-record.ts';
import type { Clock } from '../io/discovery/ports.ts';

/** Nodes that found, or cannot, look so often: a person may have taken the record away. */
const LOOK_EVERY_MS = 5_000;
/** After a refusal: a right is given by a person. */
const FORBIDDEN_EVERY_MS = 60_000;

export interface OwnRecordOptions {
  readonly record: Pick<FoundingRecord, 'read' | 'write' | 'place'>;
  readonly clock: Clock;
  readonly warn: (event: string, facts: Readonly<Record<string, unknown>>) => void;
  /** Our bug. */
  readonly fatal: (error: Error) => void;
}

interface Claim {
  readonly deployment: string;
  /** Null once it has been called, and of a node that is in already. */
  done: (() => void) | null;
}

export class OwnRecord {
  readonly #o: OwnRecordOptions;
  readonly #ending = new AbortController();
  #claimed = new AbortController();
  #claim: Claim | null = null;
  #mayFound = false;
  #founded: string | null = null;
  /** Why nothing is known, or nothing can be written. */
  #failure: string | null = null;
  #isForbidden = false;
  #running: Promise<void> | null = null;

  constructor(options: OwnRecordOptions) {
    this.#o = options;
  }

  /** Whether an empty node may found: the record was looked at, and names nobody. */
  get mayFound(): boolean {
    return this.#mayFound;
  }

  /** `changed` is called whenever `mayFound` is another. */
  start(changed: () => void): void {
    this.#running = this.#follow(changed).catch(this.#o.fatal);
  }

  /**
   * This node founds, or is in already (`done` is null). `done` is called when the record names
   * `deployment`, or this node has no right to it; never while it names another.
   */
  claim(deployment: string, done: (() => void) | null): void {
    this.#claim = { deployment, done };
    this.#claimed.abort();
  }

  /** What keeps this node out, which belongs to no deployment yet; empty: nothing here. */
  problems(name: string): Problem[] {
    const { place } = this.#o.record;
    const another =
      'start nodes that have its data. Only if all of them are gone for good: ' +
      `kubectl delete ${place}, and as many empty nodes as expected found a new, empty one`;
    if (this.#failure !== null)
      return [
        {
          code: 'RECORD_UNKNOWN',
          text: `whether ${name} was founded is unknown: ${this.#failure}`,
          todo: 'it is asked again and again; nobody founds before it is known',
        },
      ];
    if (this.#founded === null) return [];
    if (this.#claim === null)
      return [
        {
          code: 'FOUNDED_BEFORE',
          text: `${name} was founded as ${this.#founded} (${place}), so this empty node only joins`,
          todo: another,
        },
      ];
    if (this.#claim.deployment === this.#founded) return [];
    return [
      {
        code: 'FOUNDED_BY_OTHERS',
        text: `others have founded ${name} as ${this.#founded} (${place})`,
        todo: 'nothing was stored here: empty the directory of this node, and it joins them',
      },
    ];
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #follow(changed: () => void): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      this.#claimed = new AbortController();
      const before = this.#mayFound;
      if ((await this.#look(signal)) || signal.aborted) return;
      if (before !== this.#mayFound) changed();
      const awake = AbortSignal.any([signal, this.#claimed.signal]);
      const everyMs = this.#isForbidden ? FORBIDDEN_EVERY_MS : LOOK_EVERY_MS;
      await this.#o.clock.sleep(everyMs, awake);
    }
  }

  /** True when the record says what this node is in, and need not be looked at any more. */
  async #look(signal: AbortSignal): Promise<boolean> {
    const { record, warn } = this.#o;
    const claim = this.#claim;
    try {
      const found = await (claim === null
        ? record.read(signal)
        : record.write(claim.deployment, signal));
      if (signal.aborted) return true;
      this.#failure = null;
      if (found.kind === 'forbidden') {
        if (!this.#isForbidden) warn('founding.unrecorded', { text: found.text });
        this.#isForbidden = true;
        this.#mayFound = true;
        finish(claim);
        return false;
      }
      this.#isForbidden = false;
      this.#founded = found.deployment;
      this.#mayFound = found.deployment === null;
      if (claim === null || (claim.done !== null && claim.deployment !== found.deployment))
        return false;
      finish(claim);
      return true;
    } catch (error) {
      if (!(error instanceof DiscoveryError)) throw error;
      if (this.#failure !== error.message) warn('founding.recordFailed', { text: error.message });
      this.#failure = error.message;
      return false;
    }
  }
}

function finish(claim: Claim | null): void {
  const done = claim?.done ?? null;
  if (claim !== null) claim.done = null;
  done?.();
}
