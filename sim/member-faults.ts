/**
 * Members that come and go while everything else breaks: learners, promotions, removals, all but
 * one, and an island of the old leader that tries to remove the others.
 *
 * Every third seed has them, by chance of their own, so that the others are what they were. Nothing
 * is asked for after which the nodes that are not lost could form no majority: nobody could ask for
 * progress then. A stale decision is named now and then, which must be refused (H10).
 */
import { changed, isMember } from '../src/core/raft/configuration.ts';
import type { Configuration, MemberChange } from '../src/core/raft/protocol.ts';
import type { NodeId } from '../src/core/scalars.ts';
import type { Configurations } from './configurations.ts';
import type { Host } from './host.ts';
import type { Network } from './network.ts';
import type { Chance, Timeline } from './time.ts';

const ON_PERMILLE = 333;
const KINDS = [
  'add',
  'add',
  'promote',
  'promote',
  'promote',
  'remove',
  'allButOne',
  'island',
] as const;
const GAP_MAX_US = 150_000;
/** Between the orders of one plan. */
const STEP_MAX_US = 60_000;
const ISLAND_MAX_US = 2_000_000;
const NEW_HOSTS_MAX = 3;
const STALE_PERMILLE = 100;
const LEAVE_PERMILLE = 500;

interface Promotion {
  readonly node: NodeId;
  readonly isPending: () => boolean;
}

export interface MemberTargets {
  readonly network: Network<unknown>;
  readonly configurations: Configurations;
  members(): readonly Host[];
  /** A machine with an empty disk, which nobody feeds before it is a learner. */
  newHost(name: string): Host;
  leaderHost(): string | null;
  isWitness(id: NodeId): boolean;
}

export class MemberFaults {
  readonly #targets: MemberTargets;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #note: (what: string) => void;
  readonly #isOn: boolean;
  /** Nodes that never come back under their ids. */
  readonly #lost = new Set<NodeId>();
  /** Asked for, and may still be appended. */
  #promotions: Promotion[] = [];
  #decision = 0;
  readonly #newHosts: string[] = [];
  #isOver = false;

  constructor(
    targets: MemberTargets,
    timeline: Timeline,
    chance: Chance,
    note: (what: string) => void,
  ) {
    this.#targets = targets;
    this.#timeline = timeline;
    this.#chance = chance;
    this.#note = note;
    this.#isOn = chance.permille(ON_PERMILLE);
  }

  begin(): void {
    if (this.#isOn) this.#next();
  }

  stop(): void {
    this.#isOver = true;
  }

  /** Who was removed is told of no more, nor is a new machine that nobody has added yet. */
  isCopy(host: Host): boolean {
    const isNew = this.#newHosts.includes(host.name);
    return !host.isVoter && !isNew && !this.#targets.configurations.wasRemoved(host.id);
  }

  /** By the log or by a hint: it gets everything. */
  isFed(host: Host): boolean {
    return this.isCopy(host) || isMember(this.#targets.configurations.agreed, host.id);
  }

  /** Whether every configuration that may come to be in force has a majority without it. */
  mayLose(id: NodeId): boolean {
    if (this.#lost.has(id)) return true;
    const { possible } = this.#targets.configurations;
    this.#promotions = this.#promotions.filter(({ isPending }) => isPending());
    const coming = possible.flatMap((each) =>
      this.#promotions.map(({ node }) => changed(each, { kind: 'promote', node }, 0)),
    );
    const isSafe = [...possible, ...coming].every((each) => this.#isAlive(each, id));
    if (isSafe) this.#lost.add(id);
    return isSafe;
  }

  #isAlive({ voters }: Configuration, without: NodeId | null = null): boolean {
    const left = voters.filter((voter) => voter !== without && !this.#lost.has(voter));
    const canServe = left.some((voter) => !this.#targets.isWitness(voter));
    return canServe && left.length > voters.length / 2;
  }

  #next(): void {
    this.#timeline.after(this.#chance.between(1_000, GAP_MAX_US), () => {
      if (this.#isOver) return;
      this.#change(this.#chance.pick(KINDS));
      this.#next();
    });
  }

  #change(kind: (typeof KINDS)[number]): void {
    const leader = this.#leader();
    if (leader === null) return;
    const { voters, learners } = this.#targets.configurations.agreed;
    switch (kind) {
      case 'add':
        this.#order(leader, { kind: 'addLearner', node: this.#newcomer().id });
        return;
      case 'promote':
        if (learners.length > 0)
          this.#order(leader, { kind: 'promote', node: this.#chance.pick(learners) });
        return;
      case 'remove':
        this.#order(leader, { kind: 'remove', node: this.#chance.pick([...voters, ...learners]) });
        return;
      case 'allButOne':
        this.#removeOthers(this.#chance.pick(voters), voters.length + learners.length);
        return;
      case 'island':
        this.#island(leader);
        return;
    }
  }

  /** One after the other, by whoever leads; what is refused is left out. */
  #removeOthers(survivor: NodeId, times: number): void {
    const { voters, learners } = this.#targets.configurations.agreed;
    const others = [...voters, ...learners].filter((id) => id !== survivor);
    const leader = this.#leader();
    if (this.#isOver || times === 0 || others.length === 0) return;
    if (leader !== null) this.#order(leader, { kind: 'remove', node: this.#chance.pick(others) });
    this.#timeline.after(this.#chance.between(1_000, STEP_MAX_US), () =>
      this.#removeOthers(survivor, times - 1),
    );
  }

  /** Hears nobody and does not know it yet. */
  #island(leader: Host): void {
    const { network, configurations } = this.#targets;
    this.#note(`island of ${leader.name}`);
    for (const { name } of this.#targets.members()) network.cutBoth(leader.name, name);
    this.#timeline.after(this.#chance.between(STEP_MAX_US, ISLAND_MAX_US), () => network.heal());
    for (const node of this.#chance.shuffled(configurations.agreed.voters))
      this.#timeline.after(this.#chance.between(0, STEP_MAX_US), () => {
        if (!this.#isOver && node !== leader.id) this.#order(leader, { kind: 'remove', node });
      });
  }

  #leader(): Host | null {
    const name = this.#targets.leaderHost();
    return this.#targets.members().find((host) => host.name === name) ?? null;
  }

  /** A copy, somebody who was removed, a node in an emptied directory, or a new machine. */
  #newcomer(): Host {
    const { configurations, members, newHost } = this.#targets;
    const { voters, learners } = configurations.agreed;
    const others = members().filter(({ id }) => !voters.includes(id) && !learners.includes(id));
    const pick = this.#chance.below(others.length + 1);
    const known = others[pick];
    if (known !== undefined || this.#newHosts.length === NEW_HOSTS_MAX)
      return known ?? this.#chance.pick(members());
    const name = `m${this.#newHosts.length + 1}`;
    this.#newHosts.push(name);
    return newHost(name);
  }

  #order(host: Host, change: MemberChange): void {
    const isStale = this.#chance.permille(STALE_PERMILLE);
    if (!isStale) this.#decision += 1;
    const decision = isStale ? Math.max(0, this.#decision - 3) : this.#decision;
    const leaderMayLeave = this.#chance.permille(LEAVE_PERMILLE);
    host.enter('orders', (life) => {
      const { group } = life;
      const { raft } = group;
      const { node, kind } = change;
      const wanted = changed(raft.configuration, change, 0);
      if (this.#isOver || wanted.voters.length === 0 || !this.#isAlive(wanted)) return;
      if (kind === 'promote' && this.#lost.has(node)) return;
      this.#note(`${host.name} is to ${kind} ${node} by decision ${decision}`);
      let isAsked = true;
      const isPending = () => isAsked && host.life === life;
      if (kind === 'promote') this.#promotions.push({ node, isPending });
      group.changeMembers(change, { decision, leaderMayLeave }, (ok, why) => {
        isAsked = false;
        this.#note(`${host.name} ${ok ? 'did' : 'did not'} ${kind} ${node}: ${why}`);
      });
    });
  }
}
