/** The server beside this node, and the door at which it is fed. */
import { randomBytes } from 'node:crypto';
import { CONF_LIMITS } from '../io/server/conf.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import { findSetpriv } from '../io/server/process.ts';
import type { AgreedSettings } from './agreed-settings.ts';
import type { ClientDoors } from './client-doors.ts';
import type { NodeConfig } from './config.ts';
import { FeedListener } from './feed-listener.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import { OwnServer } from './own-server.ts';
import { ServerClients } from './server-clients.ts';
import { linesOf } from './server-settings.ts';
import type { DataGroup } from './shard/data-group.ts';

const FEED_USER = 'althing-feed';
/** Connections of the agent's own beside those of its clients. */
const SERVER_CLIENTS_SPARE = 64;

export interface OwnServerParts {
  readonly config: Pick<
    NodeConfig,
    'dir' | 'password' | 'users' | 'relayThreads' | 'bind' | 'localPort'
  >;
  readonly located: LocatedServer;
  readonly settings: AgreedSettings;
  readonly historyId: () => string;
  readonly clients: ClientDoors;
  readonly group: () => DataGroup | null;
  readonly journal: Journal;
}

export interface BuiltServer {
  readonly server: OwnServer;
  readonly serverClients: ServerClients;
  readonly feedListener: FeedListener;
}

/** Nothing runs yet but the feed's listener. */
export async function buildOwnServer(parts: OwnServerParts): Promise<BuiltServer> {
  const { config, located, clients, journal, group } = parts;
  const feedPassword = randomBytes(32).toString('hex');
  const feedListener = new FeedListener({
    auth: { user: FEED_USER, password: feedPassword },
    onWanted: (wire, replid, offset) => {
      const feed = group()?.feed;
      if (feed === undefined) wire.close();
      else feed.wanted(wire, replid, offset);
    },
    onAcknowledged: (offset) => group()?.feed.acknowledged(offset),
    onHeard: () => group()?.feed.heard(),
    onDrained: () => group()?.feed.drained(),
    onGone: () => group()?.feed.disconnected(),
    onRefused: (why) => journal.warn('feed.refused', { why }),
  });
  const port = await feedListener.start();
  const setpriv = await findSetpriv();
  if (setpriv === null)
    journal.warn('server.unguarded', {
      why: 'no setpriv with --pdeathsig here: a server may outlive an agent that is killed',
      todo: 'install util-linux 2.33 or newer',
    });
  // Each thread has a fence of its own.
  const connectionsMax = LIMITS.clientsMax + SERVER_CLIENTS_SPARE + config.relayThreads;
  const { bind, localPort, password, users } = config;
  const local = localPort === null ? null : { host: bind.client, port: localPort };
  const serverClients = new ServerClients({ password, users, local });
  const server = new OwnServer({
    program: located.path,
    flavor: located.flavor,
    setpriv,
    runDir: `${config.dir}/server`,
    clientPassword: config.password,
    clients: serverClients,
    settingLines: () => linesOf(parts.settings.atStart()),
    confLimits: { ...CONF_LIMITS, clientsMax: connectionsMax },
    feed: { port, user: FEED_USER, password: feedPassword },
    historyId: parts.historyId,
    journal,
    onCommands: (commands) => clients.learn(commands),
    settled: () => clients.settled,
  });
  return { server, serverClients, feedListener };
}
