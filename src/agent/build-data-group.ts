/** This node's part of the data group, over the files that were opened for it. */
import { randomBytes } from 'node:crypto';
import { founded } from '../core/raft/configuration.ts';
import { FETCH_LIMITS } from '../core/raft/fetch.ts';
import type { SnapshotMeta } from '../core/raft/protocol.ts';
import type { Mesh } from '../io/peers/mesh.ts';
import type { ClientDoors } from './client-doors.ts';
import type { NodeConfig } from './config.ts';
import type { Membership } from './founding/membership.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import { monotonicMs } from './monotonic.ts';
import { journalNotice } from './notice-journal.ts';
import type { OwnServer } from './own-server.ts';
import { DATA_GROUP, DataGroup } from './shard/data-group.ts';
import type { DataGroupOptions } from './shard/group-options.ts';
import type { OpenedShard } from './shard/open-shard.ts';
import type { ShardMember } from './shard/shard-member.ts';
import { WitnessGroup } from './shard/witness-group.ts';
import type { RelayRoute } from './strong/relay-route.ts';

export interface ShardParts {
  readonly config: Pick<NodeConfig, 'logLimitBytes' | 'leaseReads'>;
  readonly files: OpenedShard;
  readonly membership: Membership;
  readonly mesh: Mesh;
  readonly route: RelayRoute;
  readonly journal: Journal;
  readonly announceSnapshot: (snapshot: SnapshotMeta) => void;
  readonly fatal: (error: Error) => void;
}

export interface DataGroupParts extends ShardParts {
  readonly historyId: string;
  readonly server: OwnServer;
  readonly clients: ClientDoors;
}

/** Started, and told who is up. */
export function buildDataGroup(parts: DataGroupParts): DataGroup {
  const { historyId, server, route, clients, membership } = parts;
  const options = optionsOf(parts);
  const group = new DataGroup({
    ...options,
    historyId,
    server,
    relay: route,
    watch: clients.watch,
    limits: { ...options.limits, heldBytesMax: clients.heldBytesMax },
    soon: setImmediate,
  });
  return started(group, membership);
}

/** The same without a server. */
export function buildWitness(parts: ShardParts): WitnessGroup {
  const { route, membership } = parts;
  const setLeader = route.setLeader.bind(route);
  return started(new WitnessGroup({ ...optionsOf(parts), setLeader }), membership);
}

function optionsOf({ config, files, membership, mesh, journal, ...parts }: ShardParts) {
  return {
    id: membership.id,
    configuration: founded(membership.founders),
    configurations: files.configurations,
    opened: files.opened,
    index: files.index,
    peers: {
      send: (to, message) => mesh.send(DATA_GROUP, to, message),
      sendTransfer: (to, message) => mesh.sendTransfer(DATA_GROUP, to, message),
      sendRead: (to, message) => mesh.note(to, 'read', message),
      announceSnapshot: parts.announceSnapshot,
    },
    logLimitBytes: config.logLimitBytes,
    limits: LIMITS,
    fetchLimits: FETCH_LIMITS,
    leases: config.leaseReads ? { nowMs: monotonicMs, tickMs: LIMITS.tickMs } : null,
    entropy: () => randomBytes(4).readUInt32BE(),
    note: (level, event, facts) => journal[level](event, facts),
    onNotice: (notice) => journalNotice(journal, notice),
    fatal: parts.fatal,
  } satisfies Partial<DataGroupOptions>;
}

function started<Member extends ShardMember>(member: Member, { up }: Membership): Member {
  member.start();
  for (const peer of up.keys()) member.peerFound(peer);
  return member;
}
