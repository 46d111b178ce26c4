/** The nodes of one `up`: the command of each, starting them, looking at them, stopping them. */
import { join } from 'node:path';
import { askStatus } from './agent-http.ts';
import { type AgentDeath, AgentProcess } from './agent-process.ts';
import { type NodeAddresses, type Picture, pictureOf } from './picture.ts';
import { commandOf } from './port-holder.ts';
import type { StateDirectory } from './state-directory.ts';

/** A leader hands over first; then a server has to close. After this it is SIGKILL. */
const STOP_PATIENCE_MS = 10_000;
/** The kernel ends a dead agent's server at once; this is for a loaded machine. */
const SERVERS_GONE_MS = 2_000;
const SERVERS_LOOK_MS = 20;

export interface DeploymentOptions {
  readonly directory: StateDirectory;
  readonly addresses: readonly NodeAddresses[];
  readonly server: string;
  readonly restart: boolean;
  readonly logLimit: string | null;
  /** Of each node; null: its own default, which takes the machine for its alone. */
  readonly relayThreads: string | null;
  readonly isEventual?: boolean;
  /** Null: one, and as many replicas as there are other nodes. */
  readonly shards?: { readonly count: number; readonly replicas: number } | null;
  /** Absolute: what the first node brings in, and only that one. */
  readonly importData?: string | null;
  readonly passwordFile: string | null;
  /** Null: agents talk in the clear, which they do on loopback only. */
  readonly secretFile: string | null;
  /** The program and its fixed first arguments, before `start`. */
  readonly program: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly onDeath: (death: AgentDeath) => void;
}

/** Ports that not every deployment has. */
export interface FurtherPorts {
  readonly hasLocal?: boolean;
  readonly hasSentinel?: boolean;
  readonly hasBus?: boolean;
}

export function addressesOf(
  nodes: number,
  basePort: number,
  { hasLocal = false, hasSentinel = false, hasBus = false }: FurtherPorts = {},
): NodeAddresses[] {
  return Array.from({ length: nodes }, (_, i) => ({
    node: `node${i + 1}`,
    clients: basePort + i,
    peers: basePort + 1_000 + i,
    http: basePort + 2_000 + i,
    local: hasLocal ? basePort + 3_000 + i : null,
    sentinel: hasSentinel ? basePort + 20_000 + i : null,
    bus: hasBus ? basePort + 10_000 + i : null,
  }));
}

/** The command of one node. Secrets and passwords are named by file, never given. */
export function commandFor(options: DeploymentOptions, own: NodeAddresses): string[] {
  const { directory, addresses, server, logLimit, relayThreads, passwordFile, secretFile } =
    options;
  const peers = addresses.map((each) => `127.0.0.1:${each.peers}`).join(',');
  const flags: [string, string | null][] = [
    ['--name', 'local'],
    ['--consistency', options.isEventual === true ? 'eventual' : null],
    ['--shards', textOf(options.shards?.count)],
    ['--replicas', textOf(options.shards?.replicas)],
    ['--bus-port', textOf(own.bus)],
    ['--node', own.node],
    ['--dir', directory.nodeDirectory(own.node)],
    ['--peers', peers],
    ['--port', String(own.clients)],
    ['--peer-port', String(own.peers)],
    ['--http-port', String(own.http)],
    ['--local-port', textOf(own.local)],
    ['--sentinel-port', own.sentinel === null ? 'none' : String(own.sentinel)],
    // A secret or a password would open these ports to the network.
    ['--bind', '127.0.0.1'],
    ['--secret-file', secretFile],
    ['--server', server],
    ['--log-limit', logLimit],
    ['--relay-threads', relayThreads],
    ['--password-file', passwordFile],
    ['--import-data', own === addresses[0] ? (options.importData ?? null) : null],
  ];
  return [
    ...options.program,
    'start',
    ...flags.flatMap(([flag, v]) => (v === null ? [] : [flag, v])),
  ];
}

/** Null: the flag is left out. */
function textOf(value: number | null | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

export class Deployment {
  readonly #options: DeploymentOptions;
  readonly #agents: readonly AgentProcess[];
  /** The servers that are known to run, by pid: to be sure at the end that none is left. */
  readonly #servers = new Set<number>();

  constructor(options: DeploymentOptions) {
    this.#options = options;
    this.#agents = options.addresses.map(
      (own) =>
        new AgentProcess({
          node: own.node,
          command: commandFor(options, own),
          environment: options.environment,
          logFile: join(options.directory.nodeDirectory(own.node), 'agent.log'),
          restart: options.restart,
          onDeath: options.onDeath,
        }),
    );
  }

  get addresses(): readonly NodeAddresses[] {
    return this.#options.addresses;
  }

  start(): void {
    for (const agent of this.#agents) agent.start();
  }

  agent(node: string): AgentProcess | null {
    return this.#agents.find((agent) => agent.node === node) ?? null;
  }

  async look(): Promise<Picture> {
    for (const agent of this.#agents) agent.rotateLog();
    const sights = await Promise.all(
      this.addresses.map(async (addresses) => {
        const answer = await askStatus(addresses.http);
        const server = answer.status?.server.pid;
        if (server) this.#servers.add(server);
        return { addresses, pid: this.agent(addresses.node)?.pid ?? null, ...answer };
      }),
    );
    return pictureOf(sights);
  }

  /** Stops every agent, within a bound, and leaves no server behind. */
  async stop(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.stop(STOP_PATIENCE_MS)));
    const deadline = Date.now() + SERVERS_GONE_MS;
    while (this.#serversLeft().length > 0 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, SERVERS_LOOK_MS));
    for (const pid of this.#serversLeft()) process.kill(pid, 'SIGKILL');
  }

  #serversLeft(): number[] {
    // A number may belong to another process by now.
    return [...this.#servers].filter((pid) => /redis|valkey/.test(commandOf(pid)));
  }
}
