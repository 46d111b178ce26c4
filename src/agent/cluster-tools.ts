/** `althing cluster` on any cluster: the doors' port, joined from `io/cluster`. */
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import type { ClusterNodeId } from '../core/cluster/nodes-text.ts';
import type { Observation, SeenNode } from '../core/cluster/observation.ts';
import { mayPass, problemsOf } from '../core/cluster/problems.ts';
import type { Slot } from '../core/cluster/slots.ts';
import type { Reply } from '../core/resp/reply-reader.ts';
import type {
  Cluster,
  ClusterAccess,
  ClusterAddress,
  ClusterOrder,
  ClusterTls,
} from '../doors/cluster.ts';
import { Connections } from '../io/cluster/connections.ts';
import { countKeys, look, observe } from '../io/cluster/observe.ts';
import { Performer, settled } from '../io/cluster/perform.ts';
import { SlotMover } from '../io/cluster/slot-mover.ts';

/** A node that does not answer a question within this is as good as gone for people who wait. */
const CALL_MS_MAX = 5_000;

export async function openCluster(entry: ClusterAddress, access: ClusterAccess): Promise<Cluster> {
  const tls = access.tls === null ? null : await tlsOf(access.tls);
  return new OwnCluster(entry, new Connections({ ...access, tls, callMsMax: CALL_MS_MAX }));
}

export async function tlsOf(tls: ClusterTls): Promise<ConnectionOptions> {
  const read = async (path: string | null): Promise<Buffer | undefined> =>
    path === null ? undefined : await readFile(path);
  const [ca, cert, key] = await Promise.all([tls.caFile, tls.certFile, tls.keyFile].map(read));
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.serverName === null ? {} : { servername: tls.serverName }),
    rejectUnauthorized: !tls.isInsecure,
  };
}

class OwnCluster implements Cluster {
  /** A node that stays. */
  #entry: ClusterAddress;
  readonly #connections: Connections;

  constructor(entry: ClusterAddress, connections: Connections) {
    this.#entry = entry;
    this.#connections = connections;
  }

  observe(): Promise<Observation> {
    return observe(this.#connections, this.#entry);
  }

  async settled(msMax: number): Promise<Observation> {
    const open = (seen: Observation): string[] =>
      problemsOf(seen)
        .filter(mayPass)
        .map(({ text }) => text);
    const never = new AbortController().signal;
    return (await settled(this.#connections, this.#entry, open, never, msMax)).seen;
  }

  look(address: ClusterAddress): Promise<SeenNode> {
    return look(this.#connections, address);
  }

  async renew({ host, port }: SeenNode): Promise<SeenNode> {
    const connection = await this.#connections.to({ host, port });
    await connection.must(['CLUSTER', 'RESET', 'HARD']);
    return this.look({ host, port });
  }

  async countKeys(
    nodes: readonly SeenNode[],
    slots: readonly Slot[],
  ): Promise<(node: ClusterNodeId, slot: Slot) => number> {
    const counts = await Promise.all(
      nodes.map(async (node) => {
        const connection = await this.#connections.to(node);
        return [node.id, await countKeys(connection, slots)] as const;
      }),
    );
    const byNode = new Map(counts);
    return (node, slot) => byNode.get(node)?.get(slot) ?? 0;
  }

  async carryOut(order: ClusterOrder): Promise<readonly string[]> {
    const { steps, seen, pace, onMoved, onNote, signal } = order;
    const mover = new SlotMover(this.#connections, pace, onMoved, onNote);
    const leaving = new Set(steps.flatMap((step) => (step.kind === 'reset' ? [step.node] : [])));
    // A node that stays; the newcomer of a plan may not know the others yet.
    const staying = seen.nodes.filter(({ id }) => !leaving.has(id));
    this.#entry = staying.toSorted((a, b) => b.view.length - a.view.length)[0] ?? this.#entry;
    await new Performer(this.#connections, mover, seen, this.#entry).perform(steps, signal);
    return mover.left;
  }

  async call(node: ClusterAddress, words: readonly string[]): Promise<Reply> {
    return (await this.#connections.to(node)).call(words);
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }
}
