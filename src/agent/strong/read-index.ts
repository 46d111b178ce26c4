/**
 * The leader's answers to followers that answer reads themselves (thesis §6.4): how far everything
 * was committed when they asked. It is said when a round that began after the question has shown
 * that nobody else leads yet, and only by a leader that is open: it has committed an entry of its
 * own term, and so knows what is.
 *
 * Bound: one question of each node; a later one takes its place.
 */
import type { NodeId, ReplOffset } from '../../core/scalars.ts';

export interface ReadIndexPorts {
  readonly isOpen: () => boolean;
  readonly committed: () => ReplOffset;
  readonly nextRound: () => number;
  /** Leadership is to be confirmed by a round numbered so or later. */
  readonly wantRound: (round: number) => void;
  /** The node that asks should hear at once how far everything is committed. */
  readonly sayCommit: (to: NodeId) => void;
  readonly tell: (to: NodeId, number: number, offset: ReplOffset) => void;
}

interface Question {
  readonly number: number;
  readonly offset: ReplOffset;
  readonly round: number;
}

export class ReadIndex {
  readonly #ports: ReadIndexPorts;
  readonly #questions = new Map<NodeId, Question>();

  constructor(ports: ReadIndexPorts) {
    this.#ports = ports;
  }

  /** Who asks in vain asks again. */
  asked(from: NodeId, number: number): void {
    const ports = this.#ports;
    if (!ports.isOpen()) return;
    const round = ports.nextRound();
    this.#questions.set(from, { number, offset: ports.committed(), round });
    ports.sayCommit(from);
    ports.wantRound(round);
  }

  confirmed(round: number): void {
    for (const [node, question] of this.#questions) {
      if (question.round > round) continue;
      this.#questions.delete(node);
      this.#ports.tell(node, question.number, question.offset);
    }
  }

  /** This node leads no more: rounds of another term say nothing of these questions. */
  end(): void {
    this.#questions.clear();
  }
}
