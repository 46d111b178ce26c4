/**
 * Faults of ours, put in on purpose from outside the product: each of them must be caught, or the
 * simulator proves nothing.
 */
import type { RaftOptions } from '../src/core/raft/options.ts';
import type { Done, LogStore } from '../src/core/raft/ports.ts';
import type {
  Effect,
  Entry,
  EntryId,
  HardState,
  RaftEvent,
  SnapshotMeta,
} from '../src/core/raft/protocol.ts';
import { Raft } from '../src/core/raft/raft.ts';
import type { LogIndex, Term } from '../src/core/scalars.ts';
import type { Sabotage } from './life.ts';

class PlainLog implements LogStore {
  protected readonly log: LogStore;
  protected readonly defer: (run: () => void) => void;

  constructor(log: LogStore, defer: (run: () => void) => void) {
    this.log = log;
    this.defer = defer;
  }

  saveHardState(hardState: HardState, done: Done): void {
    this.log.saveHardState(hardState, done);
  }

  persist(after: EntryId, entries: readonly Entry[], done: Done): void {
    this.log.persist(after, entries, done);
  }

  read(
    after: EntryId,
    last: EntryId,
    bytesMax: number,
    done: (entries: readonly Entry[] | null) => void,
  ): void {
    this.log.read(after, last, bytesMax, done);
  }

  termAt(index: LogIndex): Term | null {
    return this.log.termAt(index);
  }

  installSnapshot(snapshot: SnapshotMeta, keepSuffix: boolean, done: Done): void {
    this.log.installSnapshot(snapshot, keepSuffix, done);
  }
}

/** Everything is called durable at once, in the right order. */
class DoneBeforeSync extends PlainLog {
  override saveHardState(hardState: HardState, done: Done): void {
    this.log.saveHardState(hardState, ignore);
    this.defer(() => done());
  }

  override persist(after: EntryId, entries: readonly Entry[], done: Done): void {
    this.log.persist(after, entries, ignore);
    this.defer(() => done());
  }
}

class VoteNotWritten extends PlainLog {
  override saveHardState(hardState: HardState, done: Done): void {
    this.log.saveHardState({ term: hardState.term, votedFor: null }, done);
  }
}

class SuffixKeptUnderSnapshot extends PlainLog {
  override installSnapshot(snapshot: SnapshotMeta, _keepSuffix: boolean, done: Done): void {
    this.log.installSnapshot(snapshot, true, done);
  }
}

function ignore(): void {}

/** Acknowledges entries while they are on their way to the disk. */
class AcknowledgesBeforeSync extends Raft {
  override step(event: RaftEvent): readonly Effect[] {
    if (event.kind === 'entriesPersisted') return [];
    const effects: Effect[] = [];
    for (const effect of super.step(event)) {
      effects.push(effect);
      if (effect.kind !== 'persistEntries') continue;
      const last = effect.entries.at(-1) ?? effect.after;
      const upTo = { index: last.index, term: last.term };
      effects.push(...super.step({ kind: 'entriesPersisted', upTo }));
    }
    return effects;
  }
}

class VotesBeforeSync extends Raft {
  override step(event: RaftEvent): readonly Effect[] {
    if (event.kind === 'hardStateSaved') return [];
    const effects: Effect[] = [];
    for (const effect of super.step(event)) {
      effects.push(effect);
      if (effect.kind !== 'saveHardState') continue;
      effects.push(...super.step({ kind: 'hardStateSaved', hardState: effect.hardState }));
    }
    return effects;
  }
}

class ForgetsItsVote extends Raft {
  constructor(options: RaftOptions) {
    super({ ...options, hardState: { term: options.hardState.term, votedFor: null } });
  }
}

/** Takes its own word for leadership. */
class ReadsWithoutRound extends Raft {
  override step(event: RaftEvent): readonly Effect[] {
    if (event.kind !== 'roundWanted' || this.role !== 'leader') return super.step(event);
    return [{ kind: 'roundConfirmed', term: this.term, round: event.round }];
  }
}

/** A follower that takes all it gets for committed. */
class CommitsWhatItHolds extends Raft {
  override step(event: RaftEvent): readonly Effect[] {
    if (event.kind !== 'received' || event.message.kind !== 'append') return super.step(event);
    const { message, from } = event;
    const commit = message.entries.at(-1)?.index ?? message.commit;
    return super.step({ kind: 'received', from, message: { ...message, commit } });
  }
}

/** Counts for the election whoever answers at all. */
class TakesRefusalsForVotes extends Raft {
  override step(event: RaftEvent): readonly Effect[] {
    if (event.kind !== 'received' || event.message.kind !== 'voteReply') return super.step(event);
    const { message, from } = event;
    return super.step({ kind: 'received', from, message: { ...message, granted: true } });
  }
}

/** Votes for a shorter log than its own (Raft §5.4.1 left out). */
class VotesForShorterLogs extends Raft {
  override step(event: RaftEvent): readonly Effect[] {
    if (event.kind !== 'received' || event.message.kind !== 'requestVote') return super.step(event);
    const { message, from } = event;
    return super.step({ kind: 'received', from, message: { ...message, last: this.last } });
  }
}

/** Safe, and of no use: only the liveness check can see it. */
class NeverCampaigns extends Raft {
  override step(event: RaftEvent): readonly Effect[] {
    if (event.kind === 'tick' && this.role !== 'leader') return [];
    return super.step(event);
  }
}

export interface NamedSabotage extends Sabotage {
  readonly name: string;
  /** What must catch it: another failure does not count. */
  readonly caughtBy: RegExp;
}

export const SABOTAGES: readonly NamedSabotage[] = [
  {
    name: 'all is called durable before the sync',
    log: logOf(DoneBeforeSync),
    caughtBy: /synced entries survive|a synced term and vote survive/,
  },
  {
    name: 'the vote is not written',
    log: logOf(VoteNotWritten),
    caughtBy: /a synced term and vote survive/,
  },
  {
    name: 'a suffix is kept under any snapshot',
    log: logOf(SuffixKeptUnderSnapshot),
    caughtBy: /compacts what the log holds/,
  },
  {
    name: 'entries are acknowledged before the sync',
    raft: raftOf(AcknowledgesBeforeSync),
    caughtBy: /disk before word: entries/,
  },
  {
    name: 'votes leave before the sync',
    raft: raftOf(VotesBeforeSync),
    caughtBy: /disk before word/,
  },
  {
    name: 'the vote is forgotten at a restart',
    raft: raftOf(ForgetsItsVote),
    caughtBy: /one vote per term|election safety/,
  },
  {
    name: 'reads do not confirm leadership',
    raft: raftOf(ReadsWithoutRound),
    caughtBy: /no stale read|no round is confirmed for a deposed leader/,
  },
  {
    name: 'followers commit what they hold',
    raft: raftOf(CommitsWhatItHolds),
    caughtBy: /one entry is committed per index|leader completeness|never truncated|committed/,
  },
  {
    name: 'refusals count as votes',
    raft: raftOf(TakesRefusalsForVotes),
    caughtBy: /election safety/,
  },
  {
    name: 'shorter logs get votes',
    raft: raftOf(VotesForShorterLogs),
    caughtBy: /leader completeness/,
  },
  {
    name: 'nobody campaigns',
    raft: raftOf(NeverCampaigns),
    caughtBy: /a healed deployment is level in time/,
  },
];

function logOf(
  Log: new (log: LogStore, defer: (run: () => void) => void) => LogStore,
): NonNullable<Sabotage['log']> {
  return (log, defer) => new Log(log, defer);
}

function raftOf(Sabotaged: new (options: RaftOptions) => Raft): NonNullable<Sabotage['raft']> {
  return (options) => new Sabotaged(options);
}
