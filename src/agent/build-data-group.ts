/** This node's part of the data group, over the files that were opened for it. */
import { randomBytes } from 'node:crypto';
import { founded } from '../core/raft/configuration.ts';
import { FETCH_LIMITS } from '../core/raft/fetch.ts';
import type { SnapshotMeta } from '../core/raft/protocol.ts';
import type { Mesh } from '../io/peers/mesh.ts';
import type { ClientDoors } from './client-doors.ts';
import type { NodeConfig } from './config.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import type { Membership } from './membership.ts';
import { monotonicMs } from './monotonic.ts';
import { journalNotice } from './notice-journal.ts';
import type { OwnServer } from './own-server.ts';
import type { RelayRoute } from './relay-route.ts';
import { DATA_GROUP, DataGroup } from './shard/data-group.ts';
import type { OpenedShard } from './shard/open-shard.ts';

export interface DataGroupParts {
  readonly config: Pick<NodeConfig, 'logLimitBytes' | 'leaseReads'>;
  readonly files: OpenedShard;
  readonly membership: Membership;
  readonly historyId: string;
  readonly server: OwnServer;
  readonly mesh: Mesh;
  readonly route: RelayRoute;
  readonly clients: ClientDoors;
  readonly journal: Journal;
  readonly announceSnapshot: (snapshot: SnapshotMeta) => void;
  readonly fatal: (error: Error) => void;
}

/** Started, and told who is up. */
export function buildDataGroup(parts: DataGroupParts): DataGroup {
  const { config, files, membership, server, mesh, route, clients, journal } = parts;
  const group = new DataGroup({
    id: membership.id,
    configuration: founded(membership.founders),
    configurations: files.configurations,
    opened: files.opened,
    index: files.index,
    historyId: parts.historyId,
    server,
    peers: {
      send: (to, message) => mesh.send(DATA_GROUP, to, message),
      sendTransfer: (to, message) => mesh.sendTransfer(DATA_GROUP, to, message),
      sendRead: (to, message) => mesh.note(to, 'read', message),
      announceSnapshot: parts.announceSnapshot,
    },
    relay: route,
    watch: clients.watch,
    logLimitBytes: config.logLimitBytes,
    limits: { ...LIMITS, heldBytesMax: clients.heldBytesMax },
    fetchLimits: FETCH_LIMITS,
    leases: config.leaseReads ? { nowMs: monotonicMs, tickMs: LIMITS.tickMs } : null,
    entropy: () => randomBytes(4).readUInt32BE(),
    soon: setImmediate,
    note: (level, event, facts) => journal[level](event, facts),
    onNotice: (notice) => journalNotice(journal, notice),
    fatal: parts.fatal,
  });
  group.start();
  for (const peer of membership.up.keys()) group.peerFound(peer);
  return group;
}
