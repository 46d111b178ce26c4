/**
 * Servers of a cluster for tests of the planner: what they do with its steps, without time and
 * sockets. A refused step fails the test: the planner knew better. Gossip, links and bans pass when
 * the test says so, and a step may be cut short between any two of its commands.
 */
import { assert } from '../../../assert.ts';
import type { ClusterNodeId } from '../../cluster/nodes-text.ts';
import { SLOTS_ALL, type Slot } from '../../cluster/slots.ts';
import type { Step } from '../../cluster/steps.ts';
import { nodeId } from '../../scalars.ts';
import type { Standing } from '../observation.ts';
import { areLinked, follow, gossip } from './trial-gossip.ts';
import type { Failover, ShardedMember } from './wish.ts';

const NOBODY = -1;

export interface TrialServer {
  readonly id: ClusterNodeId;
  /** Stands for its id where slots are. */
  readonly number: number;
  /** Of its member. */
  readonly name: string;
  readonly host: string;
  readonly zone: string;
  /** Another one after it has moved. */
  port: number;
  isUp: boolean;
  primary: ClusterNodeId | null;
  epoch: number;
  /** Others, by the port where it last found them. */
  readonly knows: Map<ClusterNodeId, number>;
  readonly bans: Set<ClusterNodeId>;
  /** By slot the number of its owner, in this server's view. */
  readonly owners: Int16Array;
  readonly migrating: Map<Slot, ClusterNodeId>;
  readonly importing: Map<Slot, ClusterNodeId>;
  keys: Map<Slot, Set<string>>;
  isLinked: boolean;
  standing: Standing;
}

type Member = { -readonly [Field in keyof ShardedMember]: ShardedMember[Field] };

export class TrialSharded {
  readonly servers = new Map<ClusterNodeId, TrialServer>();
  readonly members = new Map<string, Member>();
  readonly histories = new Map<ClusterNodeId, string>();
  /** Of a primary that was deposed the one that was put in its place. */
  readonly tookOver = new Map<ClusterNodeId, ClusterNodeId>();
  readonly #byNumber: TrialServer[] = [];
  #made = 0;

  /** A new member with an empty server. */
  join(name: string, host = name, zone = '', weight = 1): TrialServer {
    const node = nodeId(`${name}@00000001`);
    this.members.set(name, { node, server: null, host, zone, weight, isLeaving: false });
    return this.wipe(name);
  }

  /** The member's server begins anew, under another id; of the former one only others know. */
  wipe(name: string): TrialServer {
    const member = this.members.get(name);
    assert(member !== undefined, 'a member is wiped');
    const former = this.servers.get(member.server ?? '');
    if (former !== undefined) former.isUp = false;
    const made = this.#made++;
    const id = `${name}${made}x`.padEnd(40, '0');
    const server: TrialServer = {
      ...{ id, name, number: made, host: member.host, zone: member.zone, port: 7_000 + made },
      ...{ isUp: true, primary: null, epoch: 0, isLinked: true },
      knows: new Map(),
      bans: new Set(),
      owners: new Int16Array(SLOTS_ALL).fill(NOBODY),
      migrating: new Map(),
      importing: new Map(),
      keys: new Map(),
      standing: { ...NOTHING_HELD },
    };
    this.servers.set(id, server);
    this.#byNumber[made] = server;
    member.server = id;
    return server;
  }

  /** Of a member the server that it has now. */
  of(name: string): TrialServer {
    return this.server(this.members.get(name)?.server ?? '');
  }

  server(id: ClusterNodeId): TrialServer {
    const server = this.servers.get(id);
    assert(server !== undefined, `there is a server ${id}`);
    return server;
  }

  up(): TrialServer[] {
    return [...this.servers.values()].filter(({ isUp }) => isUp);
  }

  ownedBy({ owners, number }: TrialServer): Slot[] {
    const slots: Slot[] = [];
    for (let slot = 0; slot < SLOTS_ALL; slot++) if (owners[slot] === number) slots.push(slot);
    return slots;
  }

  /** Servers that are up and say that the slot is theirs. */
  claimants(slot: Slot): TrialServer[] {
    return this.up().filter(
      ({ owners, number, primary }) => primary === null && owners[slot] === number,
    );
  }

  /** Its one owner takes a key, and gives it to its replicas that are level. */
  write(slot: Slot, key: string): boolean {
    const [owner, another] = this.claimants(slot);
    if (owner === undefined || another !== undefined || !owner.standing.isExact) return false;
    // Who gives a slot away sends on whoever asks for what it does not have.
    const taker = owner.migrating.get(slot);
    const holder = taker === undefined ? owner : this.server(taker);
    if (!holder.isUp) return false;
    this.#count(holder);
    for (const one of [holder, ...this.#level(holder)]) {
      one.keys.set(slot, (one.keys.get(slot) ?? new Set()).add(key));
      one.standing = { ...holder.standing };
    }
    return true;
  }

  /** It goes on with what it has, under a history of its own. */
  reopen(node: TrialServer): void {
    node.standing = { ...node.standing, history: this.#newHistory(), isExact: true };
    this.#count(node);
  }

  /** One history for each reign. */
  #count(primary: TrialServer): void {
    const { standing, id } = primary;
    const history = standing.history ?? this.#newHistory();
    primary.standing = { ...standing, history, offset: standing.offset + 1, isExact: true };
    this.histories.set(id, history);
  }

  #newHistory(): string {
    return (this.#made++).toString(16).padStart(40, '0');
  }

  #level({ id }: TrialServer): TrialServer[] {
    return this.up().filter(({ primary, isLinked }) => primary === id && isLinked);
  }

  /** What is done by one step, one command after the other. */
  *perform(step: Step | Failover): Generator<void> {
    switch (step.kind) {
      case 'meet':
        return yield this.#meet(this.server(step.node), this.server(step.other));
      case 'agree':
        return yield this.settle();
      case 'set-epoch': {
        const node = this.server(step.node);
        assert(node.knows.size === 0 && node.epoch === 0, 'an epoch is given to a lone new node');
        node.epoch = step.epoch;
        return yield;
      }
      case 'add-slots':
      case 'claim':
        return yield this.#take(this.server(step.node), step.slots, step.kind === 'claim');
      case 'replicate':
        return yield this.#replicate(this.server(step.node), this.server(step.primary));
      case 'forget': {
        const { knows, bans, primary } = this.server(step.node);
        assert(primary !== step.other, 'nobody forgets its own primary');
        knows.delete(step.other);
        return yield void bans.add(step.other);
      }
      case 'reset':
        return yield this.#reset(this.server(step.node));
      case 'failover':
        return yield this.#failover(step);
      case 'move':
        for (const slot of step.slots) yield* this.#move(step.from, step.to, slot);
        return;
      case 'gather':
        for (const slot of step.slots) yield* this.#carry(step.from, step.to, slot);
        return;
      case 'close':
        for (const slot of step.slots) yield this.#close(this.server(step.node), slot);
        return;
      case 'announce':
        for (const slot of step.slots) yield this.#announce(this.server(step.node), slot);
        return;
      default:
        assert(false, `the planner does not use ${step.kind}`);
    }
  }

  #meet(node: TrialServer, other: TrialServer): void {
    assert(node.isUp && other.isUp, 'who is met is there');
    node.knows.set(other.id, other.port);
    other.knows.set(node.id, node.port);
  }

  #take(node: TrialServer, slots: readonly Slot[], isForced: boolean): void {
    for (const slot of slots) {
      assert(isForced || node.owners[slot] === NOBODY, "a slot is added that is nobody's");
      node.owners[slot] = node.number;
    }
    if (isForced) this.#bump(node);
    if (node.standing.history === null) this.#count(node);
  }

  #replicate(node: TrialServer, primary: TrialServer): void {
    assert(node.isUp && node.knows.has(primary.id), 'a replica knows whom it follows');
    assert(primary.primary === null, 'whom it follows is a primary');
    if (node.primary === null)
      assert(
        this.ownedBy(node).length === 0 && sizeOf(node) === 0,
        'a primary with data stays one',
      );
    node.primary = primary.id;
    node.isLinked = false;
    node.keys = new Map();
    node.standing = { ...NOTHING_HELD };
  }

  #reset(node: TrialServer): void {
    const isBare = this.ownedBy(node).length === 0 && sizeOf(node) === 0;
    assert(node.primary !== null || isBare, 'a primary with data is not reset');
    this.wipe(node.name);
  }

  /** Whoever is voted for, or asks nobody, has all slots of the other in its own view. */
  #failover({ node: id, primary: former, by }: Failover): void {
    const [node, primary] = [this.server(id), this.server(former)];
    if (by === 'again') {
      this.reopen(node);
      return;
    }
    assert(node.isUp && node.primary === former, 'a replica takes over from its primary');
    if (by === 'planned') assert(primary.isUp && node.isLinked, 'both are there and level');
    if (by === 'force' && !this.#hasVotes()) return;
    for (const slot of this.ownedBy(primary)) node.owners[slot] = node.number;
    if (!primary.isUp)
      for (let slot = 0; slot < SLOTS_ALL; slot++)
        if (node.owners[slot] === primary.number) node.owners[slot] = node.number;
    node.primary = null;
    node.isLinked = true;
    this.tookOver.set(former, id);
    this.#bump(node);
    node.standing = { ...node.standing, history: this.#newHistory(), isExact: true };
    this.#count(node);
    this.histories.delete(former);
    if (by !== 'planned') return;
    // It has heard of it, and of whose its slots are.
    primary.owners.set(node.owners);
    follow(primary, node);
  }

  #hasVotes(): boolean {
    const [teller] = this.up();
    const all = new Set(teller?.owners);
    all.delete(NOBODY);
    const there = [...all].filter((number) => this.#byNumber[number]?.isUp);
    return there.length > all.size / 2;
  }

  *#move(from: ClusterNodeId, to: ClusterNodeId, slot: Slot): Generator<void> {
    const [source, target] = [this.server(from), this.server(to)];
    assert(source.primary === null && target.primary === null, 'slots are of primaries');
    const isOwn = target.owners[slot] === target.number;
    if (!isOwn) yield void target.importing.set(slot, from);
    if (source.owners[slot] === source.number) yield void source.migrating.set(slot, to);
    yield* this.#carry(from, to, slot);
    target.importing.delete(slot);
    if (!isOwn) this.#bump(target);
    target.owners[slot] = target.number;
    if (target.standing.history === null) this.#count(target);
    yield;
    yield this.#announce(target, slot);
  }

  *#carry(from: ClusterNodeId, to: ClusterNodeId, slot: Slot): Generator<void> {
    const [source, target] = [this.server(from), this.server(to)];
    const names = source.keys.get(slot) ?? new Set();
    for (const name of [...names]) {
      this.#count(target);
      for (const one of [target, ...this.#level(target)]) {
        one.keys.set(slot, (one.keys.get(slot) ?? new Set()).add(name));
        one.standing = { ...target.standing };
      }
      this.#count(source);
      for (const one of [source, ...this.#level(source)]) {
        one.keys.get(slot)?.delete(name);
        one.standing = { ...source.standing };
      }
      yield;
    }
  }

  #announce(owner: TrialServer, slot: Slot): void {
    for (const node of this.up().filter((one) => one === owner || areLinked(one, owner))) {
      const isLoss = node !== owner && node.owners[slot] === node.number;
      assert(
        !isLoss || node.primary !== null || !node.keys.get(slot)?.size,
        'keys are left behind',
      );
      node.owners[slot] = owner.number;
      this.#close(node, slot);
    }
  }

  #close(node: TrialServer, slot: Slot): void {
    node.migrating.delete(slot);
    node.importing.delete(slot);
  }

  #bump(node: TrialServer): void {
    node.epoch = 1 + Math.max(...[...this.servers.values()].map(({ epoch }) => epoch));
  }

  /** Gossip has reached everybody it can reach; and links that can be there are. */
  settle(): void {
    gossip(this);
    for (const node of this.up()) this.#link(node);
  }

  #link(node: TrialServer): void {
    if (node.primary === null) return;
    const primary = this.servers.get(node.primary);
    const grand = primary?.isUp === true ? primary.primary : null;
    if (grand !== null) node.primary = grand;
    const leader = this.servers.get(node.primary);
    node.isLinked = leader?.isUp === true && areLinked(node, leader);
    if (!node.isLinked || leader === undefined) return;
    node.keys = new Map([...leader.keys].map(([slot, names]) => [slot, new Set(names)]));
    node.standing = { ...leader.standing };
  }
}

const NOTHING_HELD: Standing = {
  history: null,
  offset: 0,
  isExact: true,
  isUp: true,
  priority: 100,
  released: 0,
};

export function sizeOf({ keys }: TrialServer): number {
  return [...keys.values()].reduce((sum, names) => sum + names.size, 0);
}
