/** The relay's connections to the server, as lines in virtual time. */
import type {
  LaneWire,
  LaneWireEvents,
  OwnWire,
  OwnWireEvents,
  Route,
} from '../src/core/lanes/ports.ts';
import { type Answerer, type Tags, WireLedger } from './ledger.ts';
import type { ReplySeen } from './server-body.ts';
import type { Line, LineEnds } from './server-lines.ts';

export interface WireOptions {
  /** Null: nobody takes the connection. */
  readonly openLine: (ends: LineEnds, onReply: (reply: ReplySeen) => void) => Line | null;
  /** At the end of what is being done. */
  readonly soon: (run: () => void) => void;
  readonly tags: Tags;
}

export type OwnRoute = Exclude<Route, { readonly kind: 'none' }>;

/** More than a lane lets wait. */
const MUCH_BYTES = 1 << 30;

export class SimLaneWire implements LaneWire {
  readonly #ledger: WireLedger;
  readonly #line: Line | null;
  #isFull = false;
  #isOver = false;

  constructor({ openLine, soon, tags }: WireOptions, by: Answerer, events: LaneWireEvents) {
    const ledger = new WireLedger(tags, by);
    this.#ledger = ledger;
    this.#line = openLine(
      {
        onBytes: (bytes) => this.#isOver || events.onBytes(bytes),
        onClosed: () => this.#isOver || events.onEnd(),
        onDrain: () => {
          this.#isFull = false;
          if (!this.#isOver) events.onDrain();
        },
      },
      (reply) => ledger.said(reply),
    );
    soon(() => {
      if (this.#isOver) return;
      if (this.#line === null) events.onEnd();
      else events.onConnect();
    });
  }

  get unsentBytes(): number {
    return this.#isFull ? MUCH_BYTES : 0;
  }

  write(pieces: readonly Buffer[]): void {
    for (const piece of pieces) this.#ledger.sent(piece);
    if (this.#line?.write(Buffer.concat(pieces)) === false) this.#isFull = true;
  }

  setReading(isReading: boolean): void {
    this.#line?.setPaused(!isReading);
  }

  destroy(): void {
    this.#isOver = true;
    this.#line?.close();
  }
}

export class SimOwnWire implements OwnWire {
  readonly route: Route;
  readonly #ledger: WireLedger;
  readonly #line: Line | null;
  #corked: Buffer[] | null = null;
  #isReading = true;
  #isConnected = false;
  #isOver = false;

  constructor({ openLine, soon, tags }: WireOptions, route: OwnRoute, events: OwnWireEvents) {
    const ledger = new WireLedger(tags, route.kind);
    this.route = route;
    this.#ledger = ledger;
    this.#line = openLine(
      {
        onBytes: (bytes) => this.#isOver || events.onReply(bytes),
        onClosed: () => this.#end(events),
        onDrain: () => this.#isOver || events.onDrain(),
      },
      (reply) => ledger.said(reply),
    );
    soon(() => {
      if (this.#isOver) return;
      if (this.#line === null) {
        this.#end(events);
        return;
      }
      this.#isConnected = true;
      events.onConnect();
    });
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  write(bytes: Buffer): boolean {
    this.#ledger.sent(bytes);
    if (this.#corked === null) return this.#line?.write(bytes) ?? true;
    this.#corked.push(bytes);
    return true;
  }

  cork(): void {
    this.#corked ??= [];
  }

  uncork(): void {
    const corked = this.#corked ?? [];
    this.#corked = null;
    if (corked.length > 0 && !this.#isOver) this.#line?.write(Buffer.concat(corked));
  }

  setReading(isReading: boolean): void {
    if (isReading === this.#isReading) return;
    this.#isReading = isReading;
    this.#line?.setPaused(!isReading);
  }

  /** Clients here hang up as a whole. */
  finish(): void {
    this.destroy();
  }

  destroy(): void {
    this.#isOver = true;
    this.#line?.close();
  }

  #end(events: OwnWireEvents): void {
    if (this.#isOver) return;
    this.destroy();
    events.onEnd();
  }
}
