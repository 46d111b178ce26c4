/**
 * A network that keeps no more of the Outbox contract than it must: it loses, delays, repeats,
 * reorders, and cuts single directions of single links.
 */
import type { Chance, Timeline } from './time.ts';

/** How the links behave while nothing is cut. Shares are in permille, times in microseconds. */
export interface Weather {
  readonly loss: number;
  readonly repeat: number;
  readonly delayMinUs: number;
  readonly delayMaxUs: number;
  /** One link keeps its order, as a TCP connection would; otherwise every packet travels alone. */
  readonly ordered: boolean;
}

export const FAIR_WEATHER: Weather = {
  loss: 0,
  repeat: 0,
  delayMinUs: 100,
  delayMaxUs: 900,
  ordered: true,
};

export interface Delivery<Packet> {
  readonly from: string;
  readonly to: string;
  readonly packet: Packet;
}

export class Network<Packet> {
  weather: Weather;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #deliver: (delivery: Delivery<Packet>) => void;
  /** Directions that are cut, as `from>to`. */
  readonly #cut = new Set<string>();
  /** When the last packet of a direction arrives: what keeps an ordered link in order. */
  readonly #lastArrivalUs = new Map<string, number>();
  /** Hosts that nothing reaches or leaves, whatever is healed meanwhile. */
  readonly #isolated = new Set<string>();
  #inFlight = 0;
  #peak = 0;

  constructor(
    timeline: Timeline,
    chance: Chance,
    weather: Weather,
    deliver: (delivery: Delivery<Packet>) => void,
  ) {
    this.#timeline = timeline;
    this.#chance = chance;
    this.weather = weather;
    this.#deliver = deliver;
  }

  /** The most packets that were under way at once. */
  get peak(): number {
    return this.#peak;
  }

  send(from: string, to: string, packet: Packet): void {
    const { loss, repeat } = this.weather;
    if (this.#chance.permille(loss)) return;
    this.#launch({ from, to, packet });
    if (this.#chance.permille(repeat)) this.#launch({ from, to, packet });
  }

  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  cutBoth(a: string, b: string): void {
    this.cut(a, b);
    this.cut(b, a);
  }

  heal(): void {
    this.#cut.clear();
  }

  setIsolated(host: string, isIsolated: boolean): void {
    if (isIsolated) this.#isolated.add(host);
    else this.#isolated.delete(host);
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from}>${to}`) || this.#isolated.has(from) || this.#isolated.has(to);
  }

  #launch(delivery: Delivery<Packet>): void {
    const { delayMinUs, delayMaxUs, ordered } = this.weather;
    const way = `${delivery.from}>${delivery.to}`;
    let delayUs = this.#chance.between(delayMinUs, delayMaxUs);
    if (ordered) {
      const arrivesUs = Math.max(this.#timeline.nowUs + delayUs, this.#lastArrivalUs.get(way) ?? 0);
      this.#lastArrivalUs.set(way, arrivesUs);
      delayUs = arrivesUs - this.#timeline.nowUs;
    }
    this.#inFlight += 1;
    if (this.#inFlight > this.#peak) this.#peak = this.#inFlight;
    this.#timeline.after(delayUs, () => {
      this.#inFlight -= 1;
      // A cut takes what is under way, too: a packet that waited it out would be a delay.
      if (!this.isCut(delivery.from, delivery.to)) this.#deliver(delivery);
    });
  }
}
