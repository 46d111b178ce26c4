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
import { TRIAL_SEEN } from './trial-seen.ts';

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
const SEEN: ServerSeen = { ...TRIAL_SEEN, history: '3'.repeat(40) };

/** A node with data of another history, which is to follow the primary. */
class Bed {
  nowMs = 0;
  primary = OPEN;
  readonly steps: string[] = [];
  readonly losses: (number | null)[] = [];
  readonly asked: string[] = [];
  /** Orders fail, and those to the warden are noted among the steps. */
  isFailing = false;
  #saving: (() => void) | undefined;
  readonly keeper: RoleKeeper;

  constructor() {
    const server: EventualServer = {
      start: () => undefined,
      kill: () => undefined,
      look: () => undefined,
      take: (life, { kind }, done) => {
        this.steps.push(`${kind} ${life}`);
        done(!this.isFailing);
      },
      extend: () => this.#toWarden('extend'),
      disarm: () => this.#toWarden('disarm'),
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
          this.#saving = done;
        },
      },
      ask: ({ decision, run, serial, history }) => {
        this.asked.push(`${decision} ${history}`);
        const answer = this.primary.node === OWN ? 'granted' : 'inForce';
        this.keeper.answered({ decision, run, serial, answer });
      },
      lost: (_from, bytes) => this.losses.push(bytes),
      note: () => undefined,
    });
    this.starts(1);
  }

  #toWarden(what: string): void {
    if (this.isFailing) this.steps.push(what);
  }

  get #state(): ControlState {
    const facts = { clientAddress: 'b:6379' } as MemberFacts;
    const members = [{ node: OTHER, facts, leaving: null }];
    const data = { decision: 1, voters: [OWN, OTHER], isSettled: true };
    return { ...NOTHING_AGREED, members, data, primary: this.primary };
  }

  /** Whatever was to be recorded is durable. */
  recorded(): void {
    while (this.#saving !== undefined) {
      const done = this.#saving;
      this.#saving = undefined;
      done();
    }
  }

  sees(life: number, seen: ServerSeen): void {
    this.nowMs += 300;
    this.keeper.tick();
    this.keeper.seen(life, seen);
    this.keeper.tick();
    this.keeper.seen(life, seen);
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

test('a former primary tells what it had more, and of later histories that it may have', () => {
  for (const [from, losses] of [
    [{ history: H1, offset: 60 }, [40]],
    [{ history: H1, offset: 100 }, []],
    [{ history: H2, offset: 60 }, [null]],
    [null, [null]],
  ] as const) {
    const bed = new Bed();
    bed.keeper.down(1, 'killed');
    bed.recorded();
    bed.primary = { ...OPEN, node: OWN, history: H1 };
    bed.starts(2);
    const serving: ServerSeen = { ...SEEN, role: 'primary', history: H1, offset: 100 };
    bed.sees(2, serving);
    bed.primary = { ...OPEN, decision: 9, history: '4'.repeat(40), from };
    bed.sees(2, { ...serving, isShut: false });
    bed.sees(2, { ...serving, role: 'replica' });
    bed.recorded();
    deepEqual([...new Set(bed.steps)], ['open 2', 'detach 2', 'follow 2']);
    deepEqual(bed.losses, losses, JSON.stringify(from));
  }
});

test('a question that is another is asked at once, the same one now and then', () => {
  const bed = new Bed();
  bed.keeper.down(1, 'killed');
  bed.recorded();
  bed.primary = { ...OPEN, decision: 8, node: OWN, history: null };
  bed.starts(2);
  bed.asked.length = 0;
  bed.primary = { ...bed.primary, decision: 9 };
  bed.keeper.tick();
  bed.nowMs += 100;
  bed.keeper.tick();
  deepEqual(bed.asked, ['9 null']);
  bed.nowMs += 100;
  bed.keeper.tick();
  deepEqual(bed.asked, ['9 null', '9 null']);
});

test('who was chosen for data that it has no more asks for nothing', () => {
  const bed = new Bed();
  bed.recorded();
  bed.keeper.down(1, 'killed while it took the data of another');
  bed.asked.length = 0;
  bed.primary = { ...OPEN, decision: 8, node: OWN, base: H1, history: null };
  bed.starts(2);
  bed.nowMs += 300;
  bed.keeper.tick();
  deepEqual(bed.asked, []);
});

test('a server that could not be opened is known to be shut, and its warden ends nothing', () => {
  const bed = new Bed();
  bed.keeper.down(1, 'killed');
  bed.recorded();
  bed.primary = { ...OPEN, node: OWN, history: H1 };
  bed.starts(2);
  bed.isFailing = true;
  const shut: ServerSeen = { ...SEEN, role: 'primary', history: H1, offset: 100 };
  bed.sees(2, shut);
  deepEqual(bed.steps.slice(0, 2), ['open 2', 'disarm']);
  deepEqual(bed.steps.includes('extend'), false, 'nothing is armed for it');
  bed.isFailing = false;
  bed.sees(2, shut);
  deepEqual([bed.steps.at(-1), bed.keeper.isOpen], ['open 2', true], 'it is tried again');
});
