/**
 * What the control leader does about the servers of a cluster, round by round: it looks at all of
 * them, plans, has agreed on what must be agreed on first, and carries out the rest.
 *
 * Nothing is remembered between two rounds but what was agreed on and what servers say, so whoever
 * leads next goes on. Slots move beside the rounds, a piece at a time: a shard in trouble ends that
 * between two windows.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { slotsToCount } from '../core/cluster/fix.ts';
import type { ClusterNodeId } from '../core/cluster/nodes-text.ts';
import { nodeOf, type Observation, primariesOf, slotsOfNode } from '../core/cluster/observation.ts';
import { SLOTS_ALL, type Slot } from '../core/cluster/slots.ts';
import type { Step } from '../core/cluster/steps.ts';
import type { Command } from '../core/control/command.ts';
import { type ControlState, isWitness } from '../core/control/state.ts';
import type { Standing } from '../core/plan/observation.ts';
import { troubleOf } from '../core/plan/sharded/failovers.ts';
import { planSharded } from '../core/plan/sharded/plan.ts';
import { type Situation, situationOf } from '../core/plan/sharded/situation.ts';
import type { Memory, ShardedAction, ShardedPlan } from '../core/plan/sharded/wish.ts';
import type { NodeId } from '../core/scalars.ts';
import { endpointOf } from '../doors/topology.ts';
import type { Access, Address } from '../io/cluster/connection.ts';
import { Connections } from '../io/cluster/connections.ts';
import { ClusterError } from '../io/cluster/errors.ts';
import type { MoveLimits } from '../io/cluster/key-mover.ts';
import { countKeys, lookAtAll, memoryOf } from '../io/cluster/observe.ts';
import { Performer } from '../io/cluster/perform.ts';
import { SlotMover } from '../io/cluster/slot-mover.ts';
import type { ControlGroup } from './control/control-group.ts';
import { type Journal, timeForPeopleMs } from './journal.ts';
import { monotonicMs } from './monotonic.ts';
import { type LeadsInput, nextLeads } from './sharded/next-leads.ts';
import { type Looked, spareServers, Watch, wishOf } from './sharded/outlook.ts';
import type { ShardLeases } from './sharded/shard-leases.ts';
import { type ShardsTold, shardsTold } from './sharded/shards-told.ts';

/** From the end of a round to the next: a failover has three or four. */
const ROUND_EVERY_MS = 100;
/** A server that answers no look for so long is gone, as far as this round goes. */
const LOOK_MS_MAX = 1_000;
/** Of what is done: a server may be busy with what it was told before. */
const CALL_MS_MAX = 5_000;
/** As the tools have it. */
const MOVE_LIMITS: MoveLimits = {
  keysMax: 1_000,
  keysPerSecond: null,
  keyBytesMax: 64 * 1024 * 1024,
  migrateMsMax: 60_000,
  // Two values of one key are nobody's to choose between: both stay, and it is told.
  replace: false,
};

export interface ShardedDriverOptions {
  readonly group: ControlGroup;
  readonly leases: Pick<ShardLeases, 'isFenced'>;
  /** To all servers of the deployment. */
  readonly access: () => Omit<Access, 'callMsMax'>;
  /** Where clients find a node. */
  readonly addressOf: (node: NodeId) => string;
  /** Fresh ones. */
  readonly standings: () => ReadonlyMap<NodeId, Standing>;
  readonly journal: Journal;
  readonly fatal: (error: Error) => void;
}

/** What moves slots just now. */
export interface Progress {
  readonly slots: number;
  readonly keys: number;
  /** Since when, on the monotonic clock, ms. */
  readonly sinceMs: number;
}

interface Work {
  readonly stop: AbortController;
}

export class ShardedDriver {
  readonly #o: ShardedDriverOptions;
  readonly #watch = new Watch(monotonicMs);
  readonly #stop = new AbortController();
  #looks: Connections | null = null;
  #calls: Connections | null = null;
  #work: Work | null = null;
  /** Who led which shard when keys were looked for last where they should not be. */
  #countedFor = '';
  #told = '';
  /** Of the last round; null while another node leads. */
  last: { readonly plan: ShardedPlan; readonly situation: Situation } | null = null;
  /** Members that leave, whose servers hold nothing any more. */
  spare: ReadonlySet<NodeId> = new Set();
  /** What people should know; null while another node leads. */
  told: ShardsTold | null = null;
  #progress: Progress | null = null;

  constructor(options: ShardedDriverOptions) {
    this.#o = options;
    this.#run().catch((error: Error) => options.fatal(error));
  }

  /** It leads the control group from now on. */
  begin(): void {
    this.#watch.begin();
    this.#countedFor = '';
  }

  stop(): void {
    this.#stop.abort();
    this.#work?.stop.abort();
  }

  /** What is decided about leads is decided from this; null while another node leads. */
  get input(): LeadsInput | null {
    const { last } = this;
    const { group } = this.#o;
    if (last === null || !group.isCurrent) return null;
    return {
      state: group.state,
      situation: last.situation,
      actions: last.plan.actions,
      ageMs: (lead) => this.#watch.ageMs(lead),
      atMs: timeForPeopleMs(),
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (this.#o.group.isCurrent && this.#o.group.state.spec !== null) await this.#round();
      else this.#rest();
      await sleep(ROUND_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
    await this.#close();
  }

  /** Somebody else leads, or nobody. */
  #rest(): void {
    this.last = null;
    this.told = null;
    this.spare = new Set();
    this.#work?.stop.abort();
  }

  async #close(): Promise<void> {
    await this.#looks?.close();
    await this.#calls?.close();
  }

  async #round(): Promise<void> {
    const { group } = this.#o;
    const looked = await this.#look(group.state);
    if (!group.isCurrent || this.#stop.signal.aborted) return;
    const { state } = group;
    const { leases, standings } = this.#o;
    const seen = this.#watch.seen(state, looked, standings(), (id) => leases.isFenced(id));
    const wish = wishOf(state);
    const situation = situationOf(wish, seen);
    const plan = planSharded(wish, seen);
    this.last = { plan, situation };
    this.spare = spareServers(state, looked.cluster);
    const isUrgent = situation.shards.some((shard) => troubleOf(situation, shard) !== null);
    if (isUrgent) this.#work?.stop.abort();
    this.#tell(plan, situation, this.#work === null || isUrgent);
    const { input } = this;
    const commands = input === null ? [] : nextLeads(input);
    if (commands.length > 0) await this.#propose(commands);
    else if (this.#work === null) this.#begin(plan.actions, situation);
  }

  async #look(state: ControlState): Promise<Looked> {
    const looks = this.#connections('looks');
    const cluster = await lookAtAll(looks, this.#addresses(state));
    const memory = new Map<ClusterNodeId, Memory>();
    await Promise.all(
      primariesOf(cluster).map(async (node) => {
        const found = await answered(looks.to(node).then((connection) => memoryOf(connection)));
        if (found !== null) memory.set(node.id, found);
      }),
    );
    const strays = await this.#strays(state, cluster);
    const toCount = this.#work === null ? [...slotsToCount(cluster), ...strays] : [];
    const counts = await this.#counts(cluster, toCount);
    const keys = (id: ClusterNodeId, slot: Slot): number => counts.get(id)?.get(slot) ?? 0;
    return { cluster, keys, strays, memory };
  }

  #addresses(state: ControlState): Address[] {
    return state.members
      .filter(({ facts }) => !isWitness(facts) && facts.clusterServer !== undefined)
      .flatMap(({ node }) => endpointOf(this.#o.addressOf(node)) ?? []);
  }

  /** Who took over from both ends of a move knows of none: after it all slots are counted once. */
  async #strays(state: ControlState, cluster: Observation): Promise<Slot[]> {
    const leads = state.shards?.leads ?? [];
    const counted = leads.map(({ decision }) => decision).join(' ');
    const isCalm = leads.length > 0 && leads.every(({ history }) => history !== null);
    if (!isCalm || this.#work !== null || counted === this.#countedFor) return [];
    const all = Array.from({ length: SLOTS_ALL }, (_, slot) => slot);
    const strays = new Set<Slot>();
    for (const node of primariesOf(cluster)) {
      const own = new Set(slotsOfNode(node));
      const foreign = node.keys === 0 ? [] : all.filter((slot) => !own.has(slot));
      const counts = await this.#counts({ nodes: [node], missing: [] }, foreign);
      for (const [slot, keys] of counts.get(node.id) ?? []) if (keys > 0) strays.add(slot);
    }
    if (strays.size === 0) this.#countedFor = counted;
    return [...strays].sort((a, b) => a - b);
  }

  async #counts(cluster: Observation, slots: readonly Slot[]) {
    const counts = new Map<ClusterNodeId, ReadonlyMap<Slot, number>>();
    const keepers = primariesOf(cluster).filter(({ keys }) => keys > 0 && slots.length > 0);
    const calls = this.#connections('calls');
    await Promise.all(
      keepers.map(async (node) => {
        const found = await answered(calls.to(node).then((to) => countKeys(to, slots)));
        if (found !== null) counts.set(node.id, found);
      }),
    );
    return counts;
  }

  async #propose(commands: readonly Command[]): Promise<void> {
    const { group, journal } = this.#o;
    for (const command of commands) {
      const answer = await new Promise<{ ok: boolean; text: string }>((resolve) =>
        group.propose(command, resolve),
      );
      const facts = { what: command.kind, outcome: answer.text };
      journal[answer.ok ? 'info' : 'warn']('shards.agreed', facts);
    }
  }

  #begin(actions: readonly ShardedAction[], situation: Situation): void {
    // That all agree is looked for at the beginning of each round.
    const steps = actions.flatMap(({ step }) =>
      step.kind === 'failover' || step.kind === 'agree' ? [] : withFunctions(step, situation),
    );
    if (steps.length === 0) this.#progress = null;
    if (steps.length === 0 || !steps.every((step) => this.#mayBeDone(step))) return;
    const stop = new AbortController();
    const isMove = steps.some(({ kind }) => kind === 'move');
    const work = { stop };
    this.#work = work;
    this.#progress = isMove ? (this.#progress ?? nothingMoved()) : null;
    for (const { step, why } of actions)
      this.#o.journal.info('shards.step', { what: step.kind, why });
    this.#perform(steps, situation, stop.signal)
      .catch((error: unknown) => {
        if (!(error instanceof ClusterError)) throw error;
        this.#o.journal.warn('shards.stepFailed', { error });
      })
      .finally(() => {
        if (this.#work === work) this.#work = null;
      })
      .catch((error: Error) => this.#o.fatal(error));
  }

  /** Keys move between servers that are open only: one that is shut takes none. */
  #mayBeDone(step: Step): boolean {
    if (step.kind !== 'move') return true;
    const leads = this.#o.group.state.shards?.leads ?? [];
    return [step.from, step.to].every((id) =>
      leads.some(({ server, history }) => server === id && history !== null),
    );
  }

  async #perform(steps: readonly Step[], { seen }: Situation, signal: AbortSignal): Promise<void> {
    const [entry] = seen.cluster.nodes;
    if (entry === undefined) return;
    const calls = this.#connections('calls');
    const mover = new SlotMover(calls, MOVE_LIMITS, ({ slots, keys }) => {
      const progress = this.#progress;
      if (progress === null) return;
      this.#progress = {
        ...progress,
        slots: progress.slots + slots,
        keys: progress.keys + keys,
      };
    });
    await new Performer(calls, mover, seen.cluster, entry).perform(steps, signal);
    for (const why of mover.left) this.#o.journal.warn('shards.slotStays', { why });
  }

  #connections(of: 'looks' | 'calls'): Connections {
    if (of === 'looks') {
      this.#looks ??= new Connections({ ...this.#o.access(), callMsMax: LOOK_MS_MAX });
      return this.#looks;
    }
    this.#calls ??= new Connections({ ...this.#o.access(), callMsMax: CALL_MS_MAX });
    return this.#calls;
  }

  /**
   * In the journal once, and again when it is another. While slots are open for a move, what is
   * planned says nothing of how things are: then what was before still counts.
   */
  #tell(plan: ShardedPlan, situation: Situation, isWhole: boolean): void {
    const { waits, problems } = isWhole || this.told === null ? plan : this.told;
    const now = this.#progress;
    const ms = now === null ? 0 : Math.round(monotonicMs() - now.sinceMs);
    const slotsLeft = slotsToMove(situation);
    const progress = now === null ? null : { slots: now.slots, keys: now.keys, ms, slotsLeft };
    this.told = shardsTold({ waits, problems, progress });
    const told = JSON.stringify([waits, problems]);
    if (told === this.#told) return;
    this.#told = told;
    this.#o.journal.info('shards.plan', { waits, problems: problems.map(({ text }) => text) });
  }
}

/** Who gets its first slots has the functions of whoever gives them. */
function withFunctions(step: Step, { cluster }: Situation): Step[] {
  const target = step.kind === 'move' ? nodeOf(cluster, step.to) : null;
  if (step.kind !== 'move' || target === null || target.self.slots.length > 0) return [step];
  return [{ kind: 'copy-functions', from: step.from, to: step.to }, step];
}

/** By how far primaries that there are lie below their shares. */
function slotsToMove({ shards, wish }: Situation): number {
  const share = SLOTS_ALL / Math.max(1, wish.shards);
  const kept = shards.toSorted((a, b) => b.slots - a.slots).slice(0, wish.shards);
  return Math.round(
    wish.shards > shards.length
      ? kept.reduce((sum, { slots }) => sum + Math.max(0, slots - share), 0)
      : kept.reduce((sum, { slots }) => sum + Math.max(0, share - slots), 0),
  );
}

function nothingMoved(): Progress {
  return { slots: 0, keys: 0, sinceMs: monotonicMs() };
}

/** Null where the server let us down: it is looked at again in the next round. */
async function answered<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ClusterError) return null;
    throw error;
  }
}
