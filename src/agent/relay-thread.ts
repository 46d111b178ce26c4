/**
 * A thread that serves clients: its own listener on the shared port, a relay, and of each reign its
 * own hold and fence. It is the composition root of such a thread, as `agent.ts` is of the node.
 *
 * Orders are done one at a time, each wholly before its number is answered: what the server does
 * after an answer finds no session and no connection of what was ended. Why it does no harm that
 * this is later than in the main thread: `threads/thread-reign.ts`.
 */

import { unreachable } from '../assert.ts';
import { ReadBuffer } from '../io/read-buffer.ts';
import { ClientListener, RelayError } from '../io/relay/listener.ts';
import { Relay } from '../io/relay/relay.ts';
import { connectServer } from '../io/server/admin.ts';
import { commandRules } from './command-rules.ts';
import { FenceLink } from './fence-link.ts';
import { monotonicMs } from './monotonic.ts';
import { relayHold } from './strong/relay-hold.ts';
import { roleSeen } from './strong/role-seen.ts';
import {
  COUNTER_NAMES,
  type NumberedOrder,
  type PointReached,
  type ThreadAnswer,
  type ThreadOpening,
  type ThreadStart,
  WANTED_NAMES,
} from './thread-messages.ts';
import { ThreadPeers } from './thread-peers.ts';
import { Bell } from './threads/bell.ts';
import { NEVER, ReignReader } from './threads/reign-cell.ts';
import { Seats } from './threads/seats.ts';
import { Tally } from './threads/tally.ts';
import { ThreadReign } from './threads/thread-reign.ts';

/** The server was busy or full when the fence was to be let in; nobody is served before. */
const FENCE_RETRY_MS = 50;

export class RelayThread {
  readonly #start: ThreadStart;
  readonly #answer: (answer: ThreadAnswer) => void;
  readonly #facts: ReignReader;
  readonly #mainBell: Bell;
  readonly #ownBell: Bell;
  readonly #counters: Tally<(typeof COUNTER_NAMES)[number]>;
  readonly #wanted: Tally<(typeof WANTED_NAMES)[number]>;
  readonly #peers: ThreadPeers;
  readonly #relay: Relay;
  #listener: ClientListener | null = null;
  #opening: ThreadOpening | null = null;
  #socketPath = '';
  /** What the relay waits for: one point at a time. */
  #point: { readonly number: number; readonly reached: () => void } | null = null;
  #points = 0;
  #reign: ThreadReign | null = null;
  readonly #reads = new ReadBuffer();
  #fence: FenceLink | null = null;
  #ticker: NodeJS.Timeout | null = null;

  constructor(start: ThreadStart, answer: (answer: ThreadAnswer) => void) {
    this.#start = start;
    this.#answer = answer;
    this.#facts = new ReignReader(start.reign);
    this.#mainBell = new Bell(start.mainBell);
    this.#ownBell = new Bell(start.ownBell);
    this.#counters = new Tally(start.counters, COUNTER_NAMES);
    this.#wanted = new Tally(start.wanted, WANTED_NAMES);
    this.#peers = new ThreadPeers(start);
    this.#relay = new Relay({
      ports: {
        connectServer: () => connectServer(this.#socketPath, this.#reads),
        connectLeader: (node, signal) => this.#peers.open(node, signal),
        readPoint: (reached) => this.#wantPoint(reached),
        nextRound: () => this.#reign?.nextRound() ?? NEVER,
        hold: relayHold(() => this.#reign),
      },
      rules: commandRules(() => this.#replicasHolding()),
      bounds: start.bounds,
      seats: new Seats(start.seats, start.bounds.sessionsMax),
    });
  }

  /** Answers `listening` or `notListening`. */
  async listen(): Promise<void> {
    const { host, port, bounds, tickMs } = this.#start;
    this.#ticker = setInterval(() => this.#tick(), tickMs);
    try {
      this.#listener = await ClientListener.open({
        host,
        port,
        keepAliveMs: bounds.keepAliveMs,
        isShared: true,
        onClient: (client) => this.#relay.admit(client),
        onError: (error) => this.#answer({ kind: 'acceptFailed', error }),
      });
      this.#answer({ kind: 'listening' });
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      // An error loses its code on its way to another thread.
      this.#answer({ kind: 'notListening', code: error.code, text: error.detail });
    }
  }

  take({ number, order }: NumberedOrder): void {
    switch (order.kind) {
      case 'learn':
        this.#relay.learn(order.commands);
        break;
      case 'peers':
        this.#peers.know(order.hello, order.targets);
        break;
      case 'open':
        this.#open(order);
        break;
      case 'endReign':
        this.#endReign(order.why);
        break;
      case 'route':
        this.#relay.setRoute(order.route);
        break;
      case 'reads':
        if (order.isPaused) this.#relay.pauseReads();
        else this.#relay.resumeReads();
        break;
      case 'spell':
        this.#socketPath = order.socketPath;
        this.#relay.setSpell(order.spell);
        break;
      case 'readsMode':
        this.#relay.setReads(order.reads);
        break;
      case 'stop':
        this.#stop();
        break;
      default:
        unreachable(order);
    }
    this.#answer({ kind: 'done', number });
  }

  pointReached({ pointReached }: PointReached): void {
    const point = this.#point;
    if (point?.number !== pointReached) return;
    this.#point = null;
    point.reached();
  }

  #wantPoint(reached: () => void): void {
    this.#points += 1;
    this.#point = { number: this.#points, reached };
    this.#answer({ kind: 'pointWanted', number: this.#points });
  }

  /** There is news in the cell. */
  rung(): void {
    this.#reign?.rung();
  }

  #replicasHolding(): number {
    this.#facts.look();
    return this.#facts.replicasHolding;
  }

  #open(opening: ThreadOpening): void {
    const { reignLimits, leaseReads } = this.#start;
    this.#opening = opening;
    this.#socketPath = opening.socketPath;
    this.#reign = new ThreadReign(opening.reign, this.#facts, reignLimits, {
      requestFence: () => this.#fence?.askSoon(),
      requestRound: (round) => this.#wantRound(opening.reign, round),
      listen: () => this.#ownBell.listen(),
      nowMs: leaseReads ? monotonicMs : null,
    });
    this.#relay.setRoute({ kind: 'none', why: 'this node is opening' });
    this.#connectFence(opening);
  }

  /**
   * Nobody is served before it is there. Until then it may be tried again: no reply was held that
   * another life of the server could have given, and another life does not know the password. Its
   * bound is the main thread's: that one's fence asks the same server, and ends its reign.
   */
  #connectFence(opening: ThreadOpening): void {
    let isReady = false;
    const isPresent = (): boolean => this.#opening === opening && this.#reign !== null;
    this.#fence = new FenceLink({
      connect: () => connectServer(opening.socketPath, this.#reads),
      auth: opening.auth,
      onReady: () => {
        isReady = true;
        this.#relay.setRoute({ kind: 'open', reign: opening.reign });
      },
      isWanted: () => this.#reign?.isFenceWanted === true,
      onSent: () => this.#reign?.fenceSent(),
      onRole: (role) => {
        const outcome = this.#reign?.answered(roleSeen(role)) ?? 'done';
        if (typeof outcome === 'string') return outcome;
        this.#failed(opening.reign, outcome.failed);
        return 'done';
      },
      onClosed: (why) => {
        if (isReady) this.#failed(opening.reign, `the fence of a thread broke: ${why}`);
        else
          setTimeout(() => {
            if (isPresent()) this.#connectFence(opening);
          }, FENCE_RETRY_MS);
      },
    });
  }

  #wantRound(reign: number, round: number): void {
    this.#wanted.tell({ reign, round });
    if (this.#mainBell.ring()) this.#start.bells.postMessage(null);
  }

  /** The main thread ends the reign for all; here it is over already. */
  #failed(reign: number, why: string): void {
    this.#endReign(why);
    this.#answer({ kind: 'reignFailed', reign, why });
  }

  #endReign(why: string): void {
    this.#reign?.end();
    this.#reign = null;
    this.#fence?.close();
    this.#fence = null;
    this.#relay.endReign(why);
  }

  #tick(): void {
    this.#relay.tick();
    const reign = this.#reign;
    const over = reign?.tick() ?? null;
    if (reign !== null && over !== null) this.#failed(reign.number, over);
    this.#counters.tell({ ...this.#relay.stats(), heldBytes: this.#reign?.heldBytes ?? 0 });
  }

  #stop(): void {
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#listener?.close();
    this.#endReign('this node stops');
    this.#relay.close();
    this.#peers.stop();
    this.#start.bells.close();
  }
}
