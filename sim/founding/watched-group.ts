/** One Raft group of one deployment, listened to: what `sim/invariants.ts` says must hold of it. */
import type { ShardLog } from '../../src/agent/shard/ports.ts';
import { isSameConfiguration } from '../../src/core/raft/configuration.ts';
import type { Notice } from '../../src/core/raft/driver.ts';
import type { Configuration, Message } from '../../src/core/raft/protocol.ts';
import type { Raft } from '../../src/core/raft/raft.ts';
import type { NodeId } from '../../src/core/scalars.ts';
import { Invariants } from '../invariants.ts';
import { describeNotice, showMembers } from '../notice-words.ts';
import type { Power } from '../power.ts';
import { type Recovered, Shadow } from '../shadow.ts';
import { type TapOptions, TappedLog, TappedOutbox } from '../taps.ts';
import { must } from '../violation.ts';

export class WatchedGroup {
  readonly invariants: Invariants;
  readonly #shadows = new Map<NodeId, Shadow>();

  constructor(begun: Configuration) {
    this.invariants = new Invariants(begun, this.#shadows);
  }

  /** A life of a node has read its files; what it had promised before must be in them. */
  opened(id: NodeId, from: Recovered): Shadow {
    const shadow = this.#shadows.get(id) ?? new Shadow();
    this.invariants.recovered(id, shadow, from);
    this.#shadows.set(id, shadow);
    shadow.recovered(from);
    return shadow;
  }
}

export interface EarOptions {
  readonly id: NodeId;
  readonly power: Power;
  readonly note: ((what: string) => void) | null;
}

/** At one life of one member. */
export class Ear {
  readonly #group: WatchedGroup;
  readonly #taps: TapOptions;
  /** It leads, as far as it knows. */
  #isLeading = false;

  constructor(group: WatchedGroup, shadow: Shadow, { id, power, note }: EarOptions) {
    this.#group = group;
    const { invariants } = group;
    this.#taps = { id, power, shadow, invariants, onCompacted: () => undefined, note };
  }

  log(store: ShardLog): ShardLog {
    return new TappedLog(store, this.#taps);
  }

  outbox(send: (to: NodeId, message: Message) => void): (to: NodeId, message: Message) => void {
    const outbox = new TappedOutbox(this.#taps, send);
    return (to, message) => outbox.send(to, message);
  }

  noticed(notice: Notice, raft: Raft): void {
    const { id, note } = this.#taps;
    const { invariants } = this.#group;
    note?.(describeNotice(notice));
    if (notice.kind === 'becameLeader') {
      this.#isLeading = true;
      invariants.becameLeader(id, notice.term);
    }
    if (notice.kind === 'steppedDown') this.#isLeading = false;
    if (notice.kind === 'commit') invariants.committed(id, notice.upTo, this.#isLeading, raft.term);
    if (notice.kind === 'installed') invariants.installed(id, notice.snapshot.last);
  }

  /** Rolled back with its entry, restored with its snapshot, found again at a start. */
  look(raft: Raft): void {
    const { id, shadow } = this.#taps;
    if (raft.base.index !== shadow.base.index) return;
    const { configuration: logs } = this.#group.invariants.configurations.inForce(shadow);
    must(isSameConfiguration(raft.configuration, logs), 'what is in force is the log’s', () => {
      return `${id} goes by ${showMembers(raft.configuration)}, not ${showMembers(logs)}`;
    });
  }
}
