/** What doors see of this node: facts as they are now, and in words whatever is wrong. */
import { votersOf } from '../core/charter/charter.ts';
import type { NodeId } from '../core/scalars.ts';
import type { Member, PeerList, Problem, Role, Sample, Status, View } from '../doors/view.ts';
import type { Agent } from './agent.ts';
import { nameOf } from './agent-orders.ts';
import { listLimits } from './limits.ts';

/** An election takes about this long: nobody needs to hear of it. */
const LEADERLESS_MS_MAX = 3_000;

export class AgentView implements View {
  readonly #agent: Agent;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  status(): Status {
    const agent = this.#agent;
    const { group, config } = agent;
    const server = agent.serverState;
    const identity = agent.identity.now;
    const leader = group?.raft.leader ?? null;
    return {
      name: config.name,
      deployment: identity.deployment,
      node: config.node,
      role: this.#role(),
      leader: leader === null ? null : nameOf(leader),
      term: group?.raft.term ?? 0,
      pid: process.pid,
      relayThreads: config.relayThreads,
      server: { pid: server.pid, version: agent.serverVersion },
      offsets: {
        executed: group?.strong.executedOffset ?? 0,
        committed: group?.strong.committedOffset ?? 0,
        applied: group?.strong.executedOffset ?? 0,
      },
      log: { bytes: group?.logBytes ?? 0 },
      snapshot: group?.snapshot ?? { bytes: 0, offset: 0 },
      members: this.#members(leader),
      problems: this.#problems(),
    };
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

  isReady(): boolean {
    if (this.isOpenLeader()) return true;
    const leader = this.#agent.group?.raft.leader ?? null;
    return leader !== null && this.#agent.membership.up.has(leader);
  }

  isOpenLeader(): boolean {
    return this.#agent.group?.strong.isOpen ?? false;
  }

  isHealthy(): boolean {
    const { group } = this.#agent;
    return group !== null && (group.strong.isOpen || group.feed.isStreaming);
  }

  samples(): readonly Sample[] {
    const { group, clients } = this.#agent;
    const stats = clients.stats();
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
      counter('refused_total', 'commands that waited for a leader in vain', stats.refusedTotal),
      counter('connections_total', 'client connections accepted', stats.connectionsTotal),
      counter('rejected_total', 'client connections over the bound', stats.rejectedTotal),
      counter('log_syncs_total', 'syncs of the log', group?.syncs ?? 0),
      counter('server_lives_total', 'times the server was started', group?.strong.life ?? 0),
    ];
  }

  async serverInfo(): Promise<string | null> {
    const reply = await this.#agent.serverState.info();
    return typeof reply === 'string' ? reply : null;
  }

  limits() {
    return listLimits();
  }

  #role(): Role {
    switch (this.#agent.group?.raft.role) {
      case 'leader':
        return 'leader';
      case 'candidate':
      case 'preCandidate':
        return 'candidate';
      case 'follower':
        return 'follower';
      case undefined:
        return 'starting';
    }
  }

  #members(leader: NodeId | null): Member[] {
    const agent = this.#agent;
    const charter = agent.identity.now.charter;
    const voters = charter === null ? [] : votersOf(charter);
    const others = [...agent.membership.up.keys()].filter((peer) => !voters.includes(peer));
    const ids = [...new Set([...voters, agent.membership.id, ...others])].toSorted();
    return ids.map((id) => this.#member(id, leader, voters.includes(id)));
  }

  #member(id: NodeId, leader: NodeId | null, isVoter: boolean): Member {
    const agent = this.#agent;
    const isSelf = id === agent.membership.id;
    const hello = agent.membership.up.get(id);
    const address = isSelf ? agent.clientAddress : (hello?.clientAddress ?? '');
    const node = nameOf(id);
    const as = (role: Member['role']) => ({ node, role, address, lagBytes: this.#lagOf(id) });
    if (isSelf) return as(isVoter || charterless(agent) ? this.#role() : 'copy');
    if (hello === undefined) return as('unreachable');
    if (!isVoter) return as(hello.phase === 'copy' ? 'copy' : 'starting');
    return as(id === leader ? 'leader' : 'follower');
  }

  #lagOf(id: NodeId): number | null {
    const { group } = this.#agent;
    if (group === null) return null;
    const committed = group.strong.committedOffset;
    if (id === this.#agent.membership.id)
      return Math.max(0, committed - group.strong.executedOffset);
    const peer = group.raft.view().peers.find((seen) => seen.peer === id);
    if (peer === undefined || !group.index.holds(peer.match)) return null;
    return Math.max(0, committed - group.index.endAt(peer.match));
  }

  #problems(): Problem[] {
    const agent = this.#agent;
    const { group } = agent;
    const { voters } = agent.membership;
    const problems: Problem[] = [...agent.membership.problems];
    if (group === null) problems.push(...this.#notFounded());
    else if (group.raft.leader === null) problems.push(...this.#leaderless());
    const copies = [agent.membership.hello, ...agent.membership.up.values()]
      .filter(({ phase }) => phase === 'copy')
      .map(({ node }) => node);
    // The voter of a wiped directory is gone as well: DIRECTORY_WIPED says so.
    const gone = voters.filter(
      (voter) =>
        voter !== agent.membership.id &&
        !agent.membership.up.has(voter) &&
        !copies.includes(nameOf(voter)),
    );
    for (const voter of gone)
      problems.push({
        code: 'NODE_UNREACHABLE',
        text: `${nameOf(voter)} cannot be reached from ${agent.config.node}`,
        todo: `start ${nameOf(voter)}, or look at the network between the two`,
      });
    problems.push(...this.#refusals(), ...mixedServers(agent), ...this.#serverProblems());
    return problems;
  }

  #notFounded(): Problem[] {
    const { config, membership } = this.#agent;
    if (this.#agent.route.leaderlessMs < LEADERLESS_MS_MAX) return [];
    return [
      {
        code: 'NOT_FOUNDED',
        text: `this node belongs to no deployment yet; it sees ${membership.up.size} other nodes`,
        todo: `all nodes must see one another once, to begin: ${config.peers.join(', ')}`,
      },
    ];
  }

  #leaderless(): Problem[] {
    const { voters, up, id } = this.#agent.membership;
    const forMs = this.#agent.route.leaderlessMs;
    if (forMs < LEADERLESS_MS_MAX) return [];
    const seen = voters.filter((voter) => voter === id || up.has(voter)).length;
    const needed = Math.floor(voters.length / 2) + 1;
    return [
      {
        code: seen < needed ? 'NO_QUORUM' : 'NO_LEADER',
        text:
          `nobody leads since ${Math.round(forMs / 1000)} s; ` +
          `${seen} of ${voters.length} voters are in sight, ${needed} are needed`,
        todo:
          seen < needed
            ? 'bring more of the nodes back: without a majority nothing can be agreed on'
            : 'wait some seconds; if it lasts, look at the logs of all nodes',
      },
    ];
  }

  #refusals(): Problem[] {
    return this.#agent.refusedPeers().map(({ address, code, text }) => ({
      code: `PEER_${code}`,
      text: `${address}: ${text}`,
      todo: 'give all nodes the same --name and --secret-file, and each its own directory',
    }));
  }

  #serverProblems(): Problem[] {
    const { group } = this.#agent;
    const { lastDown, diverged } = this.#agent.serverState;
    const problems: Problem[] = [];
    const notLoadable = group?.snapshotProblem ?? null;
    // Its last words do not say why it had to be ended.
    if (group !== null && group.strong.stage.kind === 'down' && notLoadable === null)
      problems.push({
        code: 'SERVER_DOWN',
        text: `the server beside this node is not running: ${lastDown ?? 'it never started'}`,
        todo: 'its last words say why; the agent starts it again by itself',
      });
    if (diverged !== null)
      problems.push({
        code: 'SERVER_DIVERGED',
        text: diverged,
        todo: 'it was loaded anew; if this comes again, run one server version on all nodes',
      });
    if (notLoadable !== null)
      problems.push({
        code: 'SNAPSHOT_NOT_LOADABLE',
        text: notLoadable,
        todo: 'run a server here that is not older than those that make the snapshots',
      });
    return problems;
  }
}

function charterless(agent: Agent): boolean {
  return agent.identity.now.charter === null;
}

/** Two servers may execute the same stream differently, and cannot load each other's snapshots. */
function mixedServers({ membership }: Agent): Problem[] {
  const all = [membership.hello, ...membership.up.values()];
  if (new Set(all.map(({ serverVersion }) => serverVersion)).size < 2) return [];
  const who = all.map(({ node, serverVersion }) => `${node} ${serverVersion}`).toSorted();
  return [
    {
      code: 'MIXED_SERVERS',
      text: `the nodes run different servers: ${who.join(', ')}`,
      todo: 'run one version of one server on all nodes; a mix is for the time of an upgrade only',
    },
  ];
}
