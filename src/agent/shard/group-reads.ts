/**
 * Reads that followers answer, of one shard on one node: the questions of this node to the leader,
 * and its answers to those of others while it leads.
 */
import { isMember } from '../../core/raft/configuration.ts';
import type { Notice } from '../../core/raft/driver.ts';
import type { RaftEvent } from '../../core/raft/protocol.ts';
import type { Raft } from '../../core/raft/raft.ts';
import { type NodeId, type ReplOffset, replOffset } from '../../core/scalars.ts';
import type { Feed } from '../strong/feed.ts';
import { FollowerReads } from '../strong/follower-reads.ts';
import type { RelayPort, ServerPort } from '../strong/ports.ts';
import { ReadIndex } from '../strong/read-index.ts';
import type { Strong } from '../strong/strong.ts';

/** `asked`: how far is everything committed? `told`: so far it was when that was asked. */
export type ReadMessage =
  | { readonly kind: 'asked'; readonly number: number }
  | { readonly kind: 'told'; readonly number: number; readonly offset: ReplOffset };

export interface GroupReadsOptions {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly feed: Feed;
  readonly strong: () => Strong;
  readonly server: Pick<ServerPort, 'askRole' | 'serveReads'>;
  readonly relay: Pick<RelayPort, 'setSpell'>;
  readonly peers: { sendRead(to: NodeId, message: ReadMessage): void };
  readonly handle: (event: RaftEvent) => void;
  /** Unsigned 32-bit numbers. */
  readonly entropy: () => number;
}

/** Room between the first numbers of two processes, for questions. */
const NUMBERS_APART = 2 ** 20;

export class GroupReads {
  readonly follower: FollowerReads;
  readonly #index: ReadIndex;

  constructor(options: GroupReadsOptions) {
    const { id, raft, feed, strong, server, relay, peers, handle } = options;
    this.follower = new FollowerReads(
      {
        server,
        relay,
        askLeader: (number) => {
          if (raft.leader !== null) peers.sendRead(raft.leader, { kind: 'asked', number });
        },
        isFed: () => feed.isStreaming && isMember(raft.configuration, id),
        fed: () => feed.sent,
        committed: () => strong().committedOffset,
      },
      options.entropy() * NUMBERS_APART,
    );
    this.#index = new ReadIndex({
      isOpen: () => strong().isOpen,
      committed: () => strong().committedOffset,
      nextRound: () => raft.nextRound,
      wantRound: (round) => handle({ kind: 'roundWanted', round }),
      sayCommit: (peer) => handle({ kind: 'commitWanted', peer }),
      tell: (to, number, offset) => peers.sendRead(to, { kind: 'told', number, offset }),
    });
  }

  received(from: NodeId, message: ReadMessage): void {
    if (message.kind === 'asked') this.#index.asked(from, message.number);
    else this.follower.told(message.number, message.offset);
  }

  /** After the shard has heard it itself. */
  noticed(notice: Notice): void {
    switch (notice.kind) {
      case 'commit':
        this.follower.moved();
        return;
      case 'leaderChanged':
        this.follower.leaderChanged();
        return;
      case 'roundConfirmed':
        this.#index.confirmed(notice.round);
        return;
      case 'steppedDown':
        this.#index.end();
        return;
      default:
    }
  }

  tick(): void {
    this.follower.tick();
  }
}

/** From whatever a peer sent; null for what is no such message. */
export function readMessageFrom(fields: Readonly<Record<string, unknown>>): ReadMessage | null {
  const { kind, number, offset } = fields;
  if (!isCount(number)) return null;
  if (kind === 'asked') return { kind, number };
  return kind === 'told' && isCount(offset) ? { kind, number, offset: replOffset(offset) } : null;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
