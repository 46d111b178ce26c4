import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { type ControlState, NOTHING_AGREED, type ShardLead } from '../../core/control/state.ts';
import { SHUT_AFTER_MS } from '../../core/lease/spans.ts';
import { FORCE_MS } from '../../core/plan/sharded/failovers.ts';
import { nodeId } from '../../core/scalars.ts';
import type { DataRecord, EventualServer, ServerSeen } from '../eventual/ports.ts';
import { TRIAL_SEEN } from '../eventual/trial-seen.ts';
import type { LeaseAnswered } from '../eventual/words.ts';
import { ShardKeeper } from './shard-keeper.ts';

const [OWN, OTHER] = [nodeId('a@00000001'), nodeId('b@00000002')];
const [MINE, THEIRS] = ['a'.repeat(40), 'b'.repeat(40)] as [string, string];
const [H1, H2] = ['1'.repeat(40), '2'.repeat(40)] as [string, string];
/** The other one leads, and has opened. */
const THEIR_LEAD: ShardLead = {
  ...{ decision: 5, node: OTHER, server: THEIRS, by: 'begin' },
  ...{ base: null, history: H1, former: null },
};
/** This one is to take over from it. */
const TAKES_OVER: ShardLead = {
  ...{ decision: 7, node: OWN, server: MINE, by: 'force' },
  ...{ base: H1, history: null, former: { node: OTHER, server: THEIRS } },
};
const MY_LEAD: ShardLead = { ...TAKES_OVER, history: H2 };
const FOLLOWS: ServerSeen = {
  ...{ ...TRIAL_SEEN, clusterServer: MINE, history: H1, offset: 9 },
  ...{ upstream: 'b:6379', isLinkUp: true },
};
const LEADS: ServerSeen = { ...FOLLOWS, role: 'primary', history: H2, upstream: null };

/** A node whose server lives, and what it is told. */
class Bed {
  nowMs = 0;
  readonly steps: string[] = [];
  readonly asked: string[] = [];
  answer: LeaseAnswered['answer'] | null = 'clear';
  readonly keeper: ShardKeeper;
  #leads: readonly ShardLead[] = [];
  life = 0;

  constructor(leads: readonly ShardLead[], record: Partial<DataRecord> = {}) {
    this.lead(...leads);
    const server: EventualServer = {
      start: () => undefined,
      kill: () => undefined,
      look: () => undefined,
      take: (_life, step, done) => {
        const by = step.kind === 'promote' ? ` ${step.by ?? 'as it is'}` : '';
        this.steps.push(`${step.kind}${by}`);
        done(true);
      },
      extend: () => undefined,
      disarm: () => undefined,
    };
    this.keeper = new ShardKeeper({
      id: OWN,
      nowMs: () => this.nowMs,
      run: 1,
      priority: 1,
      state: () => this.#state,
      server,
      kept: { record: { point: null, begun: null, ...record }, save: (_record, done) => done() },
      ask: ({ decision, run, serial, history }) => {
        this.asked.push(`${decision} ${history?.slice(0, 1) ?? null}`);
        const { answer } = this;
        if (answer !== null) this.keeper.answered({ decision, run, serial, answer });
      },
      note: () => undefined,
    });
    this.starts();
  }

  get #state(): ControlState {
    return { ...NOTHING_AGREED, shards: { isFounded: true, leads: this.#leads } };
  }

  lead(...leads: readonly ShardLead[]): void {
    this.#leads = leads;
  }

  starts(): void {
    this.life += 1;
    this.nowMs += 1_000;
    this.keeper.tick();
    this.keeper.up(this.life);
  }

  /** It stands so, through a round of steps and questions, `ms` later. */
  sees(seen: ServerSeen, ms = 300): void {
    for (let i = 0; i < 3; i++) {
      this.nowMs += ms / 3;
      this.keeper.tick();
      this.keeper.seen(this.life, seen);
    }
    this.keeper.tick();
  }
}

test('a replica takes over by the decision in force alone, and when that is known to be clear', () => {
  const bed = new Bed([THEIR_LEAD]);
  bed.sees(FOLLOWS);
  deepEqual(bed.steps, [], 'nothing was decided');
  bed.answer = null;
  bed.lead(TAKES_OVER);
  bed.sees(FOLLOWS);
  deepEqual([bed.steps, bed.asked.at(-1)], [[], '7 null'], 'an older lease may be alive');
  bed.answer = 'clear';
  bed.sees(FOLLOWS);
  deepEqual(bed.steps, ['promote force']);
  bed.sees(FOLLOWS, FORCE_MS);
  deepEqual(bed.steps, ['promote force', 'promote force'], 'again once the server gave it up');
});

test('what it is not known to have all of it does not take over', () => {
  const bed = new Bed([{ ...TAKES_OVER, base: H2 }]);
  bed.sees(FOLLOWS);
  deepEqual([bed.steps, bed.asked], [[], []]);
});

test('it opens when its history is agreed on, under its lease, and is shut without one', () => {
  const bed = new Bed([THEIR_LEAD]);
  bed.sees(FOLLOWS);
  bed.lead(TAKES_OVER);
  bed.sees(FOLLOWS);
  bed.sees(LEADS);
  deepEqual([...new Set(bed.steps)], ['promote force', 'promote as it is']);
  equal(bed.asked.at(-1), '7 2', 'it names the history that it began');
  equal(bed.keeper.isOpen, false);
  bed.answer = 'granted';
  bed.lead(MY_LEAD);
  bed.sees(LEADS);
  deepEqual([bed.steps.at(-1), bed.keeper.isOpen], ['open', true]);
  bed.answer = null;
  bed.sees({ ...LEADS, isShut: false }, SHUT_AFTER_MS + 300);
  equal(bed.steps.at(-1), 'shut');
});

test('whoever was replaced is shut, and only then released', () => {
  const bed = new Bed([{ ...MY_LEAD, history: H1 }]);
  bed.answer = 'granted';
  const open = { ...LEADS, history: H1 };
  bed.sees(open);
  equal(bed.steps.at(-1), 'open');
  bed.lead({ ...TAKES_OVER, decision: 9, node: OTHER, server: THEIRS });
  bed.keeper.changed();
  equal(bed.keeper.standing.released < 9, true, 'it may be open still');
  bed.sees({ ...open, isShut: false });
  equal(bed.steps.at(-1), 'shut');
  bed.sees(open);
  equal(bed.keeper.standing.released, 9);
});

test('whoever hands over takes writes until its heir has it, or its lease ends', () => {
  const bed = new Bed([{ ...MY_LEAD, history: H1 }]);
  bed.answer = 'granted';
  const open = { ...LEADS, history: H1, isShut: false };
  bed.sees({ ...open, isShut: true });
  bed.steps.length = 0;
  const former = { node: OWN, server: MINE };
  bed.lead({ ...TAKES_OVER, decision: 9, by: 'planned', node: OTHER, server: THEIRS, former });
  bed.sees(open, 150);
  deepEqual(bed.steps, []);
  bed.sees(open, SHUT_AFTER_MS);
  equal(bed.steps.at(-1), 'shut');
});

test('a primary that was started again opens by another decision, on what it is known to have', () => {
  const point = { history: H1, offset: 5 };
  const bed = new Bed([{ ...MY_LEAD, history: H1 }], { point });
  bed.answer = 'granted';
  bed.sees(LEADS);
  deepEqual([bed.steps, bed.asked], [[], []], 'its history is another now');
  bed.answer = 'clear';
  const former = { node: OWN, server: MINE };
  bed.lead({ ...TAKES_OVER, decision: 9, by: 'again', former });
  bed.sees(LEADS);
  deepEqual([bed.steps[0], bed.asked.at(-1)], ['promote as it is', '9 2']);
});

test('a server that was told to forget its cluster has nothing any more', () => {
  const bed = new Bed([THEIR_LEAD]);
  bed.sees(FOLLOWS);
  equal(bed.keeper.standing.history, H1);
  bed.sees({ ...LEADS, clusterServer: 'c'.repeat(40) });
  equal(bed.keeper.standing.history, null);
  equal(bed.keeper.serverId, 'c'.repeat(40));
});
