/** Who is who: a node is a directory, and a host may have another one than before. */
import { type NodeId, nodeId } from '../src/core/scalars.ts';

/** The id of the node on a host whose directory is the n-th one. */
export function idOn(host: string, directory: number): NodeId {
  return nodeId(`${host}@${directory.toString(16).padStart(8, '0')}`);
}

export function hostOf(id: NodeId): string {
  return id.slice(0, id.indexOf('@'));
}
