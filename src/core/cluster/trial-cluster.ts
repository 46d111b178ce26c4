/**
 * A cluster for tests of plans: what servers do with the commands of a step, without time and
 * sockets. A move is cut into what a crash can come between. Keys are names; a slot's are where
 * they are, and gossip lets the later epoch win, whose loser drops its keys, as servers do.
 */
import { assert } from '../../assert.ts';
import type { ClusterNodeId, NodeLine } from './nodes-text.ts';
import type { Observation, SeenNode } from './observation.ts';
import { rangesOf, SLOTS_ALL, type Slot } from './slots.ts';
import type { Step } from './steps.ts';

export interface TrialNode {
  readonly id: ClusterNodeId;
  readonly host: string;
  primary: ClusterNodeId | null;
  epoch: number;
  readonly migrating: Map<Slot, ClusterNodeId>;
  readonly importing: Map<Slot, ClusterNodeId>;
  readonly keys: Map<Slot, Set<string>>;
  /** Who owns a slot, in its view. */
  readonly owners: Map<Slot, ClusterNodeId>;
}

/** `a` to an id of forty digits. */
export function trialId(name: string): ClusterNodeId {
  return name.padEnd(40, '0');
}

export class TrialCluster {
  readonly nodes = new Map<ClusterNodeId, TrialNode>();
  readonly dead = new Set<ClusterNodeId>();

  add(name: string, slots: readonly Slot[] = [], primary: string | null = null, host = name): void {
    const id = trialId(name);
    const node: TrialNode = {
      ...{ id, host, epoch: this.nodes.size + 1 },
      primary: primary === null ? null : trialId(primary),
      migrating: new Map(),
      importing: new Map(),
      keys: new Map(),
      owners: new Map(this.nodes.values().next().value?.owners),
    };
    this.nodes.set(id, node);
    for (const other of this.nodes.values()) for (const slot of slots) other.owners.set(slot, id);
  }

  node(id: ClusterNodeId): TrialNode {
    const node = this.nodes.get(id);
    assert(node !== undefined, 'a step names a node that is there');
    return node;
  }

  put(name: string, slot: Slot, key: string): void {
    const { keys } = this.node(trialId(name));
    keys.set(slot, (keys.get(slot) ?? new Set()).add(key));
  }

  keyCount = (id: ClusterNodeId, slot: Slot): number => this.node(id).keys.get(slot)?.size ?? 0;

  owns(id: ClusterNodeId, slot: Slot): boolean {
    return this.node(id).owners.get(slot) === id;
  }

  claimants(slot: Slot): ClusterNodeId[] {
    return this.#alive()
      .map(({ id }) => id)
      .filter((id) => this.owns(id, slot));
  }

  /** All names of keys, with the node that has each: `a:key`. */
  allKeys(): string[] {
    return [...this.nodes.values()].flatMap(({ id, keys }) =>
      [...keys.values()].flatMap((names) => [...names].map((name) => `${id}:${name}`)),
    );
  }

  /** What is done by one step, one thing after the other; a crash may come between any two. */
  *perform(step: Step): Generator<void> {
    switch (step.kind) {
      case 'move':
        for (const slot of step.slots) yield* this.#move(step.from, step.to, slot);
        return;
      case 'gather':
        for (const slot of step.slots) yield* this.#gather(step.from, step.to, slot);
        return;
      case 'disown':
        for (const slot of step.slots) yield void this.node(step.node).owners.delete(slot);
        return;
      case 'claim': {
        const node = this.node(step.node);
        for (const slot of step.slots) yield void node.owners.set(slot, node.id);
        yield void this.#bump(node);
        return;
      }
      case 'close':
        for (const slot of step.slots) yield this.#close(this.node(step.node), slot);
        return;
      case 'announce':
        for (const slot of step.slots) yield* this.#announce(step.node, slot);
        return;
      case 'agree':
        yield this.settle();
        return;
      default:
        assert(false, 'the trial knows steps about slots only');
    }
  }

  apply(steps: readonly Step[], afterEach: () => void = () => undefined): void {
    for (const step of steps) for (const _ of this.perform(step)) afterEach();
  }

  /** Gossip has reached everybody. */
  settle(): void {
    const alive = this.#alive();
    for (let slot = 0; slot < SLOTS_ALL; slot++) {
      const [owner, ...others] = alive.map(({ owners }) => owners.get(slot));
      if (others.every((other) => other === owner)) continue;
      const best = this.claimants(slot)
        .map((id) => this.node(id))
        .sort((a, b) => b.epoch - a.epoch)[0];
      if (best === undefined) continue;
      for (const node of this.#alive()) this.#hear(node, slot, best.id);
    }
  }

  observe(): Observation {
    const nodes = this.#alive().map((node): SeenNode => {
      const owned = Map.groupBy(node.owners.keys(), (slot) => node.owners.get(slot) ?? '');
      const view = [...this.nodes.values()].map((other) =>
        this.#line(node, other, owned.get(other.id) ?? []),
      );
      const self = view.find(({ id }) => id === node.id);
      assert(self !== undefined, 'a node knows itself');
      const keys = [...node.keys.values()].reduce((sum, names) => sum + names.size, 0);
      const { id, host } = node;
      return { id, host, port: 6379, self, view, keys, isStateOk: true, isLinkUp: true };
    });
    const missing = [...this.dead].map((id) => {
      const { host, primary } = this.node(id);
      const [teller] = this.#alive();
      const slots = [...(teller?.owners ?? [])].filter(([, owner]) => owner === id);
      const isPrimary = primary === null;
      const own = slots.map(([slot]) => slot).sort((a, b) => a - b);
      return { id, host, port: 6379, isPrimary, primary, slots: own, why: 'it is dead' };
    });
    return { nodes, missing };
  }

  #alive(): TrialNode[] {
    return [...this.nodes.values()].filter(({ id }) => !this.dead.has(id));
  }

  *#move(from: ClusterNodeId, to: ClusterNodeId, slot: Slot): Generator<void> {
    const [source, target] = [this.node(from), this.node(to)];
    if (!this.owns(to, slot)) yield void target.importing.set(slot, from);
    if (this.owns(from, slot)) yield void source.migrating.set(slot, to);
    yield* this.#keys(source, target, slot);
    if (target.importing.delete(slot)) this.#bump(target);
    yield void target.owners.set(slot, to);
    source.migrating.delete(slot);
    yield void source.owners.set(slot, to);
    yield* this.#announce(to, slot);
  }

  *#gather(from: ClusterNodeId, to: ClusterNodeId, slot: Slot): Generator<void> {
    const source = this.node(from);
    assert(!this.owns(from, slot), 'who owns a slot imports it from nobody');
    yield void source.importing.set(slot, to);
    yield* this.#keys(source, this.node(to), slot);
    yield void source.importing.delete(slot);
  }

  *#keys(source: TrialNode, target: TrialNode, slot: Slot): Generator<void> {
    const names = source.keys.get(slot) ?? new Set();
    for (const name of [...names]) {
      target.keys.set(slot, (target.keys.get(slot) ?? new Set()).add(name));
      names.delete(name);
      yield;
    }
  }

  *#announce(owner: ClusterNodeId, slot: Slot): Generator<void> {
    const tell = (node: TrialNode): void => {
      assert(
        node.id === owner || !this.owns(node.id, slot) || this.keyCount(node.id, slot) === 0,
        'a slot is not given away with keys in it',
      );
      this.#close(node, slot);
      node.owners.set(slot, owner);
    };
    yield tell(this.node(owner));
    for (const node of this.#alive()) if (node.id !== owner) yield tell(node);
  }

  #close(node: TrialNode, slot: Slot): void {
    node.migrating.delete(slot);
    node.importing.delete(slot);
  }

  #bump(node: TrialNode): void {
    node.epoch = 1 + Math.max(...[...this.nodes.values()].map(({ epoch }) => epoch));
  }

  #hear(node: TrialNode, slot: Slot, owner: ClusterNodeId): void {
    if (node.owners.get(slot) === node.id && node.id !== owner) node.keys.delete(slot);
    node.owners.set(slot, owner);
  }

  #line(teller: TrialNode, node: TrialNode, slots: readonly Slot[]): NodeLine {
    const { id, host, primary, epoch, migrating, importing } = node;
    const isSelf = teller.id === id;
    return {
      ...{ id, host, primary, epoch, port: 6379, busPort: 16379 },
      flags: [...(isSelf ? ['myself'] : []), primary === null ? 'master' : 'slave'],
      isPrimary: primary === null,
      slots: rangesOf(slots),
      migrating: isSelf ? new Map(migrating) : new Map(),
      importing: isSelf ? new Map(importing) : new Map(),
    };
  }
}
