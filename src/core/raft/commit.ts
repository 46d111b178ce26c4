/**
 * Which index may be committed (Raft §5.3, §5.4.2).
 *
 * Figure 8: a leader counts replicas only for entries of its own term; what came before commits
 * with them. It counts itself up to what is on its own disk (thesis §10.2.1), and not at all once
 * its own removal is in its log; when that is committed, it leads no longer (thesis §4.2.2).
 */
import { assert } from '../../assert.ts';
import { type LogIndex, logIndex } from '../scalars.ts';
import { leaveLead } from './handover.ts';
import { majorityValue } from './quorum.ts';
import type { Leader, State } from './state.ts';

export function advanceCommit(s: State, leader: Leader): void {
  const matches: number[] = s.isVoter ? [s.persisted.index] : [];
  for (const peer of leader.peers) if (peer.isVoter) matches.push(peer.match);
  const index = logIndex(majorityValue(matches));
  if (index <= s.committed || s.trail.termAt(index) !== s.term) return;
  commitUpTo(s, index);
  if (!s.isVoter && s.roster.index <= s.committed) leaveLead(s, leader);
}

export function commitUpTo(s: State, index: LogIndex): void {
  if (index <= s.committed) return;
  const upTo = s.trail.idAt(index);
  assert(upTo.term <= s.term, 'what is committed is of this term or an earlier one');
  const before = s.committed;
  s.committed = index;
  s.emit({ kind: 'commit', upTo });
  sayCommitted(s, before);
}

/** The configurations that were committed since `before`. */
export function sayCommitted(s: State, before: LogIndex): void {
  for (const step of s.roster.between(before, s.committed))
    s.emit({ kind: 'configurationChanged', state: 'committed', ...step });
}
