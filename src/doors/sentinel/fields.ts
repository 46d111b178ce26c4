/**
 * What Sentinel tells of a master, a replica and another Sentinel: names, order and types are those
 * of redis-sentinel 7.0.15 (`addReplySentinelRedisInstance`), the values are the deployment's.
 */
import { createHash } from 'node:crypto';
import type { DataNode, DoorNode, Topology } from '../topology.ts';

/** Since when something is as it is, ms ago. */
export interface Ages {
  /** Up, or gone. */
  presence(node: DoorNode): number;
  /** Primary, or replica. */
  role(node: DoorNode): number;
}

export interface Scene {
  readonly topology: Topology;
  readonly ages: Ages;
}

export type Fields = readonly (readonly [name: string, value: string])[];

/** Sentinel's own default: nobody is preferred. */
const PRIORITY = '100';

export function serverId(node: DoorNode): string {
  return createHash('sha1').update(`server ${node.id}`).digest('hex');
}

/** Of the node as a Sentinel: another than that of its server, and kept over restarts. */
export function sentinelId(node: DoorNode): string {
  return createHash('sha1').update(`sentinel ${node.id}`).digest('hex');
}

export function addressText({ host, port }: DoorNode): string {
  return `${host}:${port}`;
}

/** Enough voters are there to say together that the primary is gone. */
export function isObjectivelyDown({ primary, votersUp, quorum }: Topology): boolean {
  return primary !== null && !primary.isUp && votersUp >= quorum;
}

export function masterFields(name: string, primary: DataNode, scene: Scene): Fields {
  const { topology, ages } = scene;
  const isAgreed = isObjectivelyDown(topology);
  return [
    ...link(name, primary, serverId(primary), 'master', scene, isAgreed),
    ['info-refresh', String(silence(primary, ages))],
    ['role-reported', 'master'],
    ['role-reported-time', String(ages.role(primary))],
    ['config-epoch', String(topology.epoch)],
    ['num-slaves', String(topology.replicas.length)],
    ['num-other-sentinels', String(topology.others.length)],
    ['quorum', String(topology.quorum)],
    ['failover-timeout', String(topology.failoverMs)],
    ['parallel-syncs', '1'],
  ];
}

export function replicaFields(replica: DataNode, scene: Scene): Fields {
  const { ages, topology } = scene;
  const { primary } = topology;
  const isLinked = replica.isUp && replica.isLevel && primary?.isUp === true;
  return [
    ...link(addressText(replica), replica, serverId(replica), 'slave', scene),
    ['info-refresh', String(silence(replica, ages))],
    ['role-reported', 'slave'],
    ['role-reported-time', String(ages.role(replica))],
    ['master-link-down-time', String(isLinked ? 0 : silence(replica, ages))],
    ['master-link-status', isLinked ? 'ok' : 'err'],
    ['master-host', primary?.host ?? '?'],
    ['master-port', String(primary?.port ?? 0)],
    ['slave-priority', PRIORITY],
    ['slave-repl-offset', String(replica.offset ?? 0)],
    ['replica-announced', '1'],
  ];
}

export function sentinelFields(door: DoorNode, scene: Scene): Fields {
  const id = sentinelId(door);
  return [
    ...link(id, door, id, 'sentinel', scene),
    ['last-hello-message', String(silence(door, scene.ages))],
    // Nobody votes for a Sentinel here: who leads is the data's own election.
    ['voted-leader', '?'],
    ['voted-leader-epoch', '0'],
  ];
}

function link(
  name: string,
  node: DoorNode,
  runid: string,
  kind: 'master' | 'slave' | 'sentinel',
  { topology, ages }: Scene,
  isAgreed = false,
): Fields {
  const silentMs = String(silence(node, ages));
  const down = ['s_down', ...(isAgreed ? ['o_down'] : [])];
  const flags = node.isUp ? [kind] : [...down, kind, 'disconnected'];
  return [
    ['name', name],
    ['ip', node.host],
    ['port', String(node.port)],
    ['runid', runid],
    ['flags', flags.join(',')],
    ['link-pending-commands', '0'],
    ['link-refcount', '1'],
    ['last-ping-sent', silentMs],
    ['last-ok-ping-reply', silentMs],
    ['last-ping-reply', silentMs],
    ...(node.isUp ? [] : [['s-down-time', silentMs] as const]),
    ...(isAgreed ? [['o-down-time', silentMs] as const] : []),
    ['down-after-milliseconds', String(topology.downAfterMs)],
  ];
}

/** Links are told at once that they are gone: who is up was heard now. */
function silence(node: DoorNode, ages: Ages): number {
  return node.isUp ? 0 : ages.presence(node);
}
