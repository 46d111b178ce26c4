/**
 * A session's own connection to the relay of the node that leads, as a line in virtual time between
 * two processes, each of which may stand still or die.
 */
import type { OwnWire, OwnWireEvents } from '../src/core/lanes/ports.ts';
import type { NodeId } from '../src/core/scalars.ts';
import { Channel } from './channel.ts';
import type { Admitted } from './client-connection.ts';
import type { Asked } from './invariants.ts';
import { Launches } from './launches.ts';
import { type Tags, WireLedger } from './ledger.ts';
import type { ClientPort } from './session.ts';
import type { Chance, Timeline } from './time.ts';
import type { OwnRoute } from './wires.ts';

export interface PassOptions {
  readonly timeline: Timeline;
  readonly chance: Chance;
  /** How slow a connection may be: each is given one of them. */
  readonly lineDelaysUs: readonly number[];
  readonly asked: () => Asked;
  /** Does something in the process of the node that passes on, in order per connection. */
  readonly inNode: (source: string, run: () => void) => void;
  /** Null: that node is not there, or does not lead. */
  readonly reach: (leader: NodeId, source: string, client: ClientPort) => Admitted | null;
}

export type LeaderRoute = Extract<OwnRoute, { readonly kind: 'leader' }>;

export class SimPassWire implements OwnWire {
  readonly route: LeaderRoute;
  readonly #o: PassOptions;
  readonly #source: string;
  readonly #ledger: WireLedger;
  readonly #launches = new Launches();
  readonly #delayMaxUs: number;
  readonly #fromLeader: Channel;
  #toLeader: Channel | null = null;
  #admitted: Admitted | null = null;
  #corked: Buffer[] | null = null;
  #isOver = false;

  /** `source` names the connection. */
  constructor(
    options: PassOptions,
    source: string,
    tags: Tags,
    route: LeaderRoute,
    events: OwnWireEvents,
  ) {
    const { timeline, chance, lineDelaysUs } = options;
    this.#o = options;
    this.#source = source;
    this.#ledger = new WireLedger(tags, route.kind);
    this.route = route;
    this.#delayMaxUs = chance.pick(lineDelaysUs);
    this.#fromLeader = this.#channel({
      receive: (bytes) => this.#here(() => events.onReply(bytes)),
      onEnd: () => this.#here(() => this.#end(events)),
      onDrain: () => this.#admitted?.drained(),
    });
    timeline.after(chance.between(1, this.#delayMaxUs), () => this.#here(() => this.#dial(events)));
  }

  get isConnected(): boolean {
    return this.#toLeader !== null;
  }

  write(bytes: Buffer): boolean {
    this.#launches.add(this.#ledger.sent(bytes), this.#o.asked(), bytes.length);
    if (this.#corked === null) return this.#toLeader?.write(bytes) ?? true;
    this.#corked.push(bytes);
    return true;
  }

  cork(): void {
    this.#corked ??= [];
  }

  uncork(): void {
    const corked = this.#corked ?? [];
    this.#corked = null;
    if (corked.length > 0 && !this.#isOver) this.#toLeader?.write(Buffer.concat(corked));
  }

  setReading(isReading: boolean): void {
    this.#fromLeader.setPaused(!isReading);
  }

  /** Clients here hang up as a whole. */
  finish(): void {
    this.destroy();
  }

  destroy(): void {
    this.#isOver = true;
    this.#fromLeader.drop();
    this.#toLeader?.end();
  }

  #dial(events: OwnWireEvents): void {
    const { reach } = this.#o;
    const fromLeader = this.#fromLeader;
    const admitted = reach(this.route.node, this.#source, {
      reply: (bytes) => fromLeader.write(bytes),
      get unsentBytes() {
        return fromLeader.waitingBytes;
      },
      refused: () => fromLeader.end(),
      closed: () => fromLeader.end(),
      onMade: (bytes, offset) => this.#ledger.made(bytes, offset),
    });
    if (admitted === null) {
      this.#end(events);
      return;
    }
    this.#admitted = admitted;
    this.#toLeader = this.#channel({
      receive: (bytes) => admitted.request({ bytes, begins: this.#launches.arrived(bytes.length) }),
      onEnd: () => admitted.close(),
      onDrain: () => this.#here(() => events.onDrain()),
    });
    events.onConnect();
  }

  #channel(ends: {
    readonly receive: (bytes: Buffer) => void;
    readonly onEnd: () => void;
    readonly onDrain: () => void;
  }): Channel {
    const { timeline, chance } = this.#o;
    return new Channel({ timeline, chance, delayMaxUs: this.#delayMaxUs, ...ends });
  }

  #here(run: () => void): void {
    this.#o.inNode(this.#source, () => this.#isOver || run());
  }

  #end(events: OwnWireEvents): void {
    this.destroy();
    events.onEnd();
  }
}
