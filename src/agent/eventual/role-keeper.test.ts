import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ControlState,
  type MemberFacts,
  NOTHING_AGREED,
  type Primary,
} from '../../core/control/state.ts';
import { nodeId } from '../../core/scalars.ts';
import type { DataRecord, EventualServer, ServerSeen } from './ports.ts';
import { RoleKeeper } from './role-keeper.ts';

const [H1, H2] = ['1'.repeat(40), '2'.repeat(40)];
const [OWN, OTHER] = [nodeId('a@00000001'), nodeId('b@00000002')];
const OPEN: Primary = {
  decision: 7,
  node: OTHER,
  isPlanned: false,
  base: null,
  history: H2,
  from: null,
  former: null,
};
const SEEN: ServerSeen = {
  role: 'replica',
  history: '3'.repeat(40),
  offset: 0,
  leftAt: null,
  upstream: null,
  isLinkUp: false,
  isLoading: false,
  isOnDisk: true,
  isShut: true,
  replicas: [],
};

/** A node with data of another history, which is to follow the primary. */
class Bed {
  nowMs = 0;
  primary = OPEN;
  readonly steps: string[] = [];
  recorded: () => void = () => undefined;
  readonly keeper: RoleKeeper;

  constructor() {
    const server: EventualServer = {
      start: () => undefined,
      kill: () => undefined,
      look: () => undefined,
      take: (life, { kind }) => this.steps.push(`${kind} ${life}`),
      extend: () => undefined,
      disarm: () => undefined,
    };
    const record: DataRecord = { point: { history: H1, offset: 5 }, begun: null };
    this.keeper = new RoleKeeper({
      id: OWN,
      nowMs: () => this.nowMs,
      run: 1,
      priority: 1,
      state: () => this.#state,
      server,
      kept: {
        record,
        save: (_record, done) => {
          this.recorded = done;
        },
      },
      ask: ({ decision, run, serial }) =>
        this.keeper.answered({ decision, run, serial, answer: 'inForce' }),
      lost: () => undefined,
      note: () => undefined,
    });
    this.starts(1);
  }

  get #state(): ControlState {
    const facts = { clientAddress: 'b:6379' } as MemberFacts;
    const members = [{ node: OTHER, facts, leaving: null }];
    return { ...NOTHING_AGREED, members, primary: this.primary };
  }

  starts(life: number): void {
    this.nowMs += 1_000;
    this.keeper.tick();
    this.keeper.up(life);
    this.keeper.seen(life, SEEN);
    this.keeper.tick();
  }
}

test('a server follows when nothing claims its data any more', () => {
  const bed = new Bed();
  deepEqual(bed.steps, []);
  bed.recorded();
  deepEqual(bed.steps, ['follow 1']);
});

test('what was decided for an earlier server, or before, is not done', () => {
  const gone = new Bed();
  gone.keeper.down(1, 'killed');
  gone.recorded();
  deepEqual(gone.steps, []);
  const next = new Bed();
  next.keeper.down(1, 'killed');
  next.starts(2);
  next.recorded();
  deepEqual(next.steps, []);
  next.keeper.tick();
  deepEqual(next.steps, ['follow 2'], 'it is decided for this one');
  const other = new Bed();
  other.primary = { ...OPEN, decision: 8, node: OWN };
  other.recorded();
  deepEqual(other.steps, []);
});
