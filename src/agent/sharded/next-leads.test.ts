import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { specFounded } from '../../core/control/spec.ts';
import {
  type ControlState,
  NOTHING_AGREED,
  type ShardLead,
  UNSEEN,
} from '../../core/control/state.ts';
import { FORCE_MS } from '../../core/plan/sharded/failovers.ts';
import { planSharded } from '../../core/plan/sharded/plan.ts';
import { situationOf } from '../../core/plan/sharded/situation.ts';
import { seenOf } from '../../core/plan/sharded/trial-seen.ts';
import { TrialSharded } from '../../core/plan/sharded/trial-sharded.ts';
import type { ShardedSeen } from '../../core/plan/sharded/wish.ts';
import { handOverOf, type LeadsInput, nextLeads } from './next-leads.ts';
import { historiesOf, spareServers, wishOf } from './outlook.ts';

/** Six servers, and what is agreed on about them. */
class Bed {
  readonly trial = new TrialSharded();
  leads: ShardLead[] = [];
  isFounded = true;
  ages = 0;
  shards = 2;
  #decision = 0;

  constructor() {
    for (const name of ['a', 'b', 'c', 'd']) this.trial.join(name);
  }

  id(name: string): string {
    return this.trial.of(name).id;
  }

  get state(): ControlState {
    const eventual = { maxLostBytes: null, minReplicasToWrite: 0, shards: this.shards };
    const members = [...this.trial.members.values()].map(({ node, server, isLeaving }) => ({
      node,
      facts: { ...UNSEEN, clientAddress: `${node}:1`, clusterServer: server ?? '' },
      leaving: isLeaving ? ({ by: 'order', why: '', since: 1 } as const) : null,
    }));
    return {
      ...{ ...NOTHING_AGREED, members },
      spec: specFounded(4, null, { eventual, replicas: 1 }),
      shards: { isFounded: this.isFounded, leads: this.leads },
    };
  }

  input(others: Partial<ShardedSeen> = {}): LeadsInput {
    const { state } = this;
    const seen = seenOf(this.trial, { histories: historiesOf(state), ...others });
    const { actions } = planSharded(wishOf(state), seen);
    const situation = situationOf(wishOf(state), seen);
    return { state, situation, actions, ageMs: () => this.ages, atMs: 1 };
  }

  /** Until the planner has nothing to do; leads are agreed on, and open at once. */
  settle(): void {
    for (let round = 0; round < 400; round++) {
      const input = this.input();
      const commands = nextLeads(input);
      for (const command of commands) {
        if (command.kind === 'slotsGiven') this.isFounded = true;
        if (command.kind === 'endLead')
          this.leads = this.leads.filter(({ decision }) => decision !== command.decision);
        if (command.kind === 'lead') this.agree(command.server, command.by, command.basis);
      }
      if (commands.length > 0) continue;
      this.#open();
      if (input.actions.length === 0) return;
      for (const { step } of input.actions) for (const _ of this.trial.perform(step));
      this.trial.settle();
    }
    throw new Error('no end');
  }

  agree(server: string, by: ShardLead['by'], basis: number): void {
    const before = this.leads.find(({ decision }) => decision === basis) ?? null;
    const member = [...this.trial.members.values()].find((each) => each.server === server);
    if (member === undefined) throw new Error('no member');
    this.leads = this.leads.filter((lead) => lead !== before);
    this.leads.push({
      ...{ decision: ++this.#decision, node: member.node, server, by, history: null },
      base: before?.history ?? before?.base ?? null,
      former: before === null ? null : { node: before.node, server: before.server },
    });
  }

  #open(): void {
    this.leads = this.leads.map((lead) => {
      const { isUp, standing } = this.trial.server(lead.server);
      return isUp && standing.history !== null ? { ...lead, history: standing.history } : lead;
    });
  }

  kinds(others: Partial<ShardedSeen> = {}): string[] {
    return nextLeads(this.input(others)).map((command) => {
      if (command.kind !== 'lead') return command.kind;
      const { name } = this.trial.server(command.server);
      return `${command.kind} ${name} ${command.by} ${command.basis}`;
    });
  }

  leader(): ShardLead {
    return this.leads[0] as ShardLead;
  }
}

function founded(): Bed {
  const bed = new Bed();
  bed.isFounded = false;
  bed.settle();
  return bed;
}

test('who is to have the first slots is agreed on before, and that they were given after', () => {
  const bed = founded();
  equal(bed.isFounded, true);
  deepEqual(
    bed.leads.map(({ by }) => by),
    ['begin', 'begin'],
  );
  deepEqual(bed.kinds(), []);
});

test('a failover is agreed on once, with more force when it comes to nothing', () => {
  const bed = founded();
  const lead = bed.leader();
  const former = bed.trial.server(lead.server);
  former.isUp = false;
  const [told = ''] = bed.kinds();
  const [, heir = '', by] = told.split(' ');
  deepEqual([by, bed.kinds().length], ['takeover', 1]);
  bed.agree(bed.id(heir), 'takeover', lead.decision);
  deepEqual(bed.kinds(), [], 'it is under way');
  bed.ages = FORCE_MS;
  equal(bed.kinds().length, 1, 'it has come to nothing');
});

test('nothing is agreed on while a lease may be alive', () => {
  const bed = founded();
  bed.trial.server(bed.leader().server).isUp = false;
  deepEqual(bed.kinds({ isFenced: () => false }), []);
});

test('who has slots leads by no decision that was not taken, unless its lead follows it', () => {
  const bed = founded();
  const lead = bed.leader();
  const { name } = bed.trial.server(lead.server);
  const others = bed.leads.filter((each) => each !== lead);
  bed.leads = others;
  deepEqual(bed.kinds(), [], 'it may have been replaced long ago');
  const replica = bed.trial.up().find(({ primary }) => primary === lead.server);
  const node = bed.trial.members.get(replica?.name ?? '')?.node ?? lead.node;
  bed.leads = [...others, { ...lead, node, server: replica?.id ?? '' }];
  deepEqual(bed.kinds(), [`lead ${name} again ${lead.decision}`]);
  const former = { node: lead.node, server: lead.server };
  bed.leads = [...others, { ...lead, node, server: replica?.id ?? '', former }];
  deepEqual(bed.kinds(), [], 'it was replaced just now');
});

test('a hand-over of which nothing comes is taken back', () => {
  const bed = founded();
  const { server, node, decision } = bed.leader();
  const command = handOverOf(bed.input(), node, null, 'it stops');
  if (command?.kind !== 'lead') throw new Error('nobody takes over');
  equal(command.by, 'planned');
  bed.agree(command.server, 'planned', decision);
  deepEqual(bed.kinds(), []);
  bed.ages = 2_000;
  const next = bed.leads.find((lead) => lead.server === command.server);
  deepEqual(bed.kinds(), [`lead ${bed.trial.server(server).name} again ${next?.decision}`]);
});

test('who leaves is drained, leads nothing in the end, and is spare then', () => {
  const bed = founded();
  const { server } = bed.leader();
  const { name } = bed.trial.server(server);
  const member = bed.trial.members.get(name);
  if (member === undefined) throw new Error('no member');
  member.isLeaving = true;
  const spare = () => [...spareServers(bed.state, bed.input().situation.seen.cluster)];
  deepEqual(spare(), []);
  bed.shards = 2;
  bed.settle();
  deepEqual(spare(), [member.node]);
  equal(
    bed.leads.some(({ node }) => node === member.node),
    false,
  );
});
