/**
 * This node's own server, as strong mode drives it: its lives, its promotion and demotion, the
 * fence and the capture. Calls return at once; what comes of them are events, each with its life.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { asBuffer } from '../core/bytes.ts';
import type { ListedCommand } from '../core/lanes/command-rules.ts';
import { parseRole } from '../core/psync/role.ts';
import type { Reply } from '../core/resp/reply-reader.ts';
import { type ReplOffset, replOffset } from '../core/scalars.ts';
import { ReadBuffer } from '../io/read-buffer.ts';
import { type Admin, connectServer } from '../io/server/admin.ts';
import { AGENT_USER, type ConfLimits, type Feed } from '../io/server/conf.ts';
import { ServerError } from '../io/server/errors.ts';
import { type Flavor, versionNumbers, versionText } from '../io/server/flavor.ts';
import { parseInfo } from '../io/server/info.ts';
import { ServerProcess } from '../io/server/process.ts';
import { RDB_MAGIC_BYTES, rdbUnreadableBecause } from '../io/server/rdb-version.ts';
import { parseCommands } from './command-list.ts';
import { FenceLink } from './fence-link.ts';
import type { Journal } from './journal.ts';
import { ReplicaLink } from './replica-link.ts';
import type { ServerClients } from './server-clients.ts';
import { ServerObserver } from './server-observer.ts';
import { isConfession } from './shard/divergence-watch.ts';
import type {
  GroupServer,
  ServerEvents,
  SnapshotConnection,
  SnapshotReceiver,
} from './shard/ports.ts';
import { roleSeen } from './strong/role-seen.ts';

export interface OwnServerOptions {
  readonly program: string;
  readonly flavor: Flavor;
  readonly setpriv: string | null;
  readonly runDir: string;
  readonly clientPassword: string | null;
  readonly clients: ServerClients;
  /** Of its configuration, asked for at the start of each life. */
  readonly settingLines: () => readonly string[];
  readonly confLimits: ConfLimits;
  readonly feed: Feed;
  /** The one id of this deployment's history, which a follower's server carries. */
  readonly historyId: () => string;
  readonly journal: Journal;
  /** What the server says of its commands, before it is up. */
  readonly onCommands: (commands: readonly ListedCommand[]) => void;
  /**
   * Null when all who serve clients have done what they were told: no role is changed, and nothing
   * asked, while one of them may still send it what belongs to an earlier reign.
   */
  readonly settled: () => Promise<void> | null;
}

/** Loading happens after the socket answers: a start is quick. */
const START_MS_MAX = 15_000;
/** Promotion and demotion have a bound in ticks as well; this one frees the connection. */
const STEP_MS_MAX = 5_000;
/** Shown by the server in its list of replicas. */
const CAPTURE_PORT = 1;

export class OwnServer implements GroupServer {
  readonly #o: OwnServerOptions;
  #events: ServerEvents | null = null;
  #life = 0;
  #process: ServerProcess | null = null;
  #admin: Admin | null = null;
  #observer: ServerObserver | null = null;
  #agentPassword = '';
  #starting: AbortController | null = null;
  #fence: FenceLink | null = null;
  #capture: ReplicaLink | null = null;
  #isReadable = false;
  readonly #reads = new ReadBuffer();
  #ended: Promise<void> = Promise.resolve();
  /** Why the last life ended, for people. */
  lastDown: string | null = null;
  /** Why a life of it had to be ended because it had diverged (H3), for people. */
  lastDivergence: string | null = null;

  constructor(options: OwnServerOptions) {
    this.#o = options;
  }

  /** Who hears what happens. Set once, before `start`. */
  listen(events: ServerEvents): void {
    this.#events = events;
  }

  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  get isUp(): boolean {
    return this.#admin !== null;
  }

  /** A connection without any handshake, for a client's session. */
  connect(): Socket {
    return connectServer(this.#socketPath, this.#reads);
  }

  /** How another thread connects, and is let in as the agent. */
  get door() {
    return { socketPath: this.#socketPath, auth: this.auth };
  }

  get #socketPath(): string {
    return this.#process?.socketPath ?? `${this.#o.runDir}/server.sock`;
  }

  get auth(): { readonly user: string; readonly password: string } {
    return { user: AGENT_USER, password: this.#agentPassword };
  }

  get versionText(): string {
    return versionText(this.#o.flavor);
  }

  readonly rdbHeadBytes = RDB_MAGIC_BYTES;

  unloadable(head: Uint8Array): string | null {
    return rdbUnreadableBecause(head, this.#o.flavor);
  }

  openSnapshot(receiver: SnapshotReceiver): SnapshotConnection {
    const { auth } = this;
    const version = versionNumbers(this.#o.flavor);
    return new ReplicaLink({
      connect: () => this.connect(),
      replica: { auth, listeningPort: CAPTURE_PORT, version, rdbOnly: true, after: null },
      ...receiver,
    });
  }

  /** A question for doors and checks; null when there is no server, or no answer. */
  async call(words: readonly string[]): Promise<Reply | null> {
    return (await this.#observer?.call(words)) ?? null;
  }

  unexpectedErrors(done: (errors: number | null) => void): void {
    this.call(['INFO', 'stats']).then((text) =>
      done(typeof text === 'string' ? parseInfo(text).unexpectedErrorReplies : null),
    );
  }

  diverged(why: string): void {
    this.lastDivergence = why;
    this.#o.journal.error('server.diverged', { why });
  }

  start(life: number): void {
    this.#life = life;
    this.#agentPassword = randomBytes(32).toString('hex');
    this.#starting = new AbortController();
    this.#ended = this.#start(life, this.#starting.signal);
  }

  kill(life: number, why: string): void {
    if (life !== this.#life) return;
    this.#o.journal.info('server.kill', { life, why });
    this.detach();
    this.#starting?.abort();
    this.#process?.kill().catch(() => undefined);
  }

  /** Ends the server for good, and resolves when it is gone. */
  async end(): Promise<void> {
    this.#events = null;
    this.detach();
    this.#starting?.abort();
    await this.#ended.catch(() => undefined);
    this.#admin?.close();
    await this.#process?.kill();
  }

  askRole(life: number, afterMs: number): void {
    if (afterMs > 0) setTimeout(() => this.askRole(life, 0), afterMs);
    else
      this.#ask(life, async (admin) => {
        const role = roleSeen(parseRole(await admin.call(['ROLE'])));
        this.#events?.roleSeen(life, role);
      });
  }

  serveReads(life: number, isServed: boolean): void {
    const { clients } = this.#o;
    this.#isReadable = isServed;
    this.#ask(life, async (admin) => {
      if (!isServed) await clients.evict(admin);
      else if (this.#isReadable) await clients.listen(admin);
    });
  }

  /**
   * Nothing of the clients' is left on the server, and nobody new gets in, before it is promoted:
   * what it executes from then on is agreed on by nobody yet (H4).
   */
  promote(life: number): void {
    this.#isReadable = false;
    this.#ask(life, async (admin) => {
      await this.#o.clients.evict(admin);
      await admin.must(['CONFIG', 'SET', 'min-replicas-to-write', '1']);
      await admin.promote();
      const info = await admin.info('replication');
      if (info.role !== 'primary' || info.replid === null || info.replOffset === null)
        throw new ServerError('SERVER_FAILED', 'promoted, and no primary');
      await this.#o.clients.permit(admin, 'leader');
      this.#events?.promoted(life, info.replid, replOffset(info.replOffset));
    });
  }

  demote(life: number): void {
    this.#ask(life, async (admin) => {
      await this.#o.clients.evict(admin);
      await admin.follow(this.#o.feed);
      await admin.must(['CLIENT', 'UNPAUSE']);
      await this.#o.clients.permit(admin, 'follower');
      const role = parseRole(await admin.call(['ROLE'], STEP_MS_MAX));
      if (role.kind !== 'replica')
        throw new ServerError('SERVER_FAILED', `told to follow, and is ${role.kind}`);
      this.#events?.demoted(life);
    });
  }

  attach(life: number, replid: string, from: ReplOffset): void {
    this.detach();
    const connect = () => this.connect();
    const fence = new FenceLink({
      connect,
      auth: this.auth,
      onReady: () => this.#attachCapture(life, replid, from),
      isWanted: () => this.#events?.isFenceWanted === true,
      onSent: () => this.#events?.fenceSent(),
      onRole: (role) => this.#events?.fenceAnswered(life, roleSeen(role)) ?? 'done',
      onClosed: (why) => this.#lost(life, `the fence broke: ${why}`),
    });
    this.#fence = fence;
  }

  detach(): void {
    this.#fence?.close();
    this.#capture?.close();
    this.#fence = null;
    this.#capture = null;
  }

  sendFence(): void {
    this.#fence?.askSoon();
  }

  acknowledge(offset: ReplOffset): void {
    this.#capture?.acknowledge(offset);
  }

  setCapturePaused(isPaused: boolean): void {
    this.#capture?.setPaused(isPaused);
  }

  pauseWrites(life: number, forMs: number): void {
    this.#ask(life, async (admin) => {
      if (forMs === 0) await admin.must(['CLIENT', 'UNPAUSE']);
      else await admin.must(['CLIENT', 'PAUSE', String(forMs), 'WRITE']);
    });
  }

  async #start(life: number, signal: AbortSignal): Promise<void> {
    const { program, setpriv, runDir, flavor, clientPassword, clients, feed } = this.#o;
    let server: ServerProcess | null = null;
    try {
      server = await ServerProcess.start(
        {
          program,
          setpriv,
          startMsMax: START_MS_MAX,
          conf: {
            flavor,
            runDir,
            agentPassword: this.#agentPassword,
            clientPassword,
            users: clients.users,
            localHost: clients.localHost,
            feed,
            settingLines: this.#o.settingLines(),
            limits: this.#o.confLimits,
          },
          onLine: (line) => this.#said(line),
          onExit: (exit) => this.#gone(life, exit.text),
        },
        signal,
      );
      this.#process = server;
      const admin = await server.admin();
      this.#o.onCommands(parseCommands(await admin.call(['COMMAND'], STEP_MS_MAX)));
      if (life !== this.#life) {
        // It answered, and died before that was read.
        admin.close();
        return;
      }
      this.#admin = admin;
      this.#observer = new ServerObserver(server);
      this.#events?.serverUp(life);
    } catch (error) {
      // No life begins before the process of this one is gone; it tells its exit by itself.
      await server?.kill();
      this.#gone(life, error instanceof Error ? error.message : String(error));
    }
  }

  #said(line: string): void {
    this.#o.journal.debug('server.said', { line });
    if (isConfession(line)) this.diverged(`a command of the agreed stream failed: ${line}`);
  }

  #gone(life: number, why: string): void {
    if (life !== this.#life) return;
    this.#life = 0;
    this.lastDown = why;
    this.#process = null;
    this.#admin?.close();
    this.#admin = null;
    this.#observer?.close();
    this.#observer = null;
    this.detach();
    this.#events?.serverDown(life, why);
  }

  #attachCapture(life: number, replid: string, from: ReplOffset): void {
    this.#capture = new ReplicaLink({
      connect: () => this.connect(),
      replica: {
        auth: this.auth,
        listeningPort: CAPTURE_PORT,
        version: null,
        rdbOnly: false,
        after: { replid: this.#o.historyId(), offset: from },
      },
      onEvent: (event) => {
        switch (event.kind) {
          case 'continued':
            this.#events?.attached(life, event.replid);
            return;
          case 'stream':
            this.#events?.captured(life, asBuffer(event.bytes));
            return;
          case 'refused':
            this.#lost(life, `the capture was refused: ${event.text}`);
            return;
          default:
            this.#lost(life, `the capture of ${replid} got ${event.kind}, not CONTINUE`);
        }
      },
      onClosed: (why) => this.#lost(life, `the capture broke: ${why}`),
    });
  }

  #lost(life: number, why: string): void {
    this.detach();
    this.#events?.detached(life, why);
  }

  /** Runs one step on the admin connection; whatever goes wrong is the server's failure. */
  #ask(life: number, step: (admin: Admin) => Promise<void>): void {
    const admin = this.#admin;
    if (life !== this.#life || admin === null) return;
    const settled = this.#o.settled();
    const done = settled === null ? step(admin) : settled.then(() => step(admin));
    done.catch((error: unknown) => {
      if (!(error instanceof ServerError)) throw error;
      // One that is gone reports that itself.
      if (error.code === 'SERVER_GONE' || life !== this.#life) return;
      this.#events?.serverFailed(life, error.message);
    });
  }
}
