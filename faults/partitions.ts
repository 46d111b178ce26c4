/** Which directions between nodes lead nowhere in each shape of partition. */

/**
 * `one`: one node alone. `halves`: a minority and a majority. `ring`: every node still reaches a
 * majority, and no two the same. `deaf`: one node hears nobody; `mute`: nobody hears it. `pieces`:
 * 2 | 2 | 1 of five, and alike of others: no majority anywhere.
 */
export const PARTITIONS = ['one', 'halves', 'ring', 'deaf', 'mute', 'pieces'] as const;
export type PartitionShape = (typeof PARTITIONS)[number];
export type Cut = readonly [from: number, to: number];

/** `order` names every node; its first is the one that the shape is about. */
export function cutsOf(shape: PartitionShape, order: readonly number[]): Cut[] {
  const [first = 0, ...others] = order;
  switch (shape) {
    case 'one':
      return both([first], others);
    case 'halves': {
      const minority = Math.floor((order.length - 1) / 2);
      return both(order.slice(0, minority), order.slice(minority));
    }
    case 'ring':
      return ringCuts(order);
    case 'deaf':
      return others.map((other) => [other, first]);
    case 'mute':
      return others.map((other) => [first, other]);
    case 'pieces': {
      const size = Math.floor((order.length - 1) / 2);
      const [one, two, rest] = [order.slice(0, size), order.slice(size, 2 * size), 2 * size];
      return [...both(one, order.slice(size)), ...both(two, order.slice(rest))];
    }
  }
}

/** The target first, the others in their drawn order. */
export function startingWith(first: number, order: readonly number[]): number[] {
  return [first, ...order.filter((each) => each !== first)];
}

/**
 * Each keeps its neighbors on the ring, as many on both sides as make a majority with itself. Of
 * three nodes all are neighbors: there one link is cut, and the node between sees both.
 */
function ringCuts(order: readonly number[]): Cut[] {
  const count = order.length;
  if (count === 3) return both([order[0] as number], [order[1] as number]);
  const reach = Math.ceil(Math.floor(count / 2) / 2);
  const cuts: Cut[] = [];
  for (const [i, from] of order.entries())
    for (const [j, to] of order.entries()) {
      const apart = Math.min((i - j + count) % count, (j - i + count) % count);
      if (apart > reach) cuts.push([from, to]);
    }
  return cuts;
}

function both(some: readonly number[], others: readonly number[]): Cut[] {
  return some.flatMap((one) =>
    others.flatMap((other): Cut[] => [
      [one, other],
      [other, one],
    ]),
  );
}

export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}
