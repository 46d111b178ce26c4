/**
 * Which shard each replica should follow: as many copies as are wanted for as many shards as can
 * be, then no two of them on one host, then in one zone, then with the fewest changes, and what is
 * beyond that in equal parts.
 *
 * From how it is, by single changes and exchanges of two while one makes it better. For one replica
 * each that finds the best there is: whoever shares a host with its primary has somebody to change
 * with, unless that host has more nodes than there are shards.
 */
import type { ClusterNodeId } from '../../cluster/nodes-text.ts';
import type { Place } from './situation.ts';

export interface PlacedShard {
  readonly id: ClusterNodeId;
  /** Copies that stay where they are. */
  readonly fixed: readonly Place[];
}

export interface Movable extends Place {
  /** Whom it follows; null, or a shard that is not given, for nobody that counts. */
  readonly shard: ClusterNodeId | null;
}

/** Of each node the shard. `copies` is what is wanted of each, the primary included. */
export function placed(
  shards: readonly PlacedShard[],
  nodes: readonly Movable[],
  copies: number,
): Map<ClusterNodeId, ClusterNodeId> {
  const table = new Table(shards, nodes, copies);
  if (shards.length > 0) while (table.improve());
  return new Map(
    table.seats.flatMap(({ node, at }) => {
      const shard = shards[at];
      return shard === undefined ? [] : [[node.id, shard.id]];
    }),
  );
}

interface Seat {
  readonly node: Movable;
  /** Which of the shards, and which it was; -1 for none. */
  at: number;
  readonly was: number;
}

/** The first that differs decides. */
type Cost = readonly number[];

class Table {
  readonly seats: readonly Seat[];
  readonly #shards: readonly PlacedShard[];
  readonly #copies: number;

  constructor(shards: readonly PlacedShard[], nodes: readonly Movable[], copies: number) {
    this.#shards = shards;
    this.#copies = copies;
    this.seats = nodes
      .map((node) => {
        const was = shards.findIndex(({ id }) => id === node.shard);
        return { node, at: was, was };
      })
      .sort((a, b) => (a.node.id < b.node.id ? -1 : 1));
    for (const seat of this.seats) if (seat.at < 0) this.#seatFirst(seat);
  }

  /** False when no single change and no exchange makes it better. */
  improve(): boolean {
    const seat = this.seats.find((one) => this.#shards.some((_, to) => this.#move(one, to)));
    if (seat !== undefined) return true;
    return this.seats.some((one, at) =>
      this.seats.slice(at + 1).some((other) => this.#exchange(one, other)),
    );
  }

  #seatFirst(seat: Seat): void {
    let best: { at: number; cost: Cost } | null = null;
    for (const at of this.#shards.keys()) {
      const before = this.#cost([at]);
      seat.at = at;
      const cost = this.#cost([at]).map((after, i) => after - (before[i] ?? 0));
      seat.at = -1;
      if (best === null || isLess(cost, best.cost)) best = { at, cost };
    }
    seat.at = best?.at ?? -1;
  }

  #move(seat: Seat, to: number): boolean {
    const { at } = seat;
    if (at === to) return false;
    const before = this.#cost([at, to]);
    seat.at = to;
    if (isLess(this.#cost([at, to]), before)) return true;
    seat.at = at;
    return false;
  }

  #exchange(one: Seat, other: Seat): boolean {
    const [a, b] = [one.at, other.at];
    if (a === b) return false;
    const before = this.#cost([a, b]);
    [one.at, other.at] = [b, a];
    if (isLess(this.#cost([a, b]), before)) return true;
    [one.at, other.at] = [a, b];
    return false;
  }

  /** Of these shards, and of those that sit there. */
  #cost(shards: readonly number[]): Cost {
    let [lacking, onHost, inZone, changed, uneven] = [0, 0, 0, 0, 0];
    for (const at of shards) {
      const seated = this.seats.filter((seat) => seat.at === at);
      const all = [...(this.#shards[at]?.fixed ?? []), ...seated.map(({ node }) => node)];
      const short = Math.max(0, this.#copies - all.length);
      lacking += short * short;
      onHost += all.length - new Set(all.map(({ host }) => host)).size;
      inZone += all.length - new Set(all.map(({ zone }) => zone)).size;
      changed += seated.filter(({ was }) => was >= 0 && was !== at).length;
      uneven += all.length * all.length;
    }
    return [lacking, onHost, inZone, changed, uneven];
  }
}

function isLess(one: Cost, other: Cost): boolean {
  const at = one.findIndex((value, i) => value !== other[i]);
  return at >= 0 && (one[at] ?? 0) < (other[at] ?? 0);
}
