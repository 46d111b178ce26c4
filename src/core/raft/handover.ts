/**
 * Leadership transfer (thesis §3.10): take no proposals, bring the heir level, tell it to
 * campaign. After one election timeout a transfer is given up and proposals are taken again; a
 * resignation ends in stepping down.
 */
import { assert } from '../../assert.ts';
import type { NodeId } from '../scalars.ts';
import type { Peer } from './progress.ts';
import { becomeFollower, beQuiet, dropPromotion } from './roles.ts';
import type { Handover, Leader, State } from './state.ts';

export function onTransferWanted(s: State, to: NodeId | null): void {
  const { role } = s;
  if (role.kind !== 'leader') {
    refuse(s, to, 'this node does not lead');
    return;
  }
  if (role.handover !== null) {
    if (to === null || to !== role.handover.to) refuse(s, to, 'another handover is under way');
    return;
  }
  const heir = to ?? bestHeir(s, role, false)?.id ?? null;
  if (heir === null) refuse(s, to, 'no other voter is in step');
  else if (heir === s.id) refuse(s, to, 'this node leads already');
  else if (s.witnesses.includes(heir)) refuse(s, to, 'a witness leads only where nobody else can');
  else if (!s.configuration.voters.includes(heir)) refuse(s, to, 'only a voter can lead');
  else begin(s, role, { to: heir, isResignation: false, why: 'wanted', ticks: 0, isSent: false });
}

export function onResignWanted(s: State, why: string): void {
  const { role } = s;
  if (role.kind !== 'leader') {
    if (role.kind !== 'follower') becomeFollower(s, s.term, null, why);
    beQuiet(s);
    return;
  }
  if (role.handover?.isResignation === true) return;
  const to = role.handover?.to ?? bestHeir(s, role)?.id ?? null;
  begin(s, role, { to, isResignation: true, why, ticks: 0, isSent: false });
  if (s.isSoleVoter) becomeFollower(s, s.term, null, why);
}

/** Its removal is committed: whoever is level need not wait for a timeout (thesis §4.2.2). */
export function leaveLead(s: State, leader: Leader): void {
  const heir = bestHeir(s, leader);
  if (heir?.match === s.trail.last.index) s.send(heir.id, { kind: 'timeoutNow', term: s.term });
  becomeFollower(s, s.term, null, 'this node was removed');
}

/** Called when anything may have brought the heir level. */
export function pushHandover(s: State, leader: Leader): void {
  const { handover } = leader;
  if (handover === null || handover.to === null || handover.isSent) return;
  const heir = leader.peers.find((peer) => peer.id === handover.to);
  if (heir === undefined || heir.match !== s.trail.last.index) return;
  handover.isSent = true;
  s.send(heir.id, { kind: 'timeoutNow', term: s.term });
  s.emit({ kind: 'transfer', state: 'sent', to: heir.id, why: handover.why });
}

export function onHandoverTick(s: State, leader: Leader): void {
  const { handover } = leader;
  if (handover === null) return;
  handover.ticks++;
  if (handover.ticks >= s.limits.electionTicksMax) {
    giveUp(s, leader, handover);
    return;
  }
  if (handover.to === null) {
    handover.to = bestHeir(s, leader)?.id ?? null;
  } else if (handover.isSent && handover.ticks % s.limits.heartbeatTicks === 0) {
    s.send(handover.to, { kind: 'timeoutNow', term: s.term });
  }
  pushHandover(s, leader);
}

function begin(s: State, leader: Leader, handover: Handover): void {
  dropPromotion(s, leader, 'leadership is being handed over');
  leader.handover = handover;
  s.emit({ kind: 'transfer', state: 'began', to: handover.to, why: handover.why });
  pushHandover(s, leader);
}

function giveUp(s: State, leader: Leader, handover: Handover): void {
  const { to, why, isSent } = handover;
  assert(leader.handover === handover, 'one handover at a time');
  const reason = isSent ? 'the heir was not elected in time' : 'the heir was not level in time';
  s.emit({ kind: 'transfer', state: 'abandoned', to, why: reason });
  if (handover.isResignation) becomeFollower(s, s.term, null, why);
  else leader.handover = null;
}

/**
 * The voter in step that has most, was heard last, and comes first by name. A witness, which brings
 * somebody level before it hands on, only where a leader that cannot stay has nobody else.
 */
function bestHeir(s: State, leader: Leader, mayBeWitness = true): Peer | null {
  const isWitness = ({ id }: Peer) => s.witnesses.includes(id);
  let best: Peer | null = null;
  for (const peer of leader.peers) {
    if (!peer.isVoter || peer.progress.state !== 'streaming') continue;
    if (peer.silentTicks >= s.limits.electionTicksMin) continue;
    if (isWitness(peer) && (!mayBeWitness || best !== null)) continue;
    const isBetter =
      best === null ||
      isWitness(best) ||
      peer.match > best.match ||
      (peer.match === best.match && peer.silentTicks < best.silentTicks);
    if (isBetter) best = peer;
  }
  return best;
}

function refuse(s: State, to: NodeId | null, why: string): void {
  s.emit({ kind: 'transfer', state: 'abandoned', to, why });
}
