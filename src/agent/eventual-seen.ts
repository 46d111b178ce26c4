/** How an eventual deployment's server stands, from what it says of itself. */

import { NOWHERE, SHUT } from '../io/server/eventual-conf.ts';
import { parseInfo, type ServerInfo } from '../io/server/info.ts';
import { NO_HISTORY, type ServerSeen } from './eventual/ports.ts';
import type { FileSeen } from './eventual-record.ts';

/** What it is asked for, in one call: what it says of one is of the same moment as the other. */
export const SEEN_SECTIONS = ['replication', 'persistence'] as const;

/** Both products say so, at the moment at which the data are dropped for somebody else's. */
const EMPTIED = /sync: Flushing old data/;

/**
 * Whether the data were dropped and others have not come yet: a transfer that fails then leaves a
 * server that is empty, and shows the id and offset of what it had (holes H3).
 */
export class EmptiedWatch {
  #state: 'no' | 'untold' | 'told' = 'no';

  said(line: string): void {
    if (EMPTIED.test(line)) this.#state = 'untold';
  }

  /** The same, as it has to be taken. */
  judge(seen: ServerSeen): ServerSeen {
    if (this.#state === 'no') return seen;
    if (this.#state === 'untold') {
      if (!seen.isLoading) this.#state = 'told';
      return { ...seen, isLoading: true };
    }
    if (!seen.isLinkUp) return { ...seen, history: NO_HISTORY, offset: 0 };
    this.#state = 'no';
    return seen;
  }
}

/** The same answer's word on the append-only file; what waits to be written is of it. */
export function fileSeenFrom(text: string): FileSeen | null {
  const info = parseInfo(text);
  const [written, waiting] = [
    numberOf(info, 'aof_current_size'),
    numberOf(info, 'aof_buffer_length'),
  ];
  const { role, replid } = info;
  if (role === null || replid === null || written === null) return null;
  const bytes = written + (waiting ?? 0);
  return { isPrimary: role === 'primary', bytes, history: replid, offset: offsetOf(info) };
}

/**
 * Null for what is no such answer. `minReplicas`: of `min-replicas-to-write`. `clusterServer`: its
 * id in its cluster, null where it is in none.
 */
export function seenFrom(
  text: string,
  minReplicas: number,
  clusterServer: string | null = null,
): ServerSeen | null {
  const info = parseInfo(text);
  const { role, replid, fields } = info;
  if (role === null || replid === null) return null;
  const upstream = role === 'replica' ? addressText(info, 'master_host', 'master_port') : null;
  const isNobody = upstream === textOf(NOWHERE.host, `${NOWHERE.port}`);
  return {
    role,
    history: replid,
    offset: offsetOf(info),
    leftAt: leftAt(info),
    upstream: isNobody ? null : upstream,
    isLinkUp: info.isLinkUp === true,
    isLoading: info.isLoading === true,
    isOnDisk:
      fields.get('aof_enabled') === '1' &&
      // While a sync of the file takes long, answered writes wait up to two seconds for the next.
      fields.get('aof_buffer_length') === '0' &&
      fields.get('aof_last_write_status') === 'ok' &&
      fields.get('aof_rewrite_in_progress') === '0' &&
      fields.get('aof_rewrite_scheduled') === '0' &&
      fields.get('aof_last_bgrewrite_status') === 'ok',
    isShut: minReplicas === Number(SHUT),
    minReplicas,
    ...(clusterServer === null ? {} : { clusterServer }),
    replicas: [...fields].flatMap(([name, value]) => replicaFrom(name, value)),
  };
}

/** `slave0:ip=10.0.0.7,port=6379,state=online,offset=123,lag=0` */
function replicaFrom(name: string, value: string): ServerSeen['replicas'] {
  if (!/^slave\d+$/.test(name)) return [];
  const parts = new Map(value.split(',').map((part) => cut(part, '=')));
  const [ip, port, offset] = [parts.get('ip'), parts.get('port'), Number(parts.get('offset'))];
  if (parts.get('state') !== 'online' || !ip || !port || !Number.isSafeInteger(offset)) return [];
  return [{ address: textOf(ip, port), offset }];
}

/** The first byte that the former history has not in common is `second_repl_offset`. */
function leftAt({ replid2, secondReplOffset }: ServerInfo): number | null {
  if (replid2 === null || replid2 === NO_HISTORY || secondReplOffset === null) return null;
  return Math.max(0, secondReplOffset - 1);
}

function addressText({ fields }: ServerInfo, host: string, port: string): string | null {
  const [hostText, portText] = [fields.get(host), fields.get(port)];
  return hostText === undefined || portText === undefined ? null : textOf(hostText, portText);
}

function offsetOf(info: ServerInfo): number {
  const isReplica = info.role === 'replica';
  return Math.max(0, (isReplica ? numberOf(info, 'slave_repl_offset') : info.replOffset) ?? 0);
}

function numberOf({ fields }: ServerInfo, name: string): number | null {
  const value = Number(fields.get(name));
  return Number.isSafeInteger(value) ? value : null;
}

function textOf(host: string, port: string): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function cut(text: string, at: string): [string, string] {
  const i = text.indexOf(at);
  return [text.slice(0, i), text.slice(i + 1)];
}
