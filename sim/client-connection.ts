/** A client's connection to one node, over a network of its own, with what it waits for. */
import { ErrorReply, type Reply, ReplyReader } from '../src/core/resp/reply-reader.ts';
import { errorReply } from '../src/core/resp/writer.ts';
import type { NodeId } from '../src/core/scalars.ts';
import { Channel } from './channel.ts';
import type { Asked } from './invariants.ts';
import { Launches } from './launches.ts';
import type { Plan } from './plan.ts';
import type { Call } from './requests.ts';
import type { ClientPort, RequestPiece } from './session.ts';
import type { Chance, Timeline } from './time.ts';

const KEEP_PERMILLE = 500;
const REPLY_BYTES_MAX = 1 << 24;
/** Longer than a blocking pop waits. */
const BLOCKED_MAX_US = 3_000_000;

/** A node as clients reach it. */
export interface Door {
  readonly host: string;
  /** Null while it is down. Does things in the node's process, in order per connection. */
  admit(source: string, client: ClientPort): Admitted | null;
}

export interface Admitted {
  request(piece: RequestPiece): void;
  drained(): void;
  close(): void;
}

export interface ConnectionOptions {
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly plan: Plan;
  readonly asked: () => Asked;
  readonly hostOf: (id: NodeId) => string;
}

type Outcome = 'fail' | 'unknown' | readonly Reply[];

interface Pending {
  readonly call: Call;
  readonly replies: Reply[];
  readonly done: (outcome: Outcome) => void;
  isOver: boolean;
}

export interface ConnectionOwner {
  readonly onRefused: (leader: string) => void;
  readonly onLost: () => void;
}

export class Connection {
  readonly #o: ConnectionOptions;
  readonly #owner: ConnectionOwner;
  readonly #reader = new ReplyReader(REPLY_BYTES_MAX);
  readonly #pending: Pending[] = [];
  readonly #launches = new Launches();
  #toNode: Channel | null = null;
  #isOpen = true;

  private constructor(options: ConnectionOptions, owner: ConnectionOwner) {
    this.#o = options;
    this.#owner = owner;
  }

  static open(
    options: ConnectionOptions,
    source: string,
    door: Door,
    owner: ConnectionOwner,
  ): Connection | null {
    const { timeline, chance, plan, hostOf } = options;
    const connection = new Connection(options, owner);
    const delayMaxUs = chance.pick(plan.lineDelaysUs);
    const toClient: Channel = new Channel({
      timeline,
      chance,
      delayMaxUs,
      receive: (bytes) => connection.#received(bytes),
      onEnd: () => connection.#lost(),
      onDrain: () => admitted?.drained(),
    });
    const admitted = door.admit(source, {
      reply: (bytes) => toClient.write(bytes),
      get unsentBytes() {
        return toClient.waitingBytes;
      },
      refused: (leader) => {
        toClient.write(errorReply(`${REFUSED} ${leader === null ? NOBODY : hostOf(leader)}`));
      },
      closed: () => toClient.end(),
    });
    if (admitted === null) return null;
    connection.#toNode = new Channel({
      timeline,
      chance,
      delayMaxUs,
      receive: (bytes) =>
        admitted.request({ bytes, begins: connection.#launches.arrived(bytes.length) }),
      onEnd: () => admitted.close(),
    });
    return connection;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  ask(call: Call, patience: number, done: Pending['done'], isLast = false): void {
    const { timeline, chance, asked } = this.#o;
    const pending: Pending = { call, replies: [], done, isOver: false };
    this.#pending.push(pending);
    const { bytes, replies } = call;
    this.#launches.add(replies, asked(), bytes.length);
    this.#toNode?.write(bytes);
    const patienceUs = Math.max(patience, call.isBlocking ? BLOCKED_MAX_US : 0);
    timeline.after(patienceUs, () => {
      if (pending.isOver) return;
      // Its answer may still come; whoever keeps the connection does not listen to it.
      if (isLast || !chance.permille(KEEP_PERMILLE)) this.#giveUp();
      this.#end(pending, 'unknown');
    });
  }

  close(): void {
    this.#isOpen = false;
    this.#toNode?.end();
  }

  #giveUp(): void {
    this.close();
    this.#owner.onLost();
    for (const pending of this.#pending.splice(0)) this.#end(pending, 'unknown');
  }

  #end(pending: Pending, outcome: Outcome): void {
    if (pending.isOver) return;
    pending.isOver = true;
    pending.done(outcome);
  }

  #received(bytes: Buffer): void {
    if (!this.#isOpen) return;
    this.#reader.push(bytes, (reply) => {
      const pending = this.#pending[0];
      if (pending === undefined) return;
      if (reply instanceof ErrorReply && reply.code === REFUSED) {
        this.#refused(reply.text.slice(REFUSED.length + 1));
        return;
      }
      pending.replies.push(reply);
      if (pending.replies.length < pending.call.replies) return;
      this.#pending.shift();
      this.#end(pending, pending.replies);
    });
  }

  /** Nothing that was not answered by now will be carried out. */
  #refused(leader: string): void {
    this.#owner.onRefused(leader);
    for (const pending of this.#pending.splice(0)) this.#end(pending, 'fail');
  }

  #lost(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#owner.onLost();
    for (const pending of this.#pending.splice(0)) this.#end(pending, 'unknown');
  }
}

/** Nobody has done it; the leader's name follows. */
const REFUSED = 'CLUSTERDOWN';
export const NOBODY = 'nobody';
