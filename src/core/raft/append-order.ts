/**
 * Keeps the appends to each peer in the order in which the core asked for them.
 *
 * Reads of the log overtake one another when they come from the disk. An append that arrives
 * before its predecessor is rejected and the stream starts over, while all that was under way
 * still arrives and is rejected in turn: a peer that is far behind would get everything many times.
 *
 * Bound: per peer the appends of one window, since a stream that starts over takes the place of
 * what still waits.
 */
import type { LogIndex, NodeId } from '../scalars.ts';
import type { Outbox } from './ports.ts';
import type { AppendHeader, Message } from './protocol.ts';

interface Waiting {
  readonly last: LogIndex;
  /** Undefined while it is being read, null when the log does not hold it any more. */
  message: Message | null | undefined;
}

export class AppendOrder {
  readonly #outbox: Outbox;
  readonly #lanes = new Map<NodeId, Waiting[]>();

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  /** Takes a place in line; what the read yields goes into the function returned, once. */
  begin(to: NodeId, header: AppendHeader): (message: Message | null) => void {
    let lane = this.#lanes.get(to) ?? [];
    const previous = lane.at(-1);
    if (previous !== undefined && header.after.index < previous.last) lane = [];
    this.#lanes.set(to, lane);
    const waiting: Waiting = { last: header.last.index, message: undefined };
    lane.push(waiting);
    return (message) => {
      waiting.message = message;
      if (this.#lanes.get(to) === lane) this.#flush(to, lane);
    };
  }

  #flush(to: NodeId, lane: Waiting[]): void {
    for (;;) {
      const message = lane[0]?.message;
      if (message === undefined) return;
      lane.shift();
      if (message !== null) this.#outbox.send(to, message);
    }
  }
}
