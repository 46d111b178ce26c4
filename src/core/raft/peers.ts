/**
 * Whom a leader feeds: voters and learners of the configuration in force, copies, and for a while
 * those that were just removed, so that they have it in their own logs and stay quiet.
 */
import { type LogIndex, logIndex, type NodeId, sorted } from '../scalars.ts';
import { isMember } from './configuration.ts';
import { Peer, type Standing } from './progress.ts';
import type { Leader, State } from './state.ts';

/** Maximal election timeouts of silence after which a removed node is left to ask. */
const FAREWELL_TIMEOUTS = 4;

/** Sorted; those that the leader knows already keep their progress. */
export function peersOf(s: State, known: readonly Peer[]): Peer[] {
  const { voters, learners } = s.configuration;
  const next = logIndex(s.trail.last.index + 1);
  const leaving = known.filter((peer) => peer.standing !== 'copy').map(({ id }) => id);
  const ids = new Set([...voters, ...learners, ...s.copies, ...leaving]);
  ids.delete(s.id);
  return sorted([...ids]).map((id) => {
    const peer = known.find((candidate) => candidate.id === id) ?? new Peer(id, next);
    setStanding(peer, standingOf(s, id), s.roster.index);
    return peer;
  });
}

/** Removed nodes that have their removal, and know it committed, or are gone, are fed no longer. */
export function releaseRemoved(s: State, leader: Leader, farewell: (peer: Peer) => void): void {
  if (!leader.peers.some(({ standing }) => standing === 'leaving')) return;
  leader.peers = leader.peers.filter((peer) => {
    if (peer.standing !== 'leaving' || peer.leavesAt > s.committed) return true;
    const isTold = peer.match >= peer.leavesAt;
    // What it is sent now tells it that its removal is committed.
    if (isTold) farewell(peer);
    return !isTold && peer.silentTicks < FAREWELL_TIMEOUTS * s.limits.electionTicksMax;
  });
}

function standingOf(s: State, id: NodeId): Standing {
  if (s.configuration.voters.includes(id)) return 'voter';
  if (isMember(s.configuration, id)) return 'learner';
  return s.copies.includes(id) ? 'copy' : 'leaving';
}

function setStanding(peer: Peer, standing: Standing, index: LogIndex): void {
  if (standing === 'leaving' && peer.standing !== 'leaving') peer.leavesAt = index;
  peer.standing = standing;
}
