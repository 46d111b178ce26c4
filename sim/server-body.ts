/**
 * One life of the model server: its connections with their delays, its cron, and the ways in which
 * it stops to execute. What the agent has of it is lines.
 */
import { Backlog } from './backlog.ts';
import { Channel, type ChannelOptions } from './channel.ts';
import type { Mark } from './server/client.ts';
import type { ModelServer } from './server/model-server.ts';
import type { Dial } from './server/primary-link.ts';
import type { Line, LineEnds } from './server-lines.ts';
import type { Chance, Timeline } from './time.ts';

const CRON_US = 100_000;
/** What clients are told comes in many pieces: whose they are must not depend on it. */
const CLIENT_CUT_PERMILLE = 400;
const BUSY_PERMILLE = 600;
/** So that a server often stands between two units of one entry. */
const FEED_CUT_PERMILLE = 600;

export interface ServerBodyOptions {
  readonly timeline: Timeline;
  readonly chance: Chance;
  /** How slow a connection may be; each gets one of them. */
  readonly lineDelaysUs: readonly number[];
  /** Does something in the agent's process, in order per connection. */
  readonly inAgent: (source: string, run: () => void) => void;
  readonly build: (dial: Dial) => ModelServer;
  readonly accept: (line: Line) => FeedEnds;
}

/** What the agent's feed hears of a server that has dialled it. */
export interface FeedEnds extends LineEnds {
  readonly onDrain: () => void;
}

/** What the server says to a client, and how far it was when it had made each part of it. */
export interface ReplySeen {
  readonly bytes: Buffer;
  readonly marks: readonly Mark[];
}

/** What came to a process that stood still is read only as far as it wants to read. */
class PausableReader implements LineEnds {
  readonly #ends: LineEnds;
  readonly #unread: Buffer[] = [];
  #isClosed = false;
  isPaused = false;

  constructor(ends: LineEnds) {
    this.#ends = ends;
  }

  readonly onBytes = (bytes: Buffer): void => {
    this.#unread.push(bytes);
    this.go();
  };

  readonly onClosed = (): void => {
    this.#isClosed = true;
    this.go();
  };

  drop(): void {
    this.isPaused = true;
  }

  go(): void {
    while (!this.isPaused) {
      const bytes = this.#unread.shift();
      if (bytes === undefined) break;
      this.#ends.onBytes(bytes);
    }
    if (!this.#isClosed || this.#unread.length > 0) return;
    this.#isClosed = false;
    this.#ends.onClosed();
  }
}

export class ServerBody {
  readonly model: ModelServer;
  readonly #o: ServerBodyOptions;
  readonly #waiting: Backlog;
  #isHung = false;
  #isDead = false;
  #lines = 0;
  /** Each breaks one of the clients' connections. */
  readonly #clients = new Set<() => void>();
  /** That one of those which was answered last. */
  #talked: (() => void) | null = null;

  constructor(options: ServerBodyOptions) {
    this.#o = options;
    this.#waiting = new Backlog(options.chance);
    const dial: Dial = (_port, onBytes, onClosed) => this.#dialled(onBytes, onClosed);
    this.model = options.build(dial);
    this.#cron();
  }

  get isHung(): boolean {
    return this.#isHung;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** `onReply` hears of whole replies, in order, when they are made. */
  open(ends: LineEnds, onReply: ((reply: ReplySeen) => void) | null = null): Line {
    const source = this.#newSource();
    const reader = new PausableReader(ends);
    const cuts = onReply === null ? {} : { cutPermille: CLIENT_CUT_PERMILLE };
    const toAgent = this.#channelToAgent(source, reader, cuts);
    if (this.#isDead) {
      toAgent.end();
      return { write: () => true, setPaused: () => undefined, close: () => toAgent.drop() };
    }
    const connection = this.model.connect(
      (bytes, marks) => {
        onReply?.({ bytes, marks });
        if (onReply !== null) this.#talked = breakOff;
        toAgent.write(bytes);
      },
      () => toAgent.end(),
    );
    const toServer = this.#channel(
      (bytes) => this.#inServer(source, () => connection.write(bytes)),
      () => this.#inServer(source, () => connection.close()),
      { onDrain: () => this.#o.inAgent(source, () => ends.onDrain?.()) },
    );
    const breakOff = (): void => {
      toServer.drop();
      connection.close();
      toAgent.breakOff();
    };
    if (onReply !== null) this.#clients.add(breakOff);
    return {
      write: (bytes) => toServer.write(bytes),
      setPaused: (isPaused) => {
        toAgent.setPaused(isPaused);
        reader.isPaused = isPaused;
        if (!isPaused) this.#o.timeline.after(1, () => this.#o.inAgent(source, () => reader.go()));
      },
      close: () => {
        this.#clients.delete(breakOff);
        reader.drop();
        toAgent.drop();
        toServer.end();
      },
    };
  }

  /** One connection of the clients' breaks: what was under way is lost on both sides. */
  breakClient(): void {
    if (this.#clients.size === 0) return;
    const { chance } = this.#o;
    const talked = this.#talked;
    // Of those that have just been answered, some of the answers are still on their way.
    const isBusy = talked !== null && this.#clients.has(talked) && chance.permille(BUSY_PERMILLE);
    const breakOff = isBusy ? talked : chance.pick([...this.#clients]);
    this.#clients.delete(breakOff);
    breakOff();
  }

  /** It executes nothing until told otherwise, and dies all the same when it is killed. */
  setHung(isHung: boolean): void {
    if (this.#isHung === isHung) return;
    this.#isHung = isHung;
    if (isHung) return;
    this.#waiting.drain((run) => {
      run();
      return !this.#isDead && !this.#isHung;
    });
  }

  crash(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#waiting.clear();
    this.model.crash();
  }

  /** What is left of it after the machine has gone as well: nothing more comes of anything. */
  #channelToAgent(
    source: string,
    ends: LineEnds,
    more: Pick<ChannelOptions, 'cutPermille'> = {},
  ): Channel {
    const { inAgent } = this.#o;
    return this.#channel(
      (bytes) => inAgent(source, () => ends.onBytes(bytes)),
      () => inAgent(source, () => ends.onClosed()),
      { joins: true, ...more },
    );
  }

  #dialled(onBytes: (bytes: Buffer) => void, onClosed: () => void) {
    const source = this.#newSource();
    const { inAgent } = this.#o;
    let ends: FeedEnds | null = null;
    let isClosed = false;
    const toServer = this.#channel(
      (bytes) => this.#inServer(source, () => onBytes(bytes)),
      () => this.#inServer(source, () => onClosed()),
      {
        onDrain: () => inAgent(source, () => ends?.onDrain()),
        cutPermille: FEED_CUT_PERMILLE,
      },
    );
    const toAgent = this.#channel(
      (bytes) => inAgent(source, () => isClosed || ends?.onBytes(bytes)),
      () => inAgent(source, () => isClosed || ends?.onClosed()),
    );
    inAgent(source, () => {
      ends = this.#o.accept({
        write: (bytes) => toServer.write(bytes),
        setPaused: (isPaused) => toAgent.setPaused(isPaused),
        close: () => {
          isClosed = true;
          toAgent.drop();
          toServer.end();
        },
      });
    });
    return {
      write: (bytes: Buffer) => void toAgent.write(bytes),
      close: () => {
        toServer.drop();
        toAgent.end();
      },
    };
  }

  #channel(
    receive: (bytes: Buffer) => void,
    onEnd: () => void,
    more: Pick<ChannelOptions, 'joins' | 'cutPermille' | 'onDrain'> = {},
  ): Channel {
    const { timeline, chance, lineDelaysUs } = this.#o;
    const delayMaxUs = chance.pick(lineDelaysUs);
    return new Channel({ timeline, chance, delayMaxUs, receive, onEnd, ...more });
  }

  #newSource(): string {
    this.#lines += 1;
    return `line ${this.#lines}`;
  }

  #inServer(source: string, run: () => void): void {
    if (this.#isDead) return;
    if (this.#isHung) this.#waiting.add(source, run);
    else run();
  }

  #cron(): void {
    this.#o.timeline.after(CRON_US, () => {
      if (this.#isDead) return;
      if (!this.#isHung) this.model.cron();
      this.#cron();
    });
  }
}
