/**
 * Who serves the data as this node sees it. In strong mode the data group's leader is the primary,
 * whoever else has the data is a replica; in eventual mode the primary is whoever was appointed and
 * has opened. All of it is what was agreed on, or Raft's own word.
 *
 * Invariant: the epoch never falls: a leader that is known to be deposed does not come back.
 */
import { isWitness, memberOf } from '../core/control/state.ts';
import { QUIET_MS } from '../core/lease/spans.ts';
import { majority } from '../core/raft/quorum.ts';
import type { NodeId } from '../core/scalars.ts';
import { type DataNode, type DoorNode, endpointOf, type Topology } from '../doors/topology.ts';
import type { Agent } from './agent.ts';
import { SWITCHOVER_MS_MAX } from './agent-orders.ts';
import type { EventualPart } from './eventual-part.ts';
import { LIMITS } from './limits.ts';
import { addressOf, lagOf } from './view-members.ts';

export class OwnTopology {
  readonly #agent: Agent;
  #epoch = 0;
  #primary: NodeId | null = null;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  now(): Topology {
    const { config, shard, voters, eventual, assembly } = this.#agent;
    const isLed = this.#learnPrimary();
    const learners = shard?.raft.configuration.learners ?? [];
    const data = [...new Set([...voters, ...learners])]
      .filter((node) => node !== this.#primary && !this.#isWitness(node))
      .toSorted()
      .flatMap((node) => this.#dataNode(node, !learners.includes(node)) ?? []);
    const deciders = eventual === null ? voters : (assembly.group?.raft.configuration.voters ?? []);
    const primary = this.#primary === null ? null : this.#dataNode(this.#primary, true);
    return {
      name: config.name,
      epoch: this.#epoch,
      primary: primary === null ? null : { ...primary, isUp: isLed && primary.isUp },
      replicas: data,
      self: this.#self(),
      others: this.#others(),
      quorum: majority(deciders.length),
      voters: deciders.length,
      votersUp: deciders.filter((node) => this.#isUp(node)).length,
      downAfterMs: eventual === null ? LIMITS.electionTicksMax * LIMITS.tickMs : QUIET_MS,
      failoverMs: SWITCHOVER_MS_MAX,
      serverVersion: this.#serverVersion(),
    };
  }

  /** Whether one leads now, as far as this node knows. A witness leads for nobody. */
  #learnPrimary(): boolean {
    const { dataLeader, shard, assembly, eventual } = this.#agent;
    if (eventual !== null) return this.#learnAgreed(eventual);
    if (dataLeader === null || this.#isWitness(dataLeader)) return false;
    const isOwnWord = shard?.raft.leader === dataLeader;
    const term = isOwnWord ? shard.raft.term : assembly.sightings.dataLeader()?.report.term;
    if (term === undefined || term < this.#epoch) return false;
    this.#epoch = term;
    this.#primary = dataLeader;
    return true;
  }

  /** An appointment counts for clients when it has opened; until then the former one stays. */
  #learnAgreed({ primary, withoutPrimaryMs }: EventualPart): boolean {
    if (primary === null) return false;
    const { history, node, former, decision } = primary;
    if (history !== null) {
      this.#epoch = decision;
      this.#primary = node;
    } else this.#primary ??= former;
    return withoutPrimaryMs === 0;
  }

  #dataNode(node: NodeId, isLevel: boolean): DataNode | null {
    const endpoint = endpointOf(addressOf(this.#agent, node));
    if (endpoint === null) return null;
    const { eventual } = this.#agent;
    const common = { id: node, ...endpoint, isUp: this.#isUp(node) };
    if (eventual !== null) {
      const standing = eventual.standingOf(node);
      const isLevel = standing !== null && standing.history === eventual.primary?.history;
      return { ...common, isLevel, offset: standing?.offset ?? null };
    }
    const lag = lagOf(this.#agent, node);
    const committed = this.#agent.shard?.committedOffset ?? 0;
    const offset = lag === null ? null : committed - lag;
    return { ...common, isLevel, offset };
  }

  #self(): DoorNode {
    const { membership } = this.#agent;
    const { id, hello } = membership;
    const endpoint = endpointOf(hello.sentinelAddress ?? '') ?? { host: '', port: 0 };
    return { id, ...endpoint, isUp: true };
  }

  /** Members, also those that are away, and who is about to become one. */
  #others(): DoorNode[] {
    const { membership, assembly } = this.#agent;
    const { id, up } = membership;
    const known = assembly.state.members.map(({ node }) => node);
    return [...new Set([...known, ...up.keys()])]
      .filter((node) => node !== id)
      .toSorted()
      .flatMap((node) => {
        const agreed = memberOf(assembly.state, node)?.facts.sentinelAddress;
        const hello = up.get(node);
        const endpoint = endpointOf((hello ? hello.sentinelAddress : agreed) ?? '');
        return endpoint === null ? [] : [{ id: node, ...endpoint, isUp: hello !== undefined }];
      });
  }

  #isUp(node: NodeId): boolean {
    const { membership } = this.#agent;
    return node === membership.id || membership.up.has(node);
  }

  #isWitness(node: NodeId): boolean {
    const { membership, config, assembly } = this.#agent;
    if (node === membership.id) return config.witness;
    const facts = memberOf(assembly.state, node)?.facts;
    return membership.up.get(node)?.witness ?? (facts !== undefined && isWitness(facts));
  }

  /** A witness has no server, and tells that of another node. */
  #serverVersion(): string {
    const { membership, serverVersion } = this.#agent;
    const all = [serverVersion, ...[...membership.up.values()].map((each) => each.serverVersion)];
    // `redis 7.0.15`, as programs tell it.
    const numbers = all.map((text) => /\d+(\.\d+)+/.exec(text)?.[0] ?? '');
    return numbers.find((version) => version !== '') ?? '';
  }
}
