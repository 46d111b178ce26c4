/** Looks at a cluster: from one node to all that anybody knows, each asked for its own view. */
import { type NodeLine, parseNodes } from '../../core/cluster/nodes-text.ts';
import type { MissingNode, Observation, SeenNode } from '../../core/cluster/observation.ts';
import { slotsOf } from '../../core/cluster/slots.ts';
import { ErrorReply } from '../../core/resp/reply-reader.ts';
import { type Address, type Connection, textOf } from './connection.ts';
import type { Connections } from './connections.ts';
import { ClusterError } from './errors.ts';

/** The specification's own bound on the nodes of a cluster. */
const NODES_MAX = 1_000;

/** Rejects when the first node cannot be asked, with why; the others are found missing. */
export async function observe(connections: Connections, entry: Address): Promise<Observation> {
  const asked = await look(connections, entry);
  // By the address that the others know, where it can be reached by it from here as well.
  const known = await lookFor(connections, asked.self);
  const first = typeof known === 'string' ? asked : known;
  const nodes = new Map<string, SeenNode>([[first.id, first]]);
  const missing = new Map<string, MissingNode>();
  for (;;) {
    const lines = [...nodes.values()].flatMap(({ view }) => view);
    const next = new Map(
      lines
        .filter((line) => !nodes.has(line.id) && !missing.has(line.id) && isMember(line))
        .map((line) => [line.id, line]),
    );
    if (next.size === 0 || nodes.size + missing.size > NODES_MAX) break;
    await Promise.all(
      [...next.values()].map(async (line) => {
        const found = await lookFor(connections, line);
        if (typeof found === 'string') missing.set(line.id, missingOf(line, found, lines));
        else nodes.set(found.id, found);
      }),
    );
  }
  const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
  return {
    nodes: [...nodes.values()].sort(byId),
    missing: [...missing.values()].sort(byId),
  };
}

/** Of one node, whoever it is. Rejects with `ClusterError`. */
export async function look(connections: Connections, address: Address): Promise<SeenNode> {
  const connection = await connections.to(address);
  const [nodes, info, keys, replication] = await Promise.all([
    connection.call(['CLUSTER', 'NODES']),
    connection.call(['CLUSTER', 'INFO']),
    connection.call(['DBSIZE']),
    connection.call(['INFO', 'replication']),
  ]);
  const where = `${address.host}:${address.port}`;
  if (nodes instanceof ErrorReply)
    throw new ClusterError(
      nodes.text.includes('cluster support disabled') ? 'NOT_A_CLUSTER' : 'NODE_REFUSED',
      `${where}: ${textOf(nodes.text)}`,
    );
  const view = parseNodes(textOf(String(nodes)));
  const self = view?.find(({ flags }) => flags.includes('myself'));
  if (view === null || self === undefined)
    throw new ClusterError('NOT_A_CLUSTER', `${where} does not answer as a node of a cluster`);
  return {
    id: self.id,
    ...address,
    self,
    view,
    keys: typeof keys === 'number' ? keys : 0,
    isStateOk: String(info).includes('cluster_state:ok'),
    isLinkUp: String(replication).includes('master_link_status:up'),
  };
}

/** `noaddr`: nobody can say where it is. `handshake`: it has no id of its own yet. */
function isMember({ flags }: NodeLine): boolean {
  return !flags.includes('handshake');
}

async function lookFor(connections: Connections, line: NodeLine): Promise<SeenNode | string> {
  if (line.flags.includes('noaddr') || line.host === '') return 'nobody knows its address';
  try {
    const found = await look(connections, { host: line.host, port: line.port });
    return found.id === line.id ? found : 'another node is at its address';
  } catch (error) {
    if (error instanceof ClusterError) return error.message;
    throw error;
  }
}

function missingOf(line: NodeLine, why: string, lines: readonly NodeLine[]): MissingNode {
  const { id, host, port, primary } = line;
  const told = lines.filter((other) => other.id === id);
  return {
    ...{ id, host, port, primary, why },
    isPrimary: line.isPrimary,
    slots: [...new Set(told.flatMap(({ slots }) => slotsOf(slots)))].sort((a, b) => a - b),
  };
}

/** Asked about at one time, so that the bound on an answer is one for few of them. */
const COUNTS_AT_ONCE = 1_024;

/** How many keys each of these slots has there. */
export async function countKeys(
  connection: Connection,
  slots: readonly number[],
): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (let from = 0; from < slots.length; from += COUNTS_AT_ONCE) {
    const some = slots.slice(from, from + COUNTS_AT_ONCE);
    const replies = await Promise.all(
      some.map((slot) => connection.must(['CLUSTER', 'COUNTKEYSINSLOT', String(slot)])),
    );
    for (const [at, slot] of some.entries()) counts.set(slot, Number(replies[at]));
  }
  return counts;
}

/** What servers at these addresses say; who does not answer is missing, as far as one knows it. */
export async function lookAtAll(
  connections: Connections,
  addresses: readonly Address[],
): Promise<Observation> {
  const looks = await Promise.allSettled(addresses.map((address) => look(connections, address)));
  const nodes = new Map<string, SeenNode>();
  for (const result of looks) {
    if (result.status === 'fulfilled') nodes.set(result.value.id, result.value);
    else if (!(result.reason instanceof ClusterError)) throw result.reason;
  }
  const lines = [...nodes.values()].flatMap(({ view }) => view);
  const missing = new Map<string, MissingNode>();
  for (const line of lines)
    if (isMember(line) && !nodes.has(line.id) && !missing.has(line.id))
      missing.set(line.id, missingOf(line, 'it does not answer', lines));
  return { nodes: [...nodes.values()], missing: [...missing.values()] };
}

export interface ServerMemory {
  readonly usedBytes: number;
  /** Null: it has no limit. */
  readonly maxBytes: number | null;
}

/** Null when it does not say. */
export async function memoryOf(connection: Connection): Promise<ServerMemory | null> {
  const text = String(await connection.call(['INFO', 'memory']));
  const used = /^used_memory:(\d+)/m.exec(text)?.[1];
  const max = Number(/^maxmemory:(\d+)/m.exec(text)?.[1] ?? 0);
  return used === undefined ? null : { usedBytes: Number(used), maxBytes: max > 0 ? max : null };
}
