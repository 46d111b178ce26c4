/** Which of Raft's words people want to read afterwards. */
import type { Notice } from '../core/raft/driver.ts';
import type { Journal } from './journal.ts';

/** `of` goes before the name of each event: of another group than the data's. */
export function journalNotice(journal: Journal, notice: Notice, of = ''): void {
  switch (notice.kind) {
    case 'becameLeader':
      journal.info(`${of}election.won`, { term: notice.term });
      return;
    case 'steppedDown':
      journal.info(`${of}leader.steppedDown`, { term: notice.term, why: notice.why });
      return;
    case 'transfer':
      journal.info(`${of}transfer.${notice.state}`, { to: notice.to, why: notice.why });
      return;
    case 'configurationChanged': {
      const { voters, learners, decision } = notice.configuration;
      const facts = { index: notice.index, voters, learners, decision };
      journal.info(`${of}members.${notice.state}`, facts);
      return;
    }
    case 'changeRefused': {
      const { kind, node } = notice.change;
      journal.warn(`${of}members.refused`, { change: kind, node, why: notice.why });
      return;
    }
    case 'toldRemoved':
      journal.warn(`${of}members.toldRemoved`, { by: notice.by, index: notice.index });
      return;
    default:
      return;
  }
}
