/** What doors see of this node: facts as they are now. */
import { nameOf } from '../core/control/state.ts';
import { durationText } from '../doors/durations.ts';
import type { Topology } from '../doors/topology.ts';
import type { AssemblyView, PeerList, Sample, Status, View } from '../doors/view.ts';
import type { Agent } from './agent.ts';
import { isEventualHealthy } from './eventual-view.ts';
import { listLimits } from './limits.ts';
import { OwnTopology } from './own-topology.ts';
import { ownVersion } from './own-version.ts';
import { shardedOf, shardsSeen } from './sharded-view.ts';
import { assemblySeen, membersSeen, ownControlRole, ownRole } from './view-members.ts';
import { problemsSeen } from './view-problems.ts';

export class AgentView implements View {
  readonly #agent: Agent;
  readonly #topology: OwnTopology;
  readonly #version = ownVersion();

  constructor(agent: Agent) {
    this.#agent = agent;
    this.#topology = new OwnTopology(agent);
  }

  status(): Status {
    const agent = this.#agent;
    const { shard, config, eventual } = agent;
    const identity = agent.identity.now;
    const leader = agent.dataLeader;
    const sharded = shardedOf(eventual);
    const votedFor = shard?.raft.votedFor ?? null;
    return {
      version: this.#version,
      name: config.name,
      deployment: identity.deployment,
      node: config.node,
      role: ownRole(agent),
      consistency: eventual === null ? 'strong' : 'eventual',
      leader: leader === null ? null : nameOf(leader),
      term: eventual?.primary?.decision ?? shard?.raft.term ?? 0,
      votedFor: votedFor === null ? null : nameOf(votedFor),
      pid: process.pid,
      relayThreads: config.relayThreads,
      server: { pid: agent.observedServer?.pid ?? null, version: agent.serverVersion },
      offsets: this.#offsets(),
      log: this.#log(),
      snapshot: shard?.snapshot ?? { bytes: 0, offset: 0 },
      control: this.#control(),
      spec: this.#spec(),
      settings: agent.settings?.view ?? [],
      members: membersSeen(agent),
      ...(sharded === null ? {} : { shards: shardsSeen(agent, sharded) }),
      discovery: agent.discovery.status(),
      problems: problemsSeen(agent),
    };
  }

  assembly(): AssemblyView {
    return assemblySeen(this.#agent);
  }

  /** In an eventual deployment: of the primary as it was told last, and of this node's server. */
  #offsets(): Status['offsets'] {
    const { shard, group, eventual, membership } = this.#agent;
    if (eventual === null) {
      const executed = group?.strong.executedOffset ?? 0;
      return { executed, committed: shard?.committedOffset ?? 0, applied: executed };
    }
    const own = eventual.standingOf(membership.id)?.offset ?? 0;
    const { primary } = eventual;
    const first = primary === null ? null : eventual.standingOf(primary.node);
    return { executed: own, committed: first?.offset ?? own, applied: own };
  }

  #log(): Status['log'] {
    const { shard, group } = this.#agent;
    if (shard === null) return { bytes: 0, entries: 0, last: 0, committed: 0, applied: 0 };
    const { raft, index, logBytes } = shard;
    const { committed, last } = raft;
    const applied =
      group === null ? null : index.lastEndingBy(group.strong.executedOffset, committed);
    return {
      bytes: logBytes,
      entries: last.index - index.baseIndex,
      last: last.index,
      committed,
      applied: applied?.index ?? 0,
    };
  }

  #control(): Status['control'] {
    const { leader, group } = this.#agent.assembly;
    const role = ownControlRole(this.#agent);
    return {
      role,
      leader: leader === null ? null : nameOf(leader),
      term: group?.raft.term ?? 0,
      voters: group?.raft.configuration.voters.map(nameOf) ?? [],
    };
  }

  #spec(): Status['spec'] {
    const { spec, specVersion } = this.#agent.assembly.state;
    if (spec === null) return null;
    const { replicas, forgetAfterMs, reads, server } = spec;
    const forgetAfter = forgetAfterMs === null ? 'never' : durationText(forgetAfterMs);
    const common = { version: specVersion, replicas, forgetAfter, reads, server };
    return spec.eventual === undefined ? common : { ...common, ...spec.eventual };
  }

  peers(): PeerList {
    const { hello, up } = this.#agent.membership;
    const peers = [hello, ...up.values()].map(({ node, peerAddress, httpAddress }) => ({
      node,
      peerAddress,
      httpAddress,
    }));
    return { name: hello.name, deployment: hello.deployment, peers };
  }

  topology(): Topology {
    return this.#topology.now();
  }

  isReady(): boolean {
    if (this.isOpenLeader()) return true;
    const { eventual } = this.#agent;
    if (eventual !== null) return eventual.withoutPrimaryMs === 0;
    const leader = this.#agent.dataLeader;
    return leader !== null && this.#agent.membership.up.has(leader);
  }

  isOpenLeader(): boolean {
    const { group, eventual } = this.#agent;
    return eventual?.isOpen ?? group?.strong.isOpen ?? false;
  }

  isHealthy(): boolean {
    const { shard, group, ownServer, eventual } = this.#agent;
    if (eventual !== null && eventual.keeper !== null)
      return isEventualHealthy(eventual, ownRole(this.#agent));
    // A witness of one hears the control group.
    if (eventual !== null) return this.#agent.assembly.leader !== null;
    // A witness does what it is there for as long as it hears whoever leads.
    if (group === null) return shard !== null && shard.raft.leader !== null;
    // The server of a spare has nothing to follow.
    if (ownRole(this.#agent) === 'spare') return ownServer !== null && ownServer.pid !== null;
    return group.strong.isOpen || group.feed.isStreaming;
  }

  samples(): readonly Sample[] {
    const { shard, group, clients, disk } = this.#agent;
    const stats = clients.stats();
    const counts = group?.snapshotCounts;
    const held = (group?.strong.hold?.heldBytes ?? 0) + stats.heldBytes;
    const gauge = (name: string, help: string, value: number): Sample => ({
      name,
      help,
      type: 'gauge',
      value,
    });
    const counter = (name: string, help: string, value: number): Sample => ({
      name,
      help,
      type: 'counter',
      value,
    });
    return [
      gauge('clients', 'client sessions on this node', stats.sessions),
      gauge('clients_passed_through', 'sessions of other nodes served here', stats.passedThrough),
      gauge('clients_waiting', 'sessions whose commands wait for a leader', stats.waiting),
      gauge('reply_bytes', 'reply bytes on their way to clients', stats.replyBytes),
      gauge('held_bytes', 'reply bytes that wait for commit', held),
      counter('commands_total', 'commands passed on', stats.commandsTotal),
      counter('reads_here_total', 'reads answered by a server that follows', stats.readsHereTotal),
      counter('refused_total', 'commands that waited for a leader in vain', stats.refusedTotal),
      counter('connections_total', 'client connections accepted', stats.connectionsTotal),
      counter('rejected_total', 'client connections over the bound', stats.rejectedTotal),
      counter('log_syncs_total', 'syncs of the log', shard?.syncs ?? 0),
      counter('disk_syncs_total', 'syncs of all files, by fdatasync', disk.syncs.count),
      counter('disk_sync_seconds_total', 'time that these took', disk.syncs.msTotal / 1000),
      gauge('disk_sync_max_seconds', 'the longest since the start', disk.syncs.msMax / 1000),
      counter('snapshots_taken_total', 'snapshots of the own server', counts?.taken ?? 0),
      counter('snapshots_fetched_total', 'snapshots fetched from peers', counts?.fetched ?? 0),
      counter('server_lives_total', 'times the server was started', group?.strong.life ?? 0),
    ];
  }

  async serverInfo(): Promise<string | null> {
    const reply = (await this.#agent.observedServer?.call(['INFO', 'everything'])) ?? null;
    return typeof reply === 'string' ? reply : null;
  }

  limits() {
    return listLimits();
  }
}
