/**
 * A change of a group's members, asked for on its leader, and what became of it in words.
 *
 * The rules are the core's (`core/raft/membership.ts`). Here whoever asked is answered once: when
 * the change is committed, when it is refused, or when leadership is lost and nobody here can know.
 */
import type { Notice } from '../../core/raft/driver.ts';
import type { MemberChange, RaftEvent } from '../../core/raft/protocol.ts';
import type { LogIndex, NodeId } from '../../core/scalars.ts';

export type ChangeDone = (ok: boolean, why: string) => void;

export interface ChangeOptions {
  /** The index of the control group's decision behind it, 0 where there is none. */
  readonly decision?: number;
  /** A leader that is to be removed leads until that is committed, in place of handing over. */
  readonly leaderMayLeave?: boolean;
}

export interface MemberChangesPorts {
  readonly id: NodeId;
  readonly isLeader: () => boolean;
  readonly handle: (event: RaftEvent) => void;
  readonly handOver: (done: ChangeDone) => void;
}

interface Asked {
  /** This very object comes back in a refusal. */
  readonly change: MemberChange;
  readonly done: ChangeDone;
  /** Of its entry, once it is in the log. */
  index: LogIndex | null;
}

export class MemberChanges {
  readonly #ports: MemberChangesPorts;
  /** One that the core has taken at most, and those that it is about to refuse. */
  #asked: Asked[] = [];

  constructor(ports: MemberChangesPorts) {
    this.#ports = ports;
  }

  change(wanted: MemberChange, options: ChangeOptions, done: ChangeDone): void {
    const { decision = 0, leaderMayLeave = false } = options;
    const { id, isLeader, handOver, handle } = this.#ports;
    const isOwnRemoval = wanted.kind === 'remove' && wanted.node === id && isLeader();
    if (isOwnRemoval && !leaderMayLeave) {
      handOver((ok, why) =>
        done(false, ok ? 'leadership was handed over: ask the new leader' : `hand over: ${why}`),
      );
      return;
    }
    const change = { ...wanted };
    this.#asked.push({ change, done, index: null });
    handle({ kind: 'changeWanted', change, decision, leaderMayLeave });
  }

  noticed(notice: Notice): void {
    if (this.#asked.length === 0) return;
    if (notice.kind === 'changeRefused') {
      this.#answer(({ change }) => change === notice.change, false, notice.why);
    } else if (notice.kind === 'steppedDown') {
      const why = 'leadership was lost: whether it comes to pass is not known';
      this.#answer(({ index }) => index !== null, false, why);
    } else if (notice.kind === 'configurationChanged' && notice.state === 'appended') {
      const taken = this.#asked.find(({ index }) => index === null);
      if (taken !== undefined) taken.index = notice.index;
    } else if (notice.kind === 'configurationChanged' && notice.state === 'committed') {
      this.#answer(({ index }) => index === notice.index, true, `committed at ${notice.index}`);
    }
  }

  #answer(isMeant: (asked: Asked) => boolean, ok: boolean, why: string): void {
    const answered = this.#asked.filter(isMeant);
    this.#asked = this.#asked.filter((asked) => !isMeant(asked));
    for (const { done } of answered) done(ok, why);
  }
}
