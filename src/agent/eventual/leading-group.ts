/** What of the control group grants of leases need, as one value. */
import type { ControlGroup } from '../control/control-group.ts';
import type { LeadingGroup } from './primacy.ts';

export function leadingOf(group: ControlGroup): LeadingGroup {
  return {
    get isCurrent() {
      return group.isCurrent;
    },
    get state() {
      return group.state;
    },
    get appliedIndex() {
      return group.applied.index;
    },
    get committedIndex() {
      return group.raft.committed;
    },
    get nextRound() {
      return group.raft.nextRound;
    },
    get confirmedRound() {
      return group.raft.confirmedRound;
    },
    wantRound: (round) => group.wantRound(round),
    propose: (command, done) => group.propose(command, done),
  };
}
