/**
 * One connection of purpose `raft` after both hellos: frames in, frames out, and whether the
 * other side still answers. Outgoing ones carry what this node sends; incoming ones what it gets.
 */
import type { Socket } from 'node:net';
import type { TransferMessage } from '../../core/raft/fetch.ts';
import type { Message } from '../../core/raft/protocol.ts';
import type { GroupId } from '../../core/scalars.ts';
import {
  decodeNote,
  decodeRaft,
  decodeTransfer,
  FRAME_KIND,
  type Frame,
  frameOf,
  type Note,
  ownBytes,
} from './codec.ts';
import {
  FrameAssembly,
  FrameQueue,
  type FrameQueueLimits,
  type Lane,
  WIRE_FRAME_BYTES_MAX,
} from './frame-pieces.ts';
import { FrameReader, ProtocolError } from './frame-reader.ts';
import { decodeRefusal, encodeRefusal, type Hello, type Refusal } from './hello.ts';

/** What is written may still leave after `close`; a stuck peer does not keep the socket longer. */
const FLUSH_MS_MAX = 250;

export interface ConnectionLimits extends FrameQueueLimits {
  /** Heartbeats in a row that may stay unanswered. */
  readonly unansweredMax: number;
}

export interface ConnectionEvents {
  message(group: GroupId, message: Message): void;
  transfer(group: GroupId, message: TransferMessage): void;
  note(note: Note): void;
  /** The other side has news of itself; the caller judges them. */
  hello(body: Buffer): void;
  /** The other side wants no more of this node; the connection closes. */
  refused(refusal: Refusal): void;
  /** Once, and nothing after it. */
  closed(why: string): void;
}

export class Connection {
  readonly hello: Hello;
  readonly direction: 'out' | 'in';
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  readonly #on: ConnectionEvents;
  readonly #queue: FrameQueue;
  readonly #reader: FrameReader;
  #isPumpDue = false;
  #isClosed = false;
  #unanswered = 0;
  #dropped = 0;

  constructor(
    socket: Socket,
    o: { hello: Hello; direction: 'out' | 'in'; limits: ConnectionLimits; on: ConnectionEvents },
  ) {
    this.hello = o.hello;
    this.direction = o.direction;
    this.#socket = socket;
    this.#limits = o.limits;
    this.#on = o.on;
    this.#queue = new FrameQueue(o.limits);
    const assembly = new FrameAssembly((kind, body, isOwn) => this.#take(kind, body, isOwn));
    this.#reader = new FrameReader(WIRE_FRAME_BYTES_MAX, (kind, body, isOwn) => {
      assembly.take(kind, body, isOwn);
    });
    // Whatever is kept of what was read is copied out of it.
    for (const event of ['data', 'view']) socket.on(event, (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#pump());
    socket.on('end', () => this.close('the other side closed the connection'));
    socket.on('error', (error) => this.close(error.message));
    socket.on('close', () => this.close('the connection broke'));
  }

  get queuedBytes(): number {
    return this.#queue.queuedBytes + this.#socket.writableLength;
  }

  get droppedFrames(): number {
    return this.#dropped;
  }

  get isBulkEmpty(): boolean {
    return this.#queue.isBulkEmpty;
  }

  /** Drops the frame when its lane is full: what is sent here is best effort. */
  send(frame: Frame, lane: Lane): void {
    if (this.#isClosed) return;
    if (!this.#queue.offer(frame, lane)) {
      this.#dropped += 1;
      return;
    }
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    // Everything that is sent in one turn leaves in one write.
    process.nextTick(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  /** Once per heartbeat. Counts beats, not time: a process that slept blames nobody. */
  beat(): void {
    this.#unanswered += 1;
    if (this.#unanswered > this.#limits.unansweredMax)
      this.close(`nothing heard for ${this.#limits.unansweredMax} heartbeats`);
    else if (this.direction === 'out') this.send(frameOf(FRAME_KIND.ping, []), 'urgent');
  }

  refuse(refusal: Refusal): void {
    this.send(encodeRefusal(refusal), 'urgent');
    this.#pump();
    this.close(`refused: ${refusal.code}`);
  }

  /** Lets what is queued for the wire leave, within a bound. */
  close(why: string): void {
    if (this.#isClosed) return;
    this.#pump();
    this.#isClosed = true;
    this.#reader.stop();
    const flushed = setTimeout(() => this.#socket.destroy(), FLUSH_MS_MAX);
    this.#socket.once('close', () => clearTimeout(flushed));
    if (this.#socket.destroyed) clearTimeout(flushed);
    else this.#socket.destroySoon();
    this.#on.closed(why);
  }

  #pump(): void {
    const socket = this.#socket;
    if (this.#isClosed || socket.destroyed || socket.writableNeedDrain) return;
    socket.cork();
    while (!socket.writableNeedDrain) {
      const parts = this.#queue.next();
      if (parts === null) break;
      for (const part of parts) socket.write(part);
    }
    socket.uncork();
  }

  #read(chunk: Buffer): void {
    if (this.#isClosed) return;
    if (this.direction === 'in') this.#unanswered = 0;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.refuse({ code: 'MALFORMED', text: error.message });
    }
  }

  #take(kind: number, body: Buffer, isOwn: boolean): void {
    switch (kind) {
      case FRAME_KIND.raft: {
        const { group, message } = decodeRaft(ownBytes(body, isOwn));
        this.#on.message(group, message);
        return;
      }
      case FRAME_KIND.transfer: {
        const { group, message } = decodeTransfer(ownBytes(body, isOwn));
        this.#on.transfer(group, message);
        return;
      }
      case FRAME_KIND.note:
        this.#on.note(decodeNote(body));
        return;
      case FRAME_KIND.hello:
        this.#on.hello(body);
        return;
      case FRAME_KIND.refused:
        this.#on.refused(decodeRefusal(body));
        this.close('refused by the other side');
        return;
      case FRAME_KIND.ping:
        this.send(frameOf(FRAME_KIND.pong, []), 'urgent');
        return;
      case FRAME_KIND.pong:
        this.#unanswered = 0;
        return;
      default:
        throw new ProtocolError(`a frame of kind ${kind}`);
    }
  }
}
