/**
 * What must hold after every step. Costs a few comparisons per peer, so it is always on: a node
 * that finds itself wrong halts before it can tell anybody.
 */
import { assert } from '../../assert.ts';
import type { LogIndex } from '../scalars.ts';
import type { HardState } from './protocol.ts';
import type { Leader, State } from './state.ts';

export class Invariants {
  #hard: HardState;
  #committed: LogIndex;

  constructor(s: State) {
    this.#hard = s.hard;
    this.#committed = s.committed;
  }

  check(s: State): void {
    const { hard, trail, committed, persisted, role } = s;
    assert(hard.term >= this.#hard.term, 'the term only grows');
    assert(
      hard.term > this.#hard.term ||
        this.#hard.votedFor === null ||
        hard.votedFor === this.#hard.votedFor,
      'a vote given in a term stays',
    );
    assert(s.savedHard.term <= hard.term, 'the disk does not know a later term');
    assert(committed >= this.#committed, 'what is committed only grows');
    assert(trail.base.index <= committed, 'only what is committed is compacted');
    assert(committed <= trail.last.index, 'what is committed is in the log');
    assert(trail.last.term <= hard.term, 'no entry is newer than the term');
    assert(persisted.index <= trail.last.index, 'what is persisted is in the log');
    assert(persisted.index >= trail.base.index, 'the base is persisted');
    if (role.kind === 'leader') checkLeader(s, role);
    this.#hard = hard;
    this.#committed = committed;
  }
}

function checkLeader(s: State, leader: Leader): void {
  const { last } = s.trail;
  assert(s.isHardSaved && s.hard.votedFor === s.id, 'a leader voted for itself, on disk');
  const isLeaving = s.roster.index > s.committed;
  assert(s.isVoter || isLeaving, 'a leader is a voter, or its removal is not committed');
  assert(last.term === s.term, 'a leader ends its log with its own term');
  assert(s.installing === null, 'a leader installs no snapshot');
  for (const peer of leader.peers) {
    assert(peer.match <= last.index, 'a peer matches no more than the leader has');
    assert(peer.round <= leader.rounds.last, 'no round is echoed before it began');
    if (peer.progress.state === 'restoring') continue;
    assert(peer.progress.next > peer.match, 'a peer is not sent what it has');
    assert(peer.progress.next <= last.index + 1, 'a peer is not sent what does not exist');
  }
}
