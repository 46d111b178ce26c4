/** Which of Raft's words people want to read afterwards. */
import type { Notice } from '../core/raft/driver.ts';
import type { Journal } from './journal.ts';

export function journalNotice(journal: Journal, notice: Notice): void {
  switch (notice.kind) {
    case 'becameLeader':
      journal.info('election.won', { term: notice.term });
      return;
    case 'steppedDown':
      journal.info('leader.steppedDown', { term: notice.term, why: notice.why });
      return;
    case 'transfer':
      journal.info(`transfer.${notice.state}`, { to: notice.to, why: notice.why });
      return;
    default:
      return;
  }
}
