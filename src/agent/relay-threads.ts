/**
 * The threads that serve clients, seen from the main thread, which has Raft, the log, the server
 * and the other nodes.
 *
 * What the relay promises of `setRoute` and `endReign`, that every effect has happened when they
 * return, holds here in two steps. At once: the cell says that the reign is over, so that no thread
 * gets anything of a later one (`threads/reign-cell.ts`). When `settled` is: each thread has done
 * what it was told, its sessions of that reign are closed and its connections to the server gone.
 * The server is told nothing that changes its role or stops its writes before that (`OwnServer`).
 *
 * A thread that ends by itself ends the agent.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { ListedCommand } from '../core/lanes/command-rules.ts';
import type { Route } from '../core/lanes/ports.ts';
import type { ReadsMode } from '../core/reads-mode.ts';
import type { Hello } from '../io/peers/hello.ts';
import { RelayError } from '../io/relay/listener.ts';
import { PortClaim } from '../io/relay/port-claim.ts';
import { ownProgram } from '../own-program.ts';
import type { ReignWatch } from './strong/ports.ts';
import {
  COUNTER_NAMES,
  type PointReached,
  type RelayTarget,
  sumOf,
  type ThreadAnswer,
  type ThreadCounters,
  type ThreadOpening,
  type ThreadOrder,
  type ThreadStart,
  WANTED_NAMES,
} from './thread-messages.ts';
import { Bell } from './threads/bell.ts';
import { ReignWriter, reignMemory } from './threads/reign-cell.ts';
import { Tally } from './threads/tally.ts';

type Given = 'reign' | 'counters' | 'wanted' | 'mainBell' | 'ownBell' | 'bells';

export interface RelayThreadsOptions {
  readonly count: number;
  /** What every thread is started with, but for the memory that it shares. */
  readonly start: Omit<ThreadStart, Given>;
  /** How to be let into the server that now leads. */
  readonly opening: () => Omit<ThreadOpening, 'reign'>;
  /** Leadership is to be confirmed by a round numbered so or later. */
  readonly wantRound: (round: number) => void;
  /** As `RelayPorts.readPoint`, for one thread. */
  readonly readPoint: (reached: () => void) => void;
  /** The present reign cannot go on. */
  readonly reignFailed: (why: string) => void;
  readonly acceptFailed: (error: Error) => void;
  readonly fatal: (error: Error) => void;
}

/** Closing sessions and a port is quick; a thread that does not get there is ended. */
const STOP_MS_MAX = 1_000;

export class RelayThreads {
  readonly #o: RelayThreadsOptions;
  readonly #cell: ReignWriter;
  readonly #cellMemory = reignMemory();
  readonly #bell: Bell;
  readonly #bellMemory = Bell.memory();
  #threads: readonly Thread[] = [];
  #claim: PortClaim | null = null;
  #orders = 0;
  #waiting: { readonly settled: Promise<void>; readonly resolve: () => void } | null = null;
  #isStopping = false;

  private constructor(options: RelayThreadsOptions) {
    this.#o = options;
    this.#cell = new ReignWriter(this.#cellMemory, () => this.#ring());
    this.#bell = new Bell(this.#bellMemory);
  }

  /** Resolves when clients can connect; rejects with a `RelayError` when the port is not there. */
  static async start(options: RelayThreadsOptions): Promise<RelayThreads> {
    const threads = new RelayThreads(options);
    const { host, port } = options.start;
    threads.#claim = await PortClaim.take(host, port);
    try {
      const begun = Array.from({ length: options.count }, () => threads.#begin());
      threads.#threads = begun.map(({ thread }) => thread);
      threads.#bell.listen();
      await Promise.all(begun.map(({ listening }) => listening));
    } catch (error) {
      await threads.stop();
      throw error;
    }
    return threads;
  }

  get count(): number {
    return this.#threads.length;
  }

  /** To be told whatever decides over replies. */
  get watch(): ReignWatch {
    return this.#cell;
  }

  /** Null when every thread has done what it was told. */
  get settled(): Promise<void> | null {
    return this.#waiting?.settled ?? null;
  }

  setRoute(route: Route): void {
    if (route.kind !== 'open') {
      this.#order({ kind: 'route', route });
      return;
    }
    this.#cell.open(route.reign);
    this.#order({ kind: 'open', reign: route.reign, ...this.#o.opening() });
  }

  endReign(why: string): void {
    this.#cell.end();
    this.#order({ kind: 'endReign', why });
  }

  pauseReads(): void {
    this.#order({ kind: 'reads', isPaused: true });
  }

  resumeReads(): void {
    this.#order({ kind: 'reads', isPaused: false });
  }

  setSpell(spell: number | null): void {
    const { socketPath } = this.#o.opening();
    this.#order({ kind: 'spell', spell, socketPath });
  }

  setReads(reads: ReadsMode): void {
    this.#order({ kind: 'readsMode', reads });
  }

  learn(commands: readonly ListedCommand[]): void {
    this.#order({ kind: 'learn', commands });
  }

  /** What this node says of itself, and who is up, has changed. */
  know(hello: Hello, targets: readonly RelayTarget[]): void {
    this.#order({ kind: 'peers', hello, targets });
  }

  /** Of all threads together, as they were a tick ago. */
  counters(): ThreadCounters {
    return sumOf(this.#threads.map(({ counters }) => counters.read()));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cell.end();
    this.#order({ kind: 'stop' });
    await Promise.all(this.#threads.map((thread) => thread.gone(STOP_MS_MAX)));
    this.#claim?.release();
  }

  #order(order: ThreadOrder): void {
    if (this.#threads.length === 0) return;
    this.#orders += 1;
    for (const { worker } of this.#threads) worker.postMessage({ number: this.#orders, order });
    if (this.#waiting !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { settled: promise, resolve };
  }

  #begin(): { readonly thread: Thread; readonly listening: Promise<void> } {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const thread = new Thread(
      {
        ...this.#o.start,
        reign: this.#cellMemory,
        mainBell: this.#bellMemory,
      },
      {
        answered: (answer) => {
          if (answer.kind === 'listening') resolve();
          else if (answer.kind === 'notListening') reject(new RelayError(answer.code, answer.text));
          else this.#answered(thread, answer);
        },
        rung: () => this.#rung(),
        ended: (why) => {
          const error = new Error(`RELAY_THREAD_ENDED: ${why.message}`, { cause: why });
          reject(error);
          if (!this.#isStopping) this.#o.fatal(error);
        },
      },
    );
    return { thread, listening: promise };
  }

  #answered(thread: Thread, answer: ThreadAnswer): void {
    switch (answer.kind) {
      case 'done':
        thread.done = answer.number;
        if (this.#threads.every(({ done }) => done === this.#orders)) this.#settle();
        return;
      case 'pointWanted':
        this.#o.readPoint(() => thread.pointReached(answer.number));
        return;
      case 'reignFailed':
        if (answer.reign === this.#cell.reign) this.#o.reignFailed(answer.why);
        return;
      case 'acceptFailed':
        this.#o.acceptFailed(answer.error);
        return;
    }
  }

  #settle(): void {
    this.#waiting?.resolve();
    this.#waiting = null;
  }

  /** Wakes those who have something to look for. */
  #ring(): void {
    for (const thread of this.#threads) thread.ring();
  }

  /** A thread wants a round: the highest of all that are wanted serves all. */
  #rung(): void {
    this.#bell.listen();
    let highest = 0;
    for (const { wanted } of this.#threads) {
      const { reign, round } = wanted.read();
      if (reign === this.#cell.reign && reign !== 0) highest = Math.max(highest, round);
    }
    if (highest > 0) this.#o.wantRound(highest);
  }
}

interface ThreadEvents {
  answered(answer: ThreadAnswer): void;
  rung(): void;
  /** It is gone, by whatever cause. */
  ended(why: Error): void;
}

/** One of them: the worker, and the memory that only it shares with the main thread. */
class Thread {
  readonly worker: Worker;
  readonly counters: Tally<(typeof COUNTER_NAMES)[number]>;
  readonly wanted: Tally<(typeof WANTED_NAMES)[number]>;
  /** The number of the last order that it has done. */
  done = 0;
  readonly #bell: Bell;
  readonly #bells: MessagePort;
  readonly #exited: Promise<void>;

  constructor(
    start: Omit<ThreadStart, Exclude<Given, 'reign' | 'mainBell'>>,
    events: ThreadEvents,
  ) {
    const counters = Tally.memory(COUNTER_NAMES);
    const wanted = Tally.memory(WANTED_NAMES);
    const ownBell = Bell.memory();
    const { port1, port2 } = new MessageChannel();
    this.counters = new Tally(counters, COUNTER_NAMES);
    this.wanted = new Tally(wanted, WANTED_NAMES);
    this.#bell = new Bell(ownBell);
    this.#bells = port1;
    const workerData: ThreadStart = { ...start, counters, wanted, ownBell, bells: port2 };
    this.worker = new Worker(ownProgram('agent/relay-thread-entry'), {
      name: 'clients',
      workerData,
      transferList: [port2],
    });
    this.worker.on('message', (answer: ThreadAnswer) => events.answered(answer));
    let why: Error | null = null;
    this.worker.once('error', (error: Error) => {
      why = error;
    });
    port1.on('message', () => events.rung());
    this.#exited = new Promise((resolve) => {
      this.worker.once('exit', (code) => {
        port1.close();
        resolve();
        events.ended(why ?? new Error(`it ended with ${code}`));
      });
    });
  }

  pointReached(number: number): void {
    const reached: PointReached = { pointReached: number };
    this.worker.postMessage(reached);
  }

  ring(): void {
    if (this.#bell.ring()) this.#bells.postMessage(null);
  }

  /** Resolves when it has ended by itself, or was ended after `msMax`. */
  async gone(msMax: number): Promise<void> {
    const timer = setTimeout(() => void this.worker.terminate(), msMax);
    await this.#exited;
    clearTimeout(timer);
  }
}
