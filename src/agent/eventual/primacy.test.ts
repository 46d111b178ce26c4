/** What the control leader answers to who would be the primary, and when. */
import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { specFounded } from '../../core/control/spec.ts';
import { type ControlState, NOTHING_AGREED, type Primary } from '../../core/control/state.ts';
import { QUIET_MS } from '../../core/lease/spans.ts';
import type { Observation, Standing } from '../../core/plan/observation.ts';
import { founded } from '../../core/raft/configuration.ts';
import { nodeId } from '../../core/scalars.ts';
import { Primacy } from './primacy.ts';

const [FORMER, HEIR] = [nodeId('a@00000001'), nodeId('b@00000002')];
const [H1, H2] = ['1'.repeat(40), '2'.repeat(40)];
const UNOPENED: Primary = {
  decision: 7,
  node: HEIR,
  isPlanned: false,
  base: H1,
  history: null,
  from: null,
  former: FORMER,
};
const HOLDS: Standing = {
  history: H1,
  offset: 9,
  isExact: true,
  isUp: true,
  priority: 1,
  released: 0,
};
const SEEN: Observation = {
  self: HEIR,
  nowMs: 1,
  nodes: new Map(),
  goneMs: () => 0,
  control: founded([FORMER, HEIR]),
  data: null,
  eventual: null,
};

/** A control leader since long ago, who has just granted the former primary a lease. */
class Bed {
  nowMs = 10_000;
  readonly told: string[] = [];
  #primary: Primary = { ...UNOPENED, decision: 3, node: FORMER, history: H1, former: null };
  readonly #primacy: Primacy;
  #serial = 0;

  constructor() {
    const bed = this;
    this.#primacy = new Primacy({
      group: {
        isCurrent: true,
        get state(): ControlState {
          const spec = specFounded(2, null, {
            eventual: { maxLostBytes: null, minReplicasToWrite: 0 },
          });
          return { ...NOTHING_AGREED, spec, primary: bed.#primary };
        },
        appliedIndex: 9,
        committedIndex: 9,
        nextRound: 1,
        confirmedRound: 1,
        wantRound: () => undefined,
        propose: ({ kind }) => this.told.push(kind),
      },
      nowMs: () => this.nowMs,
      wallMs: () => 1,
      answer: (to, { answer }) => this.told.push(`${answer} ${to[0]}`),
    });
    this.#primacy.changed();
    this.asks(FORMER, H1);
    this.#primary = UNOPENED;
    this.#primacy.changed();
    this.stands();
  }

  asks(from: typeof HEIR, history: string | null): void {
    this.#serial += 1;
    const { decision } = this.#primary;
    const question = { decision, run: 1, serial: this.#serial };
    this.#primacy.asked(from, { ...question, history, from: null, offset: 9 });
  }

  stands(former: Partial<Standing> = {}): void {
    this.#primacy.reported(HEIR, HOLDS);
    this.#primacy.reported(FORMER, { ...HOLDS, ...former });
    this.#primacy.observe(SEEN);
  }

  opened(): void {
    this.#primary = { ...UNOPENED, history: H2 };
    this.#primacy.changed();
  }

  silentMs(): number {
    return this.#primacy.observe(SEEN).eventual?.silentMs ?? -1;
  }

  /** What is told meanwhile. */
  after(ms: number): string[] {
    this.told.length = 0;
    this.nowMs += ms;
    this.stands();
    return [...this.told];
  }
}

test('who may promote its server is told when older leases are over, and asks once', () => {
  const waited = new Bed();
  waited.asks(HEIR, null);
  deepEqual(waited.after(QUIET_MS - 1), []);
  deepEqual(waited.after(1), ['clear b']);
  deepEqual(waited.after(1), [], 'and is told once');

  const released = new Bed();
  released.asks(HEIR, null);
  released.told.length = 0;
  released.stands({ released: UNOPENED.decision });
  deepEqual(released.told, ['clear b']);
});

test('a question that waits for older leases says nothing of later', () => {
  const bed = new Bed();
  bed.asks(HEIR, null);
  bed.after(900);
  equal(bed.silentMs(), 900, 'who asked is not heard by it again');
  bed.opened();
  deepEqual(bed.after(QUIET_MS), [], 'it is open already');

  const named = new Bed();
  named.asks(HEIR, H2);
  deepEqual(named.after(QUIET_MS), [], 'what it would open may be gone: it asks again');
  named.asks(HEIR, H2);
  deepEqual(named.told, ['opened']);
});
