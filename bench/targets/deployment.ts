/**
 * A deployment on this machine: the agents that `althing up` would start, supervised the same way,
 * with further flags of `althing start` where a case or a variant asks for them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentAnswer, askStatus, askSwitchover } from '../../src/doors/cli/up/agent-http.ts';
import { AgentProcess } from '../../src/doors/cli/up/agent-process.ts';
import { agentEnvironment, agentProgram } from '../../src/doors/cli/up/agent-program.ts';
import {
  addressesOf,
  commandFor,
  type DeploymentOptions,
} from '../../src/doors/cli/up/deployment.ts';
import { commandOf } from '../../src/doors/cli/up/port-holder.ts';
import { openStateDirectory } from '../../src/doors/cli/up/state-directory.ts';
import type { NamedProcess } from '../cpu.ts';
import { LOOK_EVERY_MS } from './child.ts';
import { findBasePort } from './ports.ts';
import { type Target, TargetError } from './target.ts';

export interface DeploymentSpec {
  readonly name: string;
  readonly nodes: number;
  readonly server: string;
  readonly dir: string;
  readonly logLimit: string | null;
  /** Whether agents talk over TLS. */
  readonly isEncrypted: boolean;
  /** Servers of followers listen themselves. */
  readonly hasLocalPorts: boolean;
  /** Further arguments of `althing start`. */
  readonly flags: readonly string[];
}

export interface Sight extends AgentAnswer {
  readonly node: string;
  readonly clientPort: number;
  readonly httpPort: number;
  readonly localPort: number | null;
}

const LEVEL_MS_MAX = 60_000;
/** An election and a new leader's opening, with room. */
const LEADER_MS_MAX = 15_000;
/** As `up`: a leader hands over first, then a server has to close. */
const STOP_MS_MAX = 10_000;
const SERVERS_GONE_MS_MAX = 5_000;
/** A few appends of lag are the rule while anything is written. */
const LAG_BYTES_MAX = 64 * 1024;

export class DeploymentTarget implements Target {
  readonly name: string;
  readonly protocol = 'resp';
  readonly #spec: DeploymentSpec;
  #agents: readonly AgentProcess[] = [];
  #basePort = 0;
  #lastDeath = '';
  /** Every server that was ever seen, so that none stays behind. */
  readonly #servers = new Set<number>();

  constructor(spec: DeploymentSpec) {
    this.name = spec.name;
    this.#spec = spec;
  }

  get directory(): string {
    return this.#spec.dir;
  }

  get clientPorts(): readonly number[] {
    return Array.from({ length: this.#spec.nodes }, (_, i) => this.#basePort + i);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { nodes, server, dir, logLimit, isEncrypted, flags } = this.#spec;
    this.#basePort = await findBasePort([0, 1_000, 2_000, 3_000], nodes);
    const addresses = this.#addresses();
    const names = addresses.map(({ node }) => node);
    const directory = openStateDirectory(dir, names, true);
    const options: DeploymentOptions = {
      directory,
      addresses,
      server,
      restart: true,
      logLimit,
      relayThreads: null,
      passwordFile: null,
      secretFile: isEncrypted ? directory.secretFile : null,
      program: agentProgram(process.env),
      environment: agentEnvironment(process.env),
      onDeath: ({ node, how, lastWords }) => {
        this.#lastDeath = `${node} died by ${how}: ${lastWords}`;
      },
    };
    this.#agents = addresses.map(
      (own) =>
        new AgentProcess({
          node: own.node,
          command: [...commandFor(options, own), ...flags],
          environment: options.environment,
          logFile: `${directory.nodeDirectory(own.node)}/agent.log`,
          restart: true,
          onDeath: options.onDeath,
        }),
    );
    for (const agent of this.#agents) agent.start();
    await this.settle(signal);
  }

  async settle(signal: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + LEVEL_MS_MAX;
    for (;;) {
      const sights = await this.look();
      if (sights.every(({ ready, status }) => ready && isCaughtUp(status))) return;
      signal.throwIfAborted();
      if (performance.now() > deadlineMs)
        throw new TargetError(`${this.name} did not get level. ${this.#lastDeath}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  async look(): Promise<readonly Sight[]> {
    const sights = await Promise.all(
      this.#addresses().map(async ({ node, clients, http, local }) => {
        const answer = await askStatus(http);
        return { ...answer, node, clientPort: clients, httpPort: http, localPort: local };
      }),
    );
    for (const { status } of sights) if (status?.server.pid) this.#servers.add(status.server.pid);
    return sights;
  }

  #addresses() {
    const { nodes, hasLocalPorts } = this.#spec;
    return addressesOf(nodes, this.#basePort, { hasLocal: hasLocalPorts });
  }

  async leader(): Promise<Sight> {
    const deadlineMs = performance.now() + LEADER_MS_MAX;
    while (performance.now() < deadlineMs) {
      const leaders = (await this.look()).filter(({ status }) => status?.role === 'leader');
      // One that was paused or cut off may not know yet that another leads in a higher term.
      const leader = leaders.toSorted((a, b) => (b.status?.term ?? 0) - (a.status?.term ?? 0))[0];
      if (leader?.ready) return leader;
      await sleep(LOOK_EVERY_MS);
    }
    throw new TargetError(`${this.name} has no leader. ${this.#lastDeath}`);
  }

  async switchover(): Promise<string> {
    return await askSwitchover((await this.leader()).httpPort);
  }

  async port(): Promise<number> {
    return (await this.leader()).clientPort;
  }

  async processes(): Promise<readonly NamedProcess[]> {
    const sights = await this.look();
    let followers = 0;
    return sights
      .toSorted((a, b) => Number(b.status?.role === 'leader') - Number(a.status?.role === 'leader'))
      .flatMap(({ status }) => {
        if (status === null) return [];
        const who = status.role === 'leader' ? 'leader' : `follower ${++followers}`;
        return [
          { name: `${who} agent`, pid: status.pid },
          { name: `${who} server`, pid: status.server.pid ?? 0 },
        ];
      });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.stop(STOP_MS_MAX)));
    this.#agents = [];
    const deadlineMs = performance.now() + SERVERS_GONE_MS_MAX;
    while (this.#serversLeft().length > 0 && performance.now() < deadlineMs)
      await sleep(LOOK_EVERY_MS);
    for (const pid of this.#serversLeft()) process.kill(pid, 'SIGKILL');
  }

  #serversLeft(): number[] {
    // A number may belong to another process by now.
    return [...this.#servers].filter((pid) => /redis|valkey/.test(commandOf(pid)));
  }
}

function isCaughtUp(status: AgentAnswer['status']): boolean {
  if (status === null) return false;
  if (status.role !== 'leader') return status.leader !== null;
  const voters = status.members.filter(({ role }) => role !== 'spare' && role !== 'learner');
  return voters.every(({ lagBytes }) => lagBytes !== null && lagBytes <= LAG_BYTES_MAX);
}
