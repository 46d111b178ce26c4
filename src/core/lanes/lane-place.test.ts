import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { LaneLink } from './lane-link.ts';
import { LanePlace } from './lane-place.ts';
import type { LaneSession, Lanes } from './lanes.ts';

/** Lanes that are joined and left, and what a session would have to be told. */
function placed() {
  const links: { key: string; isRetired: boolean; isOver: boolean; isAlone: boolean }[] = [];
  const lanes = {
    join: (_: LaneSession, key: string) => {
      links.push({ key, isRetired: false, isOver: false, isAlone: false });
      return links.at(-1) as unknown as LaneLink<LaneSession>;
    },
    leave: () => undefined,
  } as unknown as Lanes<LaneSession>;
  const rider = { key: 'a', laneOwed: 0, heldBytes: 0, laneReplay: () => [] };
  return { place: new LanePlace({} as LaneSession), lanes, links, rider };
}

test('a session changes its lane only while nothing is owed to it and nothing of it is held', () => {
  for (const owed of [{ laneOwed: 1 }, { heldBytes: 1 }]) {
    const { place, lanes, links, rider } = placed();
    equal(place.take(lanes, rider, false), 'here');
    equal(place.take(lanes, { ...rider, ...owed }, false), 'here');
    equal(place.take(lanes, { ...rider, ...owed, key: 'b' }, false), 'owed');
    const [first] = links;
    if (first) first.isRetired = true;
    equal(place.take(lanes, { ...rider, ...owed }, false), 'owed');
    equal(links.length, 1);
    equal(place.take(lanes, rider, false), 'here');
    equal(links.length, 2);
  }
});
