import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apply } from '../control/apply.ts';
import { type Command, decodeCommand, encodeCommand } from '../control/command.ts';
import { type SpecChange, specFounded } from '../control/spec.ts';
import { type ControlState, NOTHING_AGREED, UNSEEN } from '../control/state.ts';
import { decodeState, encodeState } from '../control/state-codec.ts';
import { founded } from '../raft/configuration.ts';
import { type NodeId, nodeId } from '../scalars.ts';
import { nextDataDecision } from './data-voters.ts';
import type { Observation, PrimarySeen, Standing } from './observation.ts';
import { plan } from './plan.ts';
import {
  appointmentProblem,
  eventualData,
  HAND_OVER_LAG_BYTES_MAX,
  HAND_OVER_MS,
  heirOf,
  LEAD_MS,
  leadElsewhere,
  nextAppointment,
  primaryTrouble,
  RETURN_MS,
  SETTLED_MS,
} from './primary-replica.ts';

const [A, B, C] = ['a', 'b', 'c'].map((name) => nodeId(`${name}@00000001`)) as [
  NodeId,
  NodeId,
  NodeId,
];
const [H1, H2, H3] = ['1', '2', '3'].map((digit) => digit.repeat(40)) as [string, string, string];
const EMPTY: Standing = {
  history: null,
  offset: 0,
  isExact: true,
  isUp: true,
  priority: 100,
  released: 0,
};

function holds(history: string, offset: number, others: Partial<Standing> = {}): Standing {
  return { ...EMPTY, history, offset, ...others };
}

type Without<T> = T extends unknown ? Omit<T, 'atMs'> : never;

function played(...commands: Without<Command>[]): ControlState {
  let state = NOTHING_AGREED;
  for (const [i, each] of commands.entries()) {
    const command = decodeCommand(encodeCommand({ ...each, atMs: 1 } as Command));
    ok(command);
    state = apply(state, i + 1, command).state;
    deepEqual(decodeState(encodeState(state)), state);
  }
  return state;
}

const EVENTUAL = { eventual: { maxLostBytes: null, minReplicasToWrite: 0 } };
const FOUND = { kind: 'found', spec: specFounded(3, null, EVENTUAL), founders: [A, B, C] } as const;
const APPOINT_A = { kind: 'appoint', basis: 0, node: A, isPlanned: false, why: 'x' } as const;
const OPENED_A = { kind: 'opened', decision: 2, history: H1, from: null } as const;
const OPEN = played(FOUND, APPOINT_A, OPENED_A);
const TO_B = { kind: 'appoint', basis: 2, node: B, isPlanned: true, why: 'x' } as const;
const HANDING_OVER = played(FOUND, APPOINT_A, OPENED_A, TO_B);

const FOUNDING = { founders: [A, B, C], witnesses: [], forgetAfterMs: null };

interface Seen extends Partial<PrimarySeen> {
  readonly up?: readonly NodeId[];
  readonly leaving?: readonly NodeId[];
  readonly goneMs?: number;
}

function seen({ up = [A, B, C], leaving = [], goneMs = 0, ...eventual }: Seen): Observation {
  const nodes = up.map((node) => [node, { facts: UNSEEN, isLeaving: leaving.includes(node) }]);
  return {
    self: C,
    nowMs: 1,
    nodes: new Map(nodes as [NodeId, { facts: typeof UNSEEN; isLeaving: boolean }][]),
    goneMs: () => goneMs,
    control: founded([A, B, C]),
    data: null,
    eventual: {
      standings: new Map(),
      silentMs: 0,
      troubleMs: SETTLED_MS,
      unopenedMs: 0,
      leadMs: 0,
      isSetBack: false,
      offset: null,
      ...eventual,
    },
  };
}

function standings(...all: readonly [NodeId, Standing][]): ReadonlyMap<NodeId, Standing> {
  return new Map(all);
}

function nextNode(state: ControlState, observed: Observation): string | null {
  const next = nextAppointment(state, observed);
  return next === null ? null : `${next.node[0]}${next.isPlanned ? ' planned' : ''}`;
}

test('a strong deployment appoints nobody, and refuses to', () => {
  const strong = played({ ...FOUND, spec: specFounded(3, null) });
  const all = standings([A, EMPTY], [B, EMPTY], [C, EMPTY]);
  equal(nextNode(strong, seen({ standings: all })), null);
  equal(apply(strong, 9, { ...APPOINT_A, atMs: 1 }).answer.ok, false);
  const change = { kind: 'spec', change: { maxLostBytes: 1 }, ifVersion: null, atMs: 1 } as const;
  equal(apply(strong, 9, change).answer.ok, false);
});

test('whose data are to be the first is the first primary, and nobody else before', () => {
  const importing = played({ ...FOUND, importer: B });
  const all = standings([A, { ...EMPTY, priority: 101 }], [B, EMPTY], [C, EMPTY]);
  equal(nextNode(importing, seen({ standings: all })), 'b');
  equal(nextNode(importing, seen({ standings: all, up: [A, C], goneMs: 600_000 })), null);
  const isDown = standings([A, EMPTY], [B, { ...EMPTY, isUp: false }]);
  equal(nextNode(importing, seen({ standings: isDown })), null);
  const other = apply(importing, 9, { ...APPOINT_A, atMs: 1 });
  deepEqual([other.answer.ok, other.state], [false, importing]);

  const appointed = played({ ...FOUND, importer: B }, { ...APPOINT_A, node: B });
  const gone = { standings: all, up: [A, C], goneMs: 600_000, troubleMs: RETURN_MS };
  equal(nextNode(appointed, seen(gone)), null, 'nor when it is gone before it has opened');
  const open = apply(appointed, 3, { ...OPENED_A, atMs: 1 }).state;
  equal(open.importer, undefined);
  equal(nextNode(open, seen({ ...gone, standings: standings([A, holds(H1, 1)]) })), 'a');
});

test('of two replicas the one that is level stays, and the primary always does', () => {
  const change = { kind: 'spec', change: { replicas: 1 }, ifVersion: null } as const;
  const state = played(FOUND, APPOINT_A, OPENED_A, change);
  const votersOf = (...all: readonly [NodeId, Standing][]) => {
    const observed = { ...seen({ standings: standings(...all) }), data: eventualData(state) };
    return nextDataDecision(state, observed)?.voters;
  };
  const [level, other] = [holds(H1, 9), holds(H2, 9)];
  deepEqual(votersOf([A, level], [B, level], [C, level]), [A, B]);
  for (const behind of [EMPTY, other, { ...level, isExact: false }])
    deepEqual(votersOf([A, level], [B, behind], [C, level]), [A, C]);
  deepEqual(votersOf([A, EMPTY], [B, level], [C, level]), [A, B]);
});

test('writes cannot be made to wait for more replicas than are wanted', () => {
  const state = played(FOUND);
  const changed = (change: SpecChange) =>
    apply(state, 9, { kind: 'spec', change, ifVersion: null, atMs: 1 });
  equal(changed({ minReplicasToWrite: 3 }).answer.ok, false);
  equal(changed({ minReplicasToWrite: 2, replicas: 1 }).answer.ok, false);
  const { spec } = changed({ minReplicasToWrite: 2 }).state;
  deepEqual(spec?.eventual, { maxLostBytes: null, minReplicasToWrite: 2 });
});

test('the first primary: of all who are expected, by priority, never one of priority 0', () => {
  const state = played(FOUND);
  const all = standings(
    [A, { ...EMPTY, priority: 0 }],
    [B, EMPTY],
    [C, { ...EMPTY, priority: 101 }],
  );
  equal(nextNode(state, seen({ standings: all })), 'c');
  equal(nextNode(state, seen({ standings: all, up: [A, B], goneMs: 4_999 })), null);
  equal(nextNode(state, seen({ standings: all, up: [A, B], goneMs: 5_000 })), 'b');
  equal(nextNode(state, seen({ standings: standings([A, { ...EMPTY, isUp: false }]) })), null);
});

const FAILOVERS: readonly (readonly [string, Seen, string | null])[] = [
  [
    'a primary that works stays',
    { standings: standings([A, holds(H1, 9)], [B, holds(H1, 9)]) },
    null,
  ],
  [
    'of the living the highest offset',
    { standings: standings([B, holds(H1, 8)], [C, holds(H1, 9)]), up: [B, C] },
    'c',
  ],
  [
    'of equals the higher priority',
    {
      standings: standings([B, holds(H1, 9, { priority: 7 })], [C, holds(H1, 9, { priority: 3 })]),
      up: [B, C],
    },
    'b',
  ],
  [
    'never one of priority 0',
    {
      standings: standings([B, holds(H1, 9, { priority: 0 })], [C, holds(H1, 3)]),
      up: [B, C],
    },
    'c',
  ],
  ['nobody who holds nothing', { standings: standings([B, EMPTY], [C, EMPTY]), up: [B, C] }, null],
  [
    'nobody of another history, however long',
    { standings: standings([B, holds(H2, 99)], [C, EMPTY]), up: [B, C] },
    null,
  ],
  [
    'nobody before it has settled',
    { standings: standings([B, holds(H1, 9)]), up: [B], troubleMs: 299 },
    null,
  ],
  ['nobody who is going', { standings: standings([B, holds(H1, 9)]), up: [B], leaving: [B] }, null],
  [
    'nobody whose server is down',
    { standings: standings([B, holds(H1, 9, { isUp: false })]), up: [B] },
    null,
  ],
  ['nobody who is not there', { standings: standings([B, holds(H1, 9)]), up: [C] }, null],
  [
    'a silent primary is replaced, though it is connected and says that all is well',
    { standings: standings([A, holds(H1, 9)], [B, holds(H1, 8)]), silentMs: 900 },
    'b',
  ],
  [
    'a replica that lives goes before a primary that was restarted',
    { standings: standings([A, holds(H1, 9, { isExact: false })], [B, holds(H1, 8)]) },
    'b',
  ],
  [
    'a primary that was restarted goes before replicas that were',
    {
      standings: standings(
        [A, holds(H1, 5, { isExact: false })],
        [B, holds(H1, 9, { isExact: false })],
      ),
    },
    'a',
  ],
  [
    'it is waited for when only such replicas are there',
    {
      standings: standings([B, holds(H1, 9, { isExact: false })]),
      up: [B],
      troubleMs: RETURN_MS - 1,
    },
    null,
  ],
  [
    'and not for ever: then the highest of them',
    {
      standings: standings(
        [B, holds(H1, 8, { isExact: false })],
        [C, holds(H1, 9, { isExact: false })],
      ),
      up: [B, C],
      troubleMs: RETURN_MS,
    },
    'c',
  ],
  [
    'a primary that lost its data is none, and who has them becomes it',
    { standings: standings([A, EMPTY], [B, holds(H1, 9)]) },
    'b',
  ],
];

for (const [claim, what, node] of FAILOVERS)
  test(`failover: ${claim}`, () => equal(nextNode(OPEN, seen(what)), node));

test('failover: not where more may be lost than is allowed, as far as is known', () => {
  const spec = specFounded(3, null, { eventual: { maxLostBytes: 10, minReplicasToWrite: 0 } });
  const state = played({ ...FOUND, spec }, APPOINT_A, OPENED_A);
  const at = (offset: number) => standings([B, holds(H1, offset)]);
  equal(nextNode(state, seen({ standings: at(89), offset: 100, up: [B] })), null);
  equal(nextNode(state, seen({ standings: at(90), offset: 100, up: [B] })), 'b');
  equal(nextNode(state, seen({ standings: at(9), offset: null, up: [B] })), 'b');
  const restarted = (offset: number) => ({
    standings: standings([B, holds(H1, offset, { isExact: false })]),
    ...{ offset: 100, up: [B], troubleMs: RETURN_MS },
  });
  equal(nextNode(state, seen(restarted(89))), null, 'it may have more, and nobody knows');
  equal(nextNode(state, seen(restarted(90))), 'b');
});

test('who is appointed instead of one that never opened holds what that one should have held', () => {
  const unopened = played(FOUND, APPOINT_A, OPENED_A, { ...TO_B, isPlanned: false });
  const { primary } = unopened;
  deepEqual([primary?.base, primary?.history, primary?.former], [H1, null, A]);
  const all = standings([A, holds(H1, 9, { isExact: false })], [C, holds(H2, 9)]);
  equal(nextNode(unopened, seen({ standings: all, up: [A, C] })), 'a');
  const twice = apply(unopened, 9, { ...TO_B, atMs: 1, basis: 4, node: C }).state.primary;
  deepEqual([twice?.base, twice?.history, twice?.former], [H1, null, A]);
});

test('a decision opens once, and only the one in force', () => {
  const opened = { kind: 'opened', decision: 4, history: H2, from: null, atMs: 1 } as const;
  const after = apply(HANDING_OVER, 5, opened).state;
  equal(after.primary?.history, H2);
  equal(apply(after, 6, { ...opened, history: H3 }).state.primary?.history, H2);
  equal(apply(after, 6, { ...opened, decision: 2, history: H3 }).answer.ok, false);
});

test('a primary that is to go hands over to who is level, and to nobody else', () => {
  const level = standings([A, holds(H1, 100)], [B, holds(H1, 99)], [C, EMPTY]);
  const what = { standings: level, offset: 100, leaving: [A] };
  equal(nextNode(OPEN, seen(what)), 'b planned');
  const far = { ...what, offset: 100 + HAND_OVER_LAG_BYTES_MAX };
  equal(nextNode(OPEN, seen(far)), null);
  equal(
    nextNode(OPEN, seen({ ...what, standings: standings([A, holds(H1, 100)], [B, EMPTY]) })),
    null,
  );
  equal(heirOf(OPEN, seen(what), A, H1), B);
});

test('a hand-over that takes too long is taken back, where there is somebody to do so', () => {
  const all = standings([A, holds(H1, 100)], [B, holds(H1, 90)]);
  const what = { standings: all, unopenedMs: HAND_OVER_MS };
  equal(nextNode(HANDING_OVER, seen(what)), 'a');
  equal(nextNode(HANDING_OVER, seen({ ...what, unopenedMs: HAND_OVER_MS - 1 })), null);
  equal(nextNode(HANDING_OVER, seen({ ...what, up: [B, C] })), null);
});

test('another leads the control group than the primary, where one is well', () => {
  const all = standings([A, holds(H1, 9)], [B, holds(H1, 9, { isUp: false })], [C, holds(H1, 9)]);
  const what = { standings: all, leadMs: LEAD_MS };
  const heir = (observed: Observation, self = A): NodeId | null => {
    const step = leadElsewhere(OPEN, { ...observed, self });
    return step?.kind === 'handOver' ? step.to : null;
  };
  equal(heir(seen(what)), C, 'not one whose server is down');
  equal(heir(seen(what), B), null, 'another leads');
  equal(heir(seen({ ...what, leadMs: LEAD_MS - 1 })), null, 'a failover may not be over');
  equal(heir(seen({ ...what, leaving: [C] })), null);
  equal(heir(seen({ ...what, up: [A, B] })), null);
  equal(heir(seen({ ...what, silentMs: 900 })), null, 'it has to be replaced first');
  equal(leadElsewhere(HANDING_OVER, { ...seen(what), self: B }), null, 'it is not open');
  const told = plan(OPEN, { ...seen({ ...what, offset: 9 }), self: A }, FOUNDING);
  equal(told.at(-1)?.why, 'a is the primary');
});

test('who cannot be replaced is named, with why', () => {
  const observed = seen({ standings: standings([B, EMPTY]), up: [B, C], troubleMs: RETURN_MS });
  equal(primaryTrouble(OPEN, observed), 'a is gone');
  match(appointmentProblem(OPEN, observed) ?? '', /no other node that is there holds its data/);
  equal(appointmentProblem(OPEN, seen({ standings: standings([A, holds(H1, 1)]) })), null);
});

test('who was started again before it has opened goes first only where nobody holds more', () => {
  const next = { kind: 'appoint', basis: 2, node: B, isPlanned: false, why: 'x' } as const;
  const unopened = played(FOUND, APPOINT_A, OPENED_A, next);
  const again = { ...holds(H1, 5), isExact: false };
  const troubleOf = (...all: [NodeId, Standing][]): string | null =>
    primaryTrouble(unopened, seen({ standings: standings(...all) }));
  match(troubleOf([B, again], [C, holds(H1, 9)]) ?? '', /server of b was started again/);
  equal(troubleOf([B, again], [C, { ...holds(H1, 9), isExact: false }]), null);
  equal(troubleOf([B, holds(H1, 5)], [C, holds(H1, 9)]), null, 'its server lives');
  const all = standings([A, { ...holds(H1, 9), isExact: false }], [B, again]);
  const back = { standings: all, isSetBack: true, troubleMs: SETTLED_MS };
  match(primaryTrouble(unopened, seen(back)) ?? '', /server of b was started again/);
  equal(nextNode(unopened, seen(back)), 'a', 'the former one has more');
});

test('no data group is needed: decisions about copies settle, and who leaves is forgotten', () => {
  let state = OPEN;
  let index = 10;
  const propose = (command: Without<Command>): void => {
    index += 1;
    state = apply(state, index, { ...command, atMs: 1 } as Command).state;
  };
  propose({ kind: 'meet', node: B, facts: { ...UNSEEN, peerAddress: 'b:1' } });
  propose({ kind: 'dismiss', node: A, by: 'order', why: 'somebody said so' });
  const all = standings([A, holds(H1, 9)], [B, holds(H1, 9)], [C, holds(H1, 9)]);
  const observed = seen({ standings: all, offset: 9 });
  const told: string[] = [];
  for (let round = 0; round < 8; round++)
    for (const action of plan(state, observed, FOUNDING)) {
      if (action.kind !== 'propose' || action.command.kind === 'meet') continue;
      told.push(action.command.kind);
      propose(action.command);
      const { primary } = state;
      if (primary?.history === null && primary.node !== A)
        propose({ kind: 'opened', decision: primary.decision, history: H2, from: null });
    }
  equal(state.primary?.node, B);
  ok(state.members.every(({ node }) => node !== A));
  ok(told.indexOf('appoint') < told.indexOf('forget'), told.join());
});

/** Servers that hold a history up to an offset, die, come back, and are wiped. */
test('whatever happens, nobody is appointed who does not hold what is agreed on', () => {
  let appointments = 0;
  const dice = fc.infiniteStream(fc.nat(1_000));
  fc.assert(
    fc.property(dice, (stream) => {
      const next = (below: number): number => (stream.next().value as number) % below;
      let state = played(FOUND);
      let index = 10;
      let serial = 0;
      const all = new Map<NodeId, Standing>([A, B, C].map((node) => [node, EMPTY]));
      for (let i = 0; i < 200; i++) {
        const node = [A, B, C][next(3)] as NodeId;
        const { primary } = state;
        const now = all.get(node) as Standing;
        const turn = next(6);
        if (turn === 0) all.set(node, { ...now, isUp: !now.isUp, isExact: false });
        if (turn === 1 && next(3) === 0) all.set(node, EMPTY);
        if (turn === 2 && primary !== undefined && primary.history !== null) {
          const leader = all.get(primary.node) as Standing;
          if (leader.isUp && leader.isExact && leader.history === primary.history) {
            const offset = leader.offset + 10;
            all.set(primary.node, { ...leader, offset });
            if (node !== primary.node && now.isUp)
              all.set(node, holds(primary.history, offset - next(9)));
          }
        }
        const up = [A, B, C].filter(() => next(5) > 0);
        const observed = seen({ standings: all, up, troubleMs: next(2) === 0 ? 300 : RETURN_MS });
        const appointment = nextAppointment(state, observed);
        if (appointment === null) continue;
        const standing = all.get(appointment.node) as Standing;
        const required = primary?.history ?? primary?.base ?? null;
        ok(up.includes(appointment.node) && standing.isUp);
        ok(required === null || standing.history === required, 'an empty or strange server');
        const basis = primary?.decision ?? 0;
        index += 1;
        state = apply(state, index, { ...appointment, kind: 'appoint', basis, atMs: 1 }).state;
        equal(state.primary?.decision, index);
        appointments += 1;
        if (next(3) === 0) continue;
        serial += 1;
        const history = serial.toString(16).padStart(40, '0');
        const from = required === null ? null : { history: required, offset: standing.offset };
        const opened = { kind: 'opened', decision: index, history, from, atMs: 1 } as const;
        state = apply(state, index + 1, opened).state;
        index += 1;
        all.set(appointment.node, holds(history, standing.offset));
      }
    }),
    { numRuns: 150 },
  );
  ok(appointments > 300, `${appointments} appointments`);
});
