/** What the control leader answers to those who would be the primaries of shards, and when. */
import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { type ControlState, NOTHING_AGREED, type ShardLead } from '../../core/control/state.ts';
import { QUIET_MS } from '../../core/lease/spans.ts';
import type { Standing } from '../../core/plan/observation.ts';
import { type NodeId, nodeId } from '../../core/scalars.ts';
import { ShardLeases } from './shard-leases.ts';

const [A, B, C] = ['a', 'b', 'c'].map((name) => nodeId(`${name}@00000001`)) as [
  NodeId,
  NodeId,
  NodeId,
];
const [SA, SB, SC] = ['a', 'b', 'c'].map((letter) => letter.repeat(40)) as [string, string, string];
const [H1, H2] = ['1'.repeat(40), '2'.repeat(40)] as [string, string];
const LEADS_A: ShardLead = {
  ...{ decision: 3, node: A, server: SA, by: 'begin' },
  ...{ base: null, history: H1, former: null },
};
const LEADS_C: ShardLead = { ...LEADS_A, decision: 4, node: C, server: SC, history: H2 };
const TAKES_OVER: ShardLead = {
  ...{ decision: 7, node: B, server: SB, by: 'force' },
  ...{ base: H1, history: null, former: { node: A, server: SA } },
};
const RELEASED: Standing = {
  ...{ history: null, offset: 0, isExact: true, isUp: true, priority: 1 },
  released: 7,
};

/** A control leader since long ago, who has just granted both primaries a lease. */
class Bed {
  nowMs = 10_000;
  isFounded = true;
  leads: readonly ShardLead[] = [LEADS_A, LEADS_C];
  readonly told: string[] = [];
  readonly leases: ShardLeases;
  #serial = 0;

  constructor() {
    const bed = this;
    this.leases = new ShardLeases({
      group: {
        isCurrent: true,
        get state(): ControlState {
          return { ...NOTHING_AGREED, shards: { isFounded: bed.isFounded, leads: bed.leads } };
        },
        ...{ appliedIndex: 9, committedIndex: 9, nextRound: 1, confirmedRound: 1 },
        wantRound: () => undefined,
        propose: (command, done) => {
          if (command.kind !== 'opened') return;
          const { decision, history } = command;
          bed.leads = bed.leads.map((lead) =>
            lead.decision === decision ? { ...lead, history } : lead,
          );
          done({ ok: true, text: '' });
        },
      },
      nowMs: () => this.nowMs,
      wallMs: () => 1,
      answer: (to, { decision, answer }) =>
        this.told.push(`${to.slice(0, 1)} ${decision} ${answer}`),
    });
    this.ask(A, 3, H1);
    this.ask(C, 4, H2);
    this.told.length = 0;
  }

  ask(from: NodeId, decision: number, history: string | null): void {
    this.#serial += 1;
    const asked = { decision, run: 1, serial: this.#serial, history, from: null, offset: 0 };
    this.leases.asked(from, asked);
  }
}

test('each primary that is in force gets its lease, and nobody else', () => {
  const bed = new Bed();
  bed.ask(A, 3, H1);
  bed.ask(C, 4, H2);
  bed.ask(C, 3, H1);
  bed.ask(A, 3, H2);
  bed.leads = [LEADS_C, TAKES_OVER];
  bed.ask(A, 3, H1);
  deepEqual(bed.told, ['a 3 granted', 'c 4 granted']);
});

test('an heir is told that it may when the lease that it follows is over, or given back', () => {
  const bed = new Bed();
  bed.leads = [LEADS_C, TAKES_OVER];
  bed.nowMs += QUIET_MS - 1;
  bed.ask(B, 7, null);
  deepEqual(bed.told, []);
  bed.nowMs += 1;
  bed.ask(B, 7, null);
  deepEqual(bed.told, ['b 7 clear']);
  const told = new Bed();
  told.leads = [LEADS_C, TAKES_OVER];
  told.leases.reported(A, RELEASED);
  told.ask(B, 7, null);
  deepEqual(told.told, ['b 7 clear']);
});

test('its history is agreed on before it is granted anything, and not before slots are given', () => {
  const bed = new Bed();
  bed.leads = [LEADS_C, TAKES_OVER];
  bed.leases.reported(A, RELEASED);
  bed.isFounded = false;
  bed.ask(B, 7, H2);
  deepEqual(bed.told, []);
  bed.isFounded = true;
  bed.ask(B, 7, H2);
  deepEqual([bed.told, bed.leads[1]?.history], [['b 7 granted'], H2]);
});

test('a planned heir waits for no lease: its primary keeps all writes waiting for it', () => {
  const bed = new Bed();
  bed.leads = [LEADS_C, { ...TAKES_OVER, by: 'planned' }];
  bed.ask(B, 7, null);
  deepEqual(bed.told, ['b 7 clear']);
});

test('a primary is fenced when neither it nor whoever it followed can hold a lease', () => {
  const bed = new Bed();
  equal(bed.leases.isFenced(SA), false);
  bed.nowMs += QUIET_MS;
  equal(bed.leases.isFenced(SA), true);
  bed.ask(A, 3, H1);
  bed.leads = [LEADS_C, TAKES_OVER];
  equal(bed.leases.isFenced(SB), false, 'it has not opened, and another may be open');
  equal(bed.leases.isFenced(SC), true);
});
