/**
 * What every eventual deployment's node has, of one shard or of many: its server with the record of
 * its data, as it is opened, and what the rest of the node may know of both.
 */
import { createHmac } from 'node:crypto';
import type { EventualSpec } from '../core/control/spec.ts';
import type { Primary } from '../core/control/state.ts';
import type { Standing } from '../core/plan/observation.ts';
import type { NodeId } from '../core/scalars.ts';
import { endpointOf } from '../doors/topology.ts';
import { CONF_LIMITS } from '../io/server/conf.ts';
import type { ClusterConf } from '../io/server/eventual-conf.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import { findSetpriv } from '../io/server/process.ts';
import type { Disk } from '../io/storage/ports.ts';
import type { AgreedSettings } from './agreed-settings.ts';
import type { NodeConfig } from './config.ts';
import type { ServerSeen } from './eventual/ports.ts';
import type { Losses } from './eventual-losses.ts';
import { FileRecord } from './eventual-record.ts';
import { OwnEventualServer } from './eventual-server.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import type { RolesPlayed } from './roles-played.ts';
import { linesOf } from './server-settings.ts';

/** Of the agent's own connections beside those of clients and replicas. */
const SERVER_CLIENTS_SPARE = 128;

export interface EventualPartOptions {
  readonly config: NodeConfig & { readonly eventual: EventualSpec };
  readonly disk: Disk;
  readonly journal: Journal;
  /** Null for a witness. */
  readonly located: LocatedServer | null;
  readonly settings: AgreedSettings | null;
  readonly self: () => NodeId;
  /** Data from elsewhere are here, as this node says to the others. */
  readonly imports: () => boolean;
  /** Of the deployment. */
  readonly deployment: () => string;
  readonly clientAddress: () => string;
  readonly peers: () => Iterable<NodeId>;
  /** Where clients find a node. */
  readonly addressOf: (node: NodeId) => string;
  /** Who leads the control group, as far as it is known here. */
  readonly controlLeader: () => NodeId | null;
  readonly note: (to: NodeId, topic: string, body: unknown) => void;
  /** What this node says of itself is another. */
  readonly announce: () => void;
  readonly fatal: (error: Error) => void;
}

/** This node's part of an eventual deployment. */
export interface EventualPart extends RolesPlayed {
  /** Null for a witness. */
  readonly server: OwnEventualServer | null;
  readonly keeper: {
    readonly standing: Standing;
    readonly seenShown: ServerSeen | null;
    readonly seenLast: ServerSeen | null;
  } | null;
  /** The id that its server has in its cluster; null: it has none, or none yet. */
  readonly serverId: string | null;
  /** Who was appointed where there is one shard, opened or not. */
  readonly primary: Primary | null;
  /** Its server takes writes, as far as this node knows. */
  readonly isOpen: boolean;
  /** For how long some shard has had no primary that is open and in sight, ms. */
  readonly withoutPrimaryMs: number;
  readonly losses: Losses | null;
  standingOf(node: NodeId): Standing | null;
  /** Rejects when a port is not to be had. The server starts when its role is known. */
  start(): Promise<void>;
  tick(): void;
  noted(from: NodeId, topic: string, body: unknown): void;
  peerLost(peer: NodeId): void;
  /** Nothing is decided, asked or answered here any more. */
  stop(): void;
  /** Resolves when the server is gone. */
  end(): Promise<void>;
}

export interface OpenedServer {
  readonly server: OwnEventualServer;
  readonly record: FileRecord;
}

export interface ServerHooks {
  /** Null: it is no node of a cluster. */
  readonly cluster: (() => ClusterConf) | null;
  /** While its files are as the last life has left them. */
  readonly beforeStarting: (record: FileRecord) => Promise<void>;
  /** Before it takes somebody else's data for its own. */
  readonly beforeFollowing: () => Promise<void>;
}

/** Nothing runs yet. */
export async function openServer(
  parts: EventualPartOptions,
  program: { readonly located: LocatedServer; readonly settings: AgreedSettings },
  hooks: ServerHooks,
): Promise<OpenedServer> {
  const { config, disk, journal, fatal } = parts;
  const { located, settings } = program;
  const dataDir = `${config.dir}/data`;
  const seen = () => server.fileSeen;
  const record = await FileRecord.open({ disk, dataDir, seen, journal, fatal });
  const setpriv = await findSetpriv();
  if (setpriv === null)
    journal.warn('server.unguarded', {
      why: 'no setpriv with --pdeathsig here: a server may outlive a warden that is killed',
      todo: 'install util-linux 2.33 or newer',
    });
  const listen = { host: config.bind.client, port: config.ports.client };
  const server: OwnEventualServer = new OwnEventualServer({
    program: located.path,
    flavor: located.flavor,
    setpriv,
    runDir: `${config.dir}/server`,
    dataDir,
    listen,
    announced: () => endpointOf(parts.clientAddress()) ?? listen,
    clientPassword: config.password,
    users: config.users,
    replicaPassword: () => ownPassword(parts, 'replicas'),
    cluster: hooks.cluster,
    settingLines: () => linesOf(settings.atStart()),
    limits: { ...CONF_LIMITS, clientsMax: LIMITS.clientsMax + SERVER_CLIENTS_SPARE },
    beforeStarting: () => hooks.beforeStarting(record),
    beforeFollowing: hooks.beforeFollowing,
    journal,
  });
  return { server, record };
}

/**
 * Of the deployment's own users on its servers: all nodes know it, and nobody else where there is a
 * secret. Without one nodes are on loopback only.
 */
export function ownPassword(
  { config, deployment }: EventualPartOptions,
  of: 'replicas' | 'arranging',
): string {
  return createHmac('sha256', config.secret ?? '')
    .update(`althing ${of} 1 ${deployment()}`)
    .digest('hex');
}
