/**
 * The node's own server in virtual time: `agent/own-server.ts` over the model. Calls return at
 * once; what comes of them comes later, each with its life, and in any order between connections.
 */
import type {
  GroupServer,
  ServerEvents,
  SnapshotConnection,
  SnapshotReceiver,
} from '../src/agent/shard/ports.ts';
import type { Feed } from '../src/agent/strong/feed.ts';
import { roleSeen } from '../src/agent/strong/role-seen.ts';
import type { Role } from '../src/core/psync/role.ts';
import type { Reply } from '../src/core/resp/reply-reader.ts';
import type { ReplOffset } from '../src/core/scalars.ts';
import { FeedDoor } from './feed-door.ts';
import { FLAVORS, type FlavorName } from './server/flavor.ts';
import type { ModelServer } from './server/model-server.ts';
import type { Dial } from './server/primary-link.ts';
import { type ReplySeen, ServerBody } from './server-body.ts';
import {
  AGENT,
  CallLine,
  FenceLine,
  type Line,
  type LineEnds,
  ReplicaLine,
} from './server-lines.ts';
import { demotion, promotion, role, ServerFailed, type Steps, writePause } from './server-steps.ts';
import type { Chance, Timeline } from './time.ts';

const BUSY_RETRY_US = 5_000;
const CALL_US_MAX = 5_000_000;
const KILL_US_MAX = 2_000;
const START_US_MAX = 60_000;
const CAPTURE_PORT = 1;

export interface SimServerOptions {
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly lineDelaysUs: readonly number[];
  readonly historyId: string;
  readonly inAgent: (source: string, run: () => void) => void;
  readonly feed: () => Feed;
  readonly flavor: FlavorName;
  readonly build: (life: number, dial: Dial) => ModelServer;
  readonly note: ((what: string) => void) | null;
}

export class SimServer implements GroupServer {
  readonly #o: SimServerOptions;
  #events: ServerEvents | null = null;
  #life = 0;
  #body: ServerBody | null = null;
  #admin: CallLine | null = null;
  #fence: FenceLine | null = null;
  #capture: ReplicaLine | null = null;
  #isFenceDue = false;
  #diesAtFence = false;
  readonly #feed: FeedDoor;
  #isGone = false;
  readonly rdbHeadBytes = 9;

  constructor(options: SimServerOptions) {
    this.#o = options;
    this.#feed = new FeedDoor(options.feed, (why) => options.note?.(`refuses its server: ${why}`));
  }

  get body(): ServerBody | null {
    return this.#body;
  }

  get versionText(): string {
    const { product, version } = FLAVORS[this.#o.flavor];
    return `${product} ${version}`;
  }

  listen(events: ServerEvents): void {
    this.#events = events;
  }

  unloadable(head: Uint8Array): string | null {
    const { rdbVersionMax } = FLAVORS[this.#o.flavor];
    const version = /^REDIS([0-9]{4})$/.exec(Buffer.from(head).toString('latin1'))?.[1];
    if (version === undefined) return 'it does not begin like an RDB';
    return Number(version) <= rdbVersionMax ? null : `it is of RDB version ${version}`;
  }

  /** The agent is gone, and its server with it. */
  end(): void {
    this.#isGone = true;
    this.#events = null;
    this.#body?.crash();
  }

  start(life: number): void {
    this.#life = life;
    this.#o.note?.(`starts its server, life ${life}`);
    this.#later(this.#o.chance.between(1_000, START_US_MAX), () => {
      if (life === this.#life && this.#body === null) this.#begin(life);
    });
  }

  kill(life: number, why: string): void {
    if (life !== this.#life) return;
    this.#o.note?.(`kills its server: ${why}`);
    this.detach();
    this.#later(this.#o.chance.between(1, KILL_US_MAX), () => {
      if (life === this.#life) this.crash('was killed');
    });
  }

  /** It is to die when it is asked next how far it is. */
  crashAtFence(): void {
    this.#diesAtFence = true;
  }

  /** It dies by itself, or by somebody else's hand. */
  crash(why: string): void {
    const life = this.#life;
    if (life === 0) return;
    this.#o.note?.(`its server ${why}`);
    this.#body?.crash();
    this.#later(this.#o.chance.between(1, KILL_US_MAX), () => this.#goneBy(life, why));
  }

  cutFeed(): void {
    this.#feed.cut();
  }

  breakClient(): void {
    this.#body?.breakClient();
  }

  /** The model ended itself. */
  exited(life: number, why: string): void {
    if (life === this.#life) this.crash(why);
  }

  askRole(life: number, afterMs: number): void {
    this.#later(afterMs * 1_000, () =>
      this.#ask(life, role(), (seen) => this.#events?.roleSeen(life, seen)),
    );
  }

  promote(life: number): void {
    this.#o.note?.('promotes its server');
    this.#ask(life, promotion(), ({ replid, offset }) =>
      this.#events?.promoted(life, replid, offset),
    );
  }

  demote(life: number): void {
    this.#o.note?.('demotes its server');
    this.#ask(life, demotion(), () => this.#events?.demoted(life));
  }

  attach(life: number, _replid: string, from: ReplOffset): void {
    this.detach();
    this.#fence = new FenceLine({
      open: (ends) => this.open(ends),
      onReady: () => this.#attachCapture(life, from),
      onRole: (role) => this.#fenceAnswered(life, role),
      onClosed: (why) => this.#lost(life, `the fence broke: ${why}`),
    });
  }

  detach(): void {
    this.#fence?.close();
    this.#capture?.close();
    this.#fence = null;
    this.#capture = null;
    this.#isFenceDue = false;
  }

  sendFence(): void {
    if (this.#isFenceDue) return;
    this.#isFenceDue = true;
    this.#later(1, () => {
      this.#isFenceDue = false;
      if (this.#fence === null || this.#events?.isFenceWanted !== true) return;
      this.#events.fenceSent();
      this.#fence.ask();
      if (!this.#diesAtFence) return;
      this.#diesAtFence = false;
      this.crash('died with a question on its way');
    });
  }

  acknowledge(offset: ReplOffset): void {
    this.#capture?.acknowledge(offset);
  }

  setCapturePaused(isPaused: boolean): void {
    this.#capture?.setPaused(isPaused);
  }

  pauseWrites(life: number, forMs: number): void {
    this.#ask(life, writePause(forMs), () => undefined);
  }

  /** Nobody is at a port of its own here. */
  serveReads(): void {}

  unexpectedErrors(done: (errors: number | null) => void): void {
    if (this.#admin === null) {
      done(null);
      return;
    }
    this.#admin.call(['INFO', 'stats'], (reply) => {
      const found = /unexpected_error_replies:([0-9]+)/.exec(String(reply));
      done(found === null ? null : Number(found[1]));
    });
  }

  diverged(why: string): void {
    this.#o.note?.(`its server has diverged: ${why}`);
  }

  openSnapshot(receiver: SnapshotReceiver): SnapshotConnection {
    return new ReplicaLine({
      open: (ends) => this.open(ends),
      replica: {
        auth: AGENT,
        listeningPort: CAPTURE_PORT,
        version: null,
        rdbOnly: true,
        after: null,
      },
      ...receiver,
    });
  }

  /** The connection of a client; null when nobody takes it. */
  openClient(ends: LineEnds, onReply: (reply: ReplySeen) => void): Line | null {
    const body = this.#body;
    return body === null || body.isDead ? null : body.open(ends, onReply);
  }

  /** A connection to the present life, be it gone. */
  open(ends: LineEnds): Line {
    const body = this.#body;
    if (body !== null) return body.open(ends);
    this.#later(1, () => ends.onClosed());
    return { write: () => true, setPaused: () => undefined, close: () => undefined };
  }

  #later(delayUs: number, run: () => void): void {
    this.#o.timeline.after(delayUs, () => {
      if (!this.#isGone) this.#o.inAgent('timers', run);
    });
  }

  #begin(life: number): void {
    this.#diesAtFence = false;
    const { timeline, chance, lineDelaysUs, inAgent, build } = this.#o;
    this.#body = new ServerBody({
      timeline,
      chance,
      lineDelaysUs,
      inAgent: (source, run) => {
        if (!this.#isGone) inAgent(source, run);
      },
      build: (dial) => build(life, dial),
      accept: (line) => this.#feed.accept(line),
    });
    const admin = new CallLine((ends) => this.open(ends));
    admin.call(['CLIENT', 'NO-EVICT', 'ON'], (reply) => {
      if (reply === null || life !== this.#life) return;
      this.#admin = admin;
      this.#events?.serverUp(life);
    });
  }

  #goneBy(life: number, why: string): void {
    if (life !== this.#life) return;
    this.#life = 0;
    // One that was killed while it started may have come to life since.
    this.#body?.crash();
    this.#body = null;
    this.#admin?.close();
    this.#admin = null;
    this.detach();
    this.#events?.serverDown(life, why);
  }

  /** Runs the steps on the admin connection; whatever goes wrong is the server's failure. */
  #ask<Result>(life: number, steps: Steps<Result>, done: (result: Result) => void): void {
    const admin = this.#admin;
    if (life !== this.#life || admin === null) return;
    const fail = (why: string): void => {
      if (life === this.#life) this.#events?.serverFailed(life, why);
    };
    const go = (reply: Reply | null): void => {
      try {
        const next = reply === null ? steps.next() : steps.next(reply);
        if (next.done === true) done(next.value);
        else this.#call(admin, next.value, go, fail);
      } catch (error) {
        if (!(error instanceof ServerFailed)) throw error;
        fail(error.message);
      }
    };
    go(null);
  }

  #call(
    admin: CallLine,
    words: readonly string[],
    done: (reply: Reply) => void,
    fail: (why: string) => void,
  ): void {
    let isAnswered = false;
    this.#later(CALL_US_MAX, () => {
      if (!isAnswered && admin === this.#admin) fail(`no answer to ${words[0]}`);
      isAnswered = true;
    });
    admin.call(words, (reply) => {
      // One that is gone reports that itself.
      if (reply !== null && !isAnswered && admin === this.#admin) {
        isAnswered = true;
        // A null is an answer, and none that any step here waits for.
        done(reply);
      }
      isAnswered = true;
    });
  }

  #attachCapture(life: number, from: ReplOffset): void {
    this.#capture = new ReplicaLine({
      open: (ends) => this.open(ends),
      replica: {
        auth: AGENT,
        listeningPort: CAPTURE_PORT,
        version: null,
        rdbOnly: false,
        after: { replid: this.#o.historyId, offset: from },
      },
      onEvent: (event) => {
        switch (event.kind) {
          case 'continued':
            this.#events?.attached(life, event.replid);
            return;
          case 'stream':
            this.#events?.captured(life, Buffer.from(event.bytes));
            return;
          case 'refused':
            this.#lost(life, `the capture was refused: ${event.text}`);
            return;
          default:
            this.#lost(life, `the capture got ${event.kind}, not CONTINUE`);
        }
      },
      onClosed: (why) => this.#lost(life, `the capture broke: ${why}`),
    });
  }

  #lost(life: number, why: string): void {
    this.detach();
    this.#events?.detached(life, why);
  }

  #fenceAnswered(life: number, role: Role): void {
    if (this.#events?.fenceAnswered(life, roleSeen(role)) !== 'askAgain') return;
    const fence = this.#fence;
    this.#later(BUSY_RETRY_US, () => {
      if (this.#fence === fence) fence?.ask();
    });
  }
}
