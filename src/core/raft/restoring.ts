/**
 * Snapshots (Raft §7), seen by the node that receives one.
 *
 * The leader repeats its offer with every heartbeat; each offer that is news asks the fetcher,
 * which knows whether that fetch is under way. While a snapshot is being made the base of the log
 * the node takes no entries and does not campaign, so that the decision about the suffix stands.
 */
import { assert } from '../../assert.ts';
import type { NodeId } from '../scalars.ts';
import { commitUpTo, sayCommitted } from './commit.ts';
import { isSameConfiguration } from './configuration.ts';
import { acknowledge, heardLeader } from './following.ts';
import type { EntryId, Message, RaftEvent, SnapshotMeta } from './protocol.ts';
import { becomeFollower } from './roles.ts';
import type { State } from './state.ts';

type Offer = Extract<Message, { kind: 'offerSnapshot' }>;

export function onOffer(s: State, from: NodeId, message: Offer): void {
  const role = heardLeader(s, from, message.term, message.round);
  if (role === null) return;
  const { last } = message.snapshot;
  if (s.installing === null && last.index > s.committed) {
    if (s.trail.holds(last)) {
      // The log has all of it already, and a snapshot covers nothing that is not committed.
      if (last.index > role.matched) role.matched = last.index;
      commitUpTo(s, last.index);
    } else {
      s.emit({ kind: 'fetchSnapshot', from, snapshot: message.snapshot });
    }
  }
  acknowledge(s);
}

/** What the store of snapshots has done. */
export function onStored(s: State, event: Extract<RaftEvent, { snapshot: SnapshotMeta }>): void {
  if (event.kind === 'snapshotFetched') onFetched(s, event.snapshot);
  else if (event.kind === 'snapshotInstalled') onInstalled(s, event.snapshot);
  else onCompacted(s, event.snapshot, event.base);
}

function onFetched(s: State, snapshot: SnapshotMeta): void {
  if (s.role.kind === 'leader' || s.installing !== null) return;
  if (snapshot.last.index <= s.committed) {
    acknowledge(s);
    return;
  }
  if (s.role.kind !== 'follower') becomeFollower(s, s.term, null, 'installs a snapshot');
  s.installing = snapshot;
  s.emit({ kind: 'installSnapshot', snapshot, keepSuffix: s.trail.holds(snapshot.last) });
}

function onInstalled(s: State, snapshot: SnapshotMeta): void {
  assert(s.installing?.id === snapshot.id, 'a snapshot is installed once, and was asked for');
  assert(s.role.kind !== 'leader', 'nobody wins an election while a snapshot is installed');
  const { last } = snapshot;
  const before = s.committed;
  s.installing = null;
  s.snapshot = snapshot;
  s.committed = last.index;
  if (s.trail.holds(last)) {
    s.trail.compactTo(last);
    s.persisted.raiseTo(last.index);
    s.roster.checkSnapshot(snapshot);
    sayCommitted(s, before);
    s.roster.compactTo(last.index);
  } else {
    s.trail.reset(last);
    s.persisted.replacedBy(last.index);
    replaceRoster(s, snapshot);
  }
  acknowledge(s);
}

/** The log store has a local snapshot, and dropped entries that it covers. */
function onCompacted(s: State, snapshot: SnapshotMeta, base: EntryId): void {
  assert(base.index <= snapshot.last.index, 'only what a snapshot covers is dropped');
  assert(snapshot.last.index <= s.committed, 'a snapshot covers only what is committed');
  s.roster.checkSnapshot(snapshot);
  if (snapshot.last.index >= (s.snapshot?.last.index ?? 0)) s.snapshot = snapshot;
  // A snapshot that was installed meanwhile reaches further.
  if (base.index <= s.trail.base.index) return;
  s.trail.compactTo(base);
  s.persisted.raiseTo(base.index);
  s.roster.compactTo(base.index);
}

/** With that index's members (holes H7): what the log said meanwhile is gone with it. */
function replaceRoster(s: State, { last, configuration }: SnapshotMeta): void {
  const isNews = !isSameConfiguration(configuration, s.configuration);
  s.membersChange(() => s.roster.reset(last.index, configuration));
  const { index } = last;
  if (isNews) s.emit({ kind: 'configurationChanged', state: 'committed', index, configuration });
}
