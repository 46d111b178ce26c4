/** What a node of a group notices, in one line of the event log. */
import type { Notice } from '../src/core/raft/driver.ts';
import type { Configuration } from '../src/core/raft/protocol.ts';

export function describeNotice(notice: Notice): string {
  switch (notice.kind) {
    case 'commit':
      return `commit ${notice.upTo.index}/${notice.upTo.term}`;
    case 'accepted':
      return `accepted ${notice.first}..${notice.last}`;
    case 'refused':
      return `refused: ${notice.why}`;
    case 'becameLeader':
      return `leads term ${notice.term} from ${notice.noop.index}`;
    case 'steppedDown':
      return `no longer leads term ${notice.term}: ${notice.why}`;
    case 'leaderChanged':
      return `follows ${notice.leader ?? 'nobody'} in term ${notice.term}`;
    case 'roundConfirmed':
      return `round ${notice.round} confirmed`;
    case 'configurationChanged':
      return `members ${notice.state} at ${notice.index}: ${showMembers(notice.configuration)}`;
    case 'changeRefused':
      return `refused to ${notice.change.kind} ${notice.change.node}: ${notice.why}`;
    case 'toldRemoved':
      return `is told by ${notice.by} that it was removed before ${notice.index}`;
    case 'transfer':
      return `transfer ${notice.state} to ${notice.to ?? '?'}: ${notice.why}`;
    case 'installed':
      return `installed ${notice.snapshot.id}`;
  }
}

export function showMembers({ voters, learners, decision }: Configuration): string {
  const learning = learners.length === 0 ? '' : ` learning ${learners.join()}`;
  return `${voters.join()}${learning}${decision === 0 ? '' : ` by decision ${decision}`}`;
}
