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
    case 'configurationChanged': {
      const { voters, learners, decision } = notice.configuration;
      const facts = { index: notice.index, voters, learners, decision };
      journal.info(`members.${notice.state}`, facts);
      return;
    }
    case 'changeRefused': {
      const { kind, node } = notice.change;
      journal.warn('members.refused', { change: kind, node, why: notice.why });
      return;
    }
    case 'toldRemoved':
      journal.warn('members.toldRemoved', { by: notice.by, index: notice.index });
      return;
    default:
      return;
  }
}
