/** What servers of a trial hear from each other: who is there, where, and whose the slots are. */
import type { ClusterNodeId } from '../../cluster/nodes-text.ts';
import { SLOTS_ALL } from '../../cluster/slots.ts';
import type { TrialServer, TrialSharded } from './trial-sharded.ts';

/** Until nobody has anything new to tell. */
export function gossip(trial: TrialSharded): void {
  for (const part of partsOf(trial.up())) {
    spreadNames(part);
    spreadSlots(trial, part);
  }
}

/** Both know each other, and one of them knows where the other is. */
export function areLinked(one: TrialServer, other: TrialServer): boolean {
  const [there, back] = [one.knows.get(other.id), other.knows.get(one.id)];
  if (there === undefined || back === undefined) return false;
  return there === other.port || back === one.port;
}

export function follow(node: TrialServer, primary: TrialServer): void {
  node.primary = primary.id;
  node.isLinked = false;
}

function partsOf(servers: readonly TrialServer[]): TrialServer[][] {
  const left = new Set(servers);
  const parts: TrialServer[][] = [];
  for (const start of left) {
    left.delete(start);
    const part = [start];
    for (const one of part)
      for (const other of left)
        if (areLinked(one, other)) {
          left.delete(other);
          part.push(other);
        }
    parts.push(part);
  }
  return parts;
}

function spreadNames(part: readonly TrialServer[]): void {
  const told = new Map<ClusterNodeId, number>();
  for (const { knows } of part) for (const [id, port] of knows) told.set(id, port);
  for (const { id, port } of part) if (part.length > 1) told.set(id, port);
  for (const { id, knows, bans } of part)
    for (const [other, port] of told)
      if (other !== id && (knows.has(other) || !bans.has(other))) knows.set(other, port);
}

/** The later epoch wins; who loses keys of a slot drops them, who loses all of them follows. */
function spreadSlots(trial: TrialSharded, part: readonly TrialServer[]): void {
  const [one] = part;
  if (part.every(({ owners }) => owners.every((owner, slot) => owner === one?.owners[slot])))
    return;
  const primaries = part.filter(({ primary }) => primary === null);
  const sorted = primaries.toSorted((a, b) => b.epoch - a.epoch);
  const had = new Map(primaries.map((node) => [node, trial.ownedBy(node).length]));
  for (let slot = 0; slot < SLOTS_ALL; slot++) {
    const best = sorted.find(({ owners, number }) => owners[slot] === number);
    if (best === undefined) continue;
    for (const node of part) {
      if (node.owners[slot] === best.number) continue;
      if (node.owners[slot] === node.number && node.primary === null) node.keys.delete(slot);
      node.owners[slot] = best.number;
    }
  }
  for (const node of primaries)
    if (had.get(node) !== 0 && trial.ownedBy(node).length === 0) lostAll(trial, node, part);
}

/** A failover was it when another has its place; a move leaves an empty primary. */
function lostAll(trial: TrialSharded, node: TrialServer, part: readonly TrialServer[]): void {
  const heir = part.find(
    ({ id, primary }) => primary === null && trial.tookOver.get(node.id) === id,
  );
  if (heir !== undefined) follow(node, heir);
}
