/**
 * This node's own server, as an eventual deployment's role is played on it: its lives, each with a
 * warden, how it stands, and the steps that change that. Calls return at once; what comes of them
 * are events, each with its life.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorReply, type Reply } from '../core/resp/reply-reader.ts';
import { endpointOf } from '../doors/topology.ts';
import type { Admin } from '../io/server/admin.ts';
import type { ConfLimits } from '../io/server/conf.ts';
import { ServerError } from '../io/server/errors.ts';
import {
  CLUSTER_CONF_NAME,
  type ClusterConf,
  type EventualConf,
  NOWHERE,
  SHUT,
} from '../io/server/eventual-conf.ts';
import type { Flavor } from '../io/server/flavor.ts';
import { ServerProcess } from '../io/server/process.ts';
import type { ClientUser } from '../io/server/users.ts';
import type {
  EventualServer,
  EventualServerEvents,
  ServerStep,
  TakeOver,
} from './eventual/ports.ts';
import { type FileSeen, hasData } from './eventual-record.ts';
import { EmptiedWatch, fileSeenFrom, SEEN_SECTIONS, seenFrom } from './eventual-seen.ts';
import type { Journal } from './journal.ts';
import { monotonicMs } from './monotonic.ts';
import { ServerObserver } from './server-observer.ts';
import { WardenLink } from './warden-link.ts';

/** It answers while it loads: a start is quick. */
const START_MS_MAX = 15_000;
/** To sync its file when it is to end; the stop of a pod has 30 s for all of it. */
const END_MS_MAX = 10_000;
/** One look every so often until the backlog is there: it is made within one turn of its loop. */
const BACKLOG_LOOK_MS = 5;
const BACKLOG_LOOKS_MAX = 100;

type OpenStep = Extract<ServerStep, { kind: 'open' }>;
const FAILOVER_WORDS: Readonly<Record<TakeOver, readonly string[]>> = {
  planned: [],
  force: ['FORCE'],
  takeover: ['TAKEOVER'],
};

export interface EventualServerOptions {
  readonly program: string;
  readonly flavor: Flavor;
  readonly setpriv: string | null;
  readonly runDir: string;
  readonly dataDir: string;
  readonly listen: EventualConf['listen'];
  /** As it is at the start of a life. */
  readonly announced: () => EventualConf['announced'];
  readonly clientPassword: string | null;
  readonly users: readonly ClientUser[];
  readonly replicaPassword: () => string;
  /** Null: it is no node of a cluster. */
  readonly cluster: (() => ClusterConf) | null;
  /** Of its configuration, asked for at the start of each life. */
  readonly settingLines: () => readonly string[];
  readonly limits: ConfLimits;
  /** While its files are as the last life has left them. */
  readonly beforeStarting: () => Promise<void>;
  /** Before it takes somebody else's data for its own. */
  readonly beforeFollowing: () => Promise<void>;
  readonly journal: Journal;
}

export class OwnEventualServer implements EventualServer {
  readonly #o: EventualServerOptions;
  #events: EventualServerEvents | null = null;
  #life = 0;
  #process: ServerProcess | null = null;
  #warden: WardenLink | null = null;
  #admin: Admin | null = null;
  #observer: ServerObserver | null = null;
  #emptied = new EmptiedWatch();
  #starting: AbortController | null = null;
  #ended: Promise<void> = Promise.resolve();
  /** For good: it is not opened again. */
  #isEnding = false;
  /** Its append-only file at the last look. */
  fileSeen: FileSeen | null = null;
  /** Why the last life ended, for people. */
  lastDown: string | null = null;

  constructor(options: EventualServerOptions) {
    this.#o = options;
  }

  /** Who hears what happens. Set once, before `start`. */
  listen(events: EventualServerEvents): void {
    this.#events = events;
  }

  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** A question for doors and checks; null when there is no server, or no answer. */
  async call(words: readonly string[]): Promise<Reply | null> {
    return (await this.#observer?.call(words)) ?? null;
  }

  start(life: number): void {
    this.#life = life;
    this.#starting = new AbortController();
    this.#ended = this.#start(life, this.#starting.signal);
  }

  kill(life: number, why: string): void {
    if (life !== this.#life) return;
    this.#o.journal.info('server.kill', { life, why });
    this.#starting?.abort();
    this.#process?.kill().catch(() => undefined);
  }

  /** Ends the server for good, all that it answered on disk, and resolves when it is gone. */
  async end(): Promise<void> {
    this.#events = null;
    this.#isEnding = true;
    this.#starting?.abort();
    await this.#ended.catch(() => undefined);
    await this.#stopped();
  }

  /** What was answered may still wait for its file: a server that is asked to end writes it. */
  async #stopped(): Promise<void> {
    const admin = this.#admin;
    if (admin !== null)
      await shut(admin).then(
        () => this.#warden?.disarm(),
        (error: unknown) => this.#o.journal.warn('server.notShut', { error }),
      );
    await this.#process?.stop(END_MS_MAX);
  }

  look(life: number): void {
    this.#ask(life, async (admin) => {
      const [text, limit, id = null] = await Promise.all([
        admin.call(['INFO', ...SEEN_SECTIONS]),
        admin.call(['CONFIG', 'GET', 'min-replicas-to-write']),
        // It may be another one at any time: a server can be told to forget who it is.
        ...(this.#o.cluster === null ? [] : [admin.call(['CLUSTER', 'MYID'])]),
      ]);
      if (life !== this.#life) return;
      if ([text, limit, id].some((reply) => reply instanceof ErrorReply && reply.code === 'BUSY')) {
        this.#events?.busy(life);
        return;
      }
      const minReplicas = Number(Array.isArray(limit) ? limit[1] : Number.NaN);
      const server = typeof id === 'string' ? id : null;
      const seen = Number.isNaN(minReplicas) ? null : seenFrom(String(text), minReplicas, server);
      this.fileSeen = fileSeenFrom(String(text));
      if (seen !== null) this.#events?.seen(life, this.#emptied.judge(seen));
    });
  }

  take(life: number, step: ServerStep, done: (ok: boolean) => void): void {
    this.#ask(life, async (admin) => {
      try {
        await this.#take(admin, step);
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        this.#o.journal.warn('server.stepFailed', { step: step.kind, error });
        if (life === this.#life) done(false);
        return;
      }
      if (life === this.#life) done(true);
    });
  }

  extend(life: number, untilMs: number): void {
    if (life === this.#life) void this.#warden?.extend(untilMs);
  }

  disarm(life: number): void {
    if (life === this.#life) this.#warden?.disarm();
  }

  async #take(admin: Admin, step: ServerStep): Promise<void> {
    switch (step.kind) {
      case 'shut':
        await shut(admin);
        return;
      case 'open':
        await this.#open(admin, step);
        return;
      case 'pause':
        await admin.must(['CLIENT', 'PAUSE', String(step.forMs), 'WRITE']);
        return;
      case 'detach':
        await this.#detach(admin);
        return;
      case 'follow':
        await this.#follow(admin, step.address);
        return;
      case 'promote':
        if (step.by === undefined) await this.#promote(admin);
        else await this.#takeOver(admin, step.by);
        return;
    }
  }

  /** The warden knows first, and has its time. */
  async #open(admin: Admin, { untilMs, minReplicas }: OpenStep): Promise<void> {
    const assertLease = (): void => {
      if (this.#isEnding || monotonicMs() >= untilMs)
        throw new ServerError('SERVER_FAILED', 'it may not be open any more');
    };
    assertLease();
    await this.#warden?.extend(untilMs);
    assertLease();
    await setMinReplicas(admin, String(minReplicas));
    // In a cluster a server pauses its clients itself, for whoever takes over from it.
    if (this.#o.cluster === null) await admin.must(['CLIENT', 'UNPAUSE']);
  }

  /** Clients look for the primary when their connection ends; what waits is not executed. */
  async #detach(admin: Admin): Promise<void> {
    await shut(admin);
    await admin.must(['REPLICAOF', NOWHERE.host, String(NOWHERE.port)]);
    await admin.must(['CLIENT', 'KILL', 'USER', 'default']);
    await admin.must(['CLIENT', 'UNPAUSE']);
    const { role } = await admin.info('replication');
    if (role !== 'replica')
      throw new ServerError('SERVER_FAILED', 'told to be no primary, and is one');
  }

  async #follow(admin: Admin, address: string): Promise<void> {
    const endpoint = endpointOf(address);
    if (endpoint === null)
      throw new ServerError('SERVER_FAILED', `told to follow ${address}, which is no address`);
    await this.#o.beforeFollowing();
    await admin.must(['REPLICAOF', endpoint.host, String(endpoint.port)]);
  }

  /** Its id is to last: without a backlog the first replica that comes would make another. */
  async #promote(admin: Admin): Promise<void> {
    await shut(admin);
    // In a cluster it is one already.
    if (this.#o.cluster === null) await admin.must(['REPLICAOF', 'NO', 'ONE']);
    if (await hasBacklog(admin)) return;
    const replica = await this.#process?.admin();
    try {
      await replica?.must(['REPLCONF', 'capa', 'eof', 'capa', 'psync2']);
      // Answered with the data after a while, which nobody waits for: it is closed before.
      replica?.call(['PSYNC', '?', '-1']).catch(() => undefined);
      for (let look = 0; look < BACKLOG_LOOKS_MAX; look++) {
        if (await hasBacklog(admin)) return;
        await sleep(BACKLOG_LOOK_MS);
      }
    } finally {
      replica?.close();
    }
    throw new ServerError('SERVER_FAILED', 'promoted, and keeps no backlog');
  }

  /** Answered when it was begun: it is seen later whether it came to anything. */
  async #takeOver(admin: Admin, by: TakeOver): Promise<void> {
    await shut(admin);
    await admin.must(['CLUSTER', 'FAILOVER', ...FAILOVER_WORDS[by]]);
  }

  /** Who it is in its cluster goes with its data: others would take it for one that has them. */
  async #begin(life: number, signal: AbortSignal): Promise<void> {
    const { dataDir } = this.#o;
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    if (await hasData(dataDir)) return;
    await this.#tellEmpty(life, signal);
    await rm(`${dataDir}/${CLUSTER_CONF_NAME}`, { force: true });
  }

  async #start(life: number, signal: AbortSignal): Promise<void> {
    const { program, setpriv, runDir, dataDir, flavor, limits, clientPassword, users } = this.#o;
    this.#emptied = new EmptiedWatch();
    const emptied = this.#emptied;
    let server: ServerProcess | null = null;
    try {
      await this.#begin(life, signal);
      await this.#o.beforeStarting();
      server = await ServerProcess.start(
        {
          program,
          setpriv,
          startMsMax: START_MS_MAX,
          launch: async (launching) => {
            this.#warden = await WardenLink.launch(launching);
            return this.#warden;
          },
          conf: {
            flavor,
            runDir,
            dataDir,
            listen: this.#o.listen,
            announced: this.#o.announced(),
            agentPassword: randomBytes(32).toString('hex'),
            clientPassword,
            users,
            replicaPassword: this.#o.replicaPassword(),
            settingLines: this.#o.settingLines(),
            limits,
            cluster: this.#o.cluster?.() ?? null,
          },
          onLine: (line) => {
            emptied.said(line);
            this.#o.journal.debug('server.said', { line });
          },
          onExit: (exit) => this.#gone(life, exit.text),
        },
        signal,
      );
      this.#process = server;
      const admin = await server.admin();
      if (life !== this.#life) {
        // It answered, and died before that was read.
        admin.close();
        return;
      }
      this.#admin = admin;
      this.#observer = new ServerObserver(server);
      this.#events?.up(life);
    } catch (error) {
      // No life begins before the process of this one is gone; it tells its exit by itself.
      await server?.kill();
      this.#gone(life, error instanceof Error ? error.message : String(error));
    }
  }

  /** Also resolves when it is not to start any more. */
  #tellEmpty(life: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || this.#events === null) resolve();
      else {
        signal.addEventListener('abort', () => resolve(), { once: true });
        this.#events.empty(life, resolve);
      }
    });
  }

  #gone(life: number, why: string): void {
    if (life !== this.#life) return;
    this.#life = 0;
    this.lastDown = why;
    this.fileSeen = null;
    this.#process = null;
    this.#warden = null;
    this.#admin?.close();
    this.#admin = null;
    this.#observer?.close();
    this.#observer = null;
    this.#events?.down(life, why);
  }

  /** A server that is gone, or silent, tells so by that: whoever drives it kills what is silent. */
  #ask(life: number, call: (admin: Admin) => Promise<void>): void {
    const admin = this.#admin;
    if (life !== this.#life || admin === null) return;
    call(admin).catch((error: unknown) => {
      if (!(error instanceof ServerError)) throw error;
      this.#o.journal.debug('server.notAsked', { error });
    });
  }
}

function shut(admin: Admin): Promise<void> {
  return setMinReplicas(admin, SHUT);
}

async function setMinReplicas(admin: Admin, value: string): Promise<void> {
  await admin.must(['CONFIG', 'SET', 'min-replicas-to-write', value]);
}

async function hasBacklog(admin: Admin): Promise<boolean> {
  const { fields } = await admin.info('replication');
  return fields.get('repl_backlog_active') === '1';
}
