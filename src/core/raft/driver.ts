/**
 * Carries out what the core asks, in the order asked, and tells it when that is done. No policy.
 *
 * Events that arrive while one is being handled (from inside a notice, or a read that completes
 * at once) wait their turn: steps never nest.
 */
import { unreachable } from '../../assert.ts';
import type { NodeId } from '../scalars.ts';
import { AppendOrder } from './append-order.ts';
import type { LogStore, Outbox, SnapshotFetcher } from './ports.ts';
import type { AppendHeader, Effect, RaftEvent, SnapshotMeta } from './protocol.ts';
import type { Raft } from './raft.ts';

type NoticeKind =
  | 'commit'
  | 'accepted'
  | 'refused'
  | 'becameLeader'
  | 'steppedDown'
  | 'leaderChanged'
  | 'roundConfirmed'
  | 'configurationChanged'
  | 'changeRefused'
  | 'toldRemoved'
  | 'transfer';

/** What the application hears, synchronously and in order. */
export type Notice =
  | Extract<Effect, { readonly kind: NoticeKind }>
  /** The log now begins after this snapshot, which is also committed; `commit` goes on from it. */
  | { readonly kind: 'installed'; readonly snapshot: SnapshotMeta };

export interface DriverOptions {
  readonly raft: Raft;
  readonly log: LogStore;
  readonly outbox: Outbox;
  readonly fetcher: SnapshotFetcher;
  readonly onNotice: (notice: Notice) => void;
  /** After each step, before anything of it is done: no message of a round it began has left. */
  readonly onStep?: () => void;
  /** Called once: the disk failed, and this node must end (design §3.6). */
  readonly fatal: (error: Error) => void;
}

export class Driver {
  readonly #o: DriverOptions;
  readonly #order: AppendOrder;
  #queue: RaftEvent[] = [];
  #isBusy = false;
  /** After a failure nothing is done any more: a later reply could promise what was lost. */
  #isDead = false;

  constructor(options: DriverOptions) {
    this.#o = options;
    this.#order = new AppendOrder(options.outbox);
  }

  get raft(): Raft {
    return this.#o.raft;
  }

  handle(event: RaftEvent): void {
    if (this.#isDead) return;
    if (this.#isBusy) {
      this.#queue.push(event);
      return;
    }
    this.#isBusy = true;
    let isSound = false;
    try {
      this.#run(event);
      while (this.#queue.length > 0 && !this.#isDead) {
        const waiting = this.#queue;
        this.#queue = [];
        for (const next of waiting) this.#run(next);
      }
      isSound = true;
    } finally {
      this.#isBusy = false;
      if (!isSound) this.#isDead = true;
    }
  }

  #run(event: RaftEvent): void {
    if (this.#isDead) return;
    if (event.kind === 'snapshotInstalled')
      this.#o.onNotice({ kind: 'installed', snapshot: event.snapshot });
    const effects = this.#o.raft.step(event);
    this.#o.onStep?.();
    for (const effect of effects) {
      this.#perform(effect);
      if (this.#isDead) return;
    }
  }

  #perform(effect: Effect): void {
    const { log, outbox, onNotice } = this.#o;
    switch (effect.kind) {
      case 'saveHardState': {
        const { hardState } = effect;
        log.saveHardState(hardState, this.#done({ kind: 'hardStateSaved', hardState }));
        return;
      }
      case 'persistEntries': {
        const { after, entries } = effect;
        const last = entries.at(-1) ?? after;
        const upTo = { index: last.index, term: last.term };
        log.persist(after, entries, this.#done({ kind: 'entriesPersisted', upTo }));
        return;
      }
      case 'send':
        outbox.send(effect.to, effect.message);
        return;
      case 'sendEntries':
        this.#sendEntries(effect.to, effect.header);
        return;
      case 'fetchSnapshot':
        this.#o.fetcher.fetch(effect.from, effect.snapshot, (snapshot) => {
          if (snapshot !== null) this.handle({ kind: 'snapshotFetched', snapshot });
        });
        return;
      case 'installSnapshot': {
        const { snapshot, keepSuffix } = effect;
        log.installSnapshot(
          snapshot,
          keepSuffix,
          this.#done({ kind: 'snapshotInstalled', snapshot }),
        );
        return;
      }
      case 'commit':
      case 'accepted':
      case 'refused':
      case 'becameLeader':
      case 'steppedDown':
      case 'leaderChanged':
      case 'roundConfirmed':
      case 'configurationChanged':
      case 'changeRefused':
      case 'toldRemoved':
      case 'transfer':
        onNotice(effect);
        return;
      default:
        unreachable(effect);
    }
  }

  #sendEntries(to: NodeId, header: AppendHeader): void {
    const { term, after, last, commit, round } = header;
    // The core cut the range to the size of one append already.
    const bytesMax = Number.MAX_SAFE_INTEGER;
    const finish = this.#order.begin(to, header);
    this.#o.log.read(after, last, bytesMax, (entries) => {
      if (this.#isDead) return;
      const append = { kind: 'append', term, after, commit, round } as const;
      finish(entries === null ? null : { ...append, entries });
    });
  }

  #done(event: RaftEvent): (error?: Error) => void {
    return (error) => {
      if (error === undefined) this.handle(event);
      else this.#fail(error);
    };
  }

  #fail(error: Error): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#o.fatal(error);
  }
}
