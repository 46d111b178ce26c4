/** What `up` sees of its nodes at one moment: its own supervision, and each node's own word. */
import type { Member, Status } from '../../view.ts';

export interface NodeAddresses {
  readonly node: string;
  readonly clients: number;
  readonly peers: number;
  readonly http: number;
  /** Of its server itself, for reads; null: none. */
  readonly local: number | null;
  /** For clients that know Sentinel; null: none. */
  readonly sentinel: number | null;
  /** Where servers of a cluster meet; null: they are none. */
  readonly bus: number | null;
}

export interface NodeSight {
  readonly addresses: NodeAddresses;
  /** Null while its agent is down. */
  readonly pid: number | null;
  /** Null while it does not answer. */
  readonly status: Status | null;
  /** Whether its clients are served now. */
  readonly ready: boolean;
}

export interface Picture {
  readonly nodes: readonly NodeSight[];
  /** The node that leads in the newest term that any node tells of. */
  readonly leader: string | null;
  readonly term: number;
}

export function pictureOf(nodes: readonly NodeSight[]): Picture {
  const claims = nodes
    .filter(({ status }) => status?.role === 'leader' || status?.role === 'primary')
    .map((sight) => ({ leader: sight.addresses.node, term: sight.status?.term ?? 0 }));
  // A paused or cut-off leader still claims its old term; the newest one counts.
  const newest = claims.reduce<{ leader: string | null; term: number }>(
    (best, claim) => (claim.term > best.term ? claim : best),
    { leader: null, term: -1 },
  );
  const term = Math.max(0, ...nodes.map((sight) => sight.status?.term ?? 0));
  return { nodes, leader: newest.leader, term };
}

/** All nodes answer, and serve clients. */
export function isServing(picture: Picture): boolean {
  return picture.leader !== null && picture.nodes.every((sight) => sight.ready);
}

/** What the leader says of a node: its lag is known only there. */
export function memberOf(picture: Picture, node: string): Member | null {
  const leader = picture.nodes.find((sight) => sight.addresses.node === picture.leader);
  return leader?.status?.members.find((member) => member.node === node) ?? null;
}

/** Every problem once, however many nodes tell of it, with the first node that does. */
export function problemsOf(picture: Picture): { node: string; text: string; todo: string }[] {
  const seen = new Map<string, { node: string; text: string; todo: string }>();
  for (const { addresses, status } of picture.nodes) {
    for (const { text, todo } of status?.problems ?? []) {
      if (!seen.has(text)) seen.set(text, { node: addresses.node, text, todo });
    }
  }
  return [...seen.values()];
}
