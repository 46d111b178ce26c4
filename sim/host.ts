/**
 * One simulated machine: a disk, a power switch, a clock of its own rate, the node on it, which
 * lives, is paused, dies and comes back, and the server beside it, which dies with it.
 */
import { type OpenShardResult, openShard } from '../src/agent/shard/open-shard.ts';
import { groupId, type NodeId } from '../src/core/scalars.ts';
import type { StorageError } from '../src/io/storage/errors.ts';
import { Backlog } from './backlog.ts';
import { FEED } from './feed-door.ts';
import { HostDisk, isDamage } from './host-disk.ts';
import type { HostOptions } from './host-options.ts';
import { idOn } from './ids.ts';
import { HISTORY_ID, Life } from './life.ts';
import { Power, PowerCut, type Promised } from './power.ts';
import type { RotKind } from './rot.ts';
import { ModelServer } from './server/model-server.ts';
import { AGENT } from './server-lines.ts';
import { ServerWatch } from './server-watch.ts';
import { Shadow } from './shadow.ts';
import { SimServer } from './sim-server.ts';
import { Chance } from './time.ts';
import { must } from './violation.ts';

/** What waits in the socket buffers of a paused process, of each connection that may lose some. */
const BACKLOG_MAX = 500;
const CACHE_BYTES = 4_096;
const DIRECTORY = '/data0';

export class Host {
  readonly #o: HostOptions;
  readonly #power = new Power();
  readonly #chance: Chance;
  readonly #backlog: Backlog;
  readonly #disk: HostDisk;
  #directory = 1;
  #wasOpened = false;
  #isStopping = false;
  #life: Life | null = null;
  #server: SimServer | null = null;
  #watch: ServerWatch;
  /** Counts starts and deaths: what belongs to an earlier one is ignored. */
  #turn = 0;
  #isUp = false;
  #isPaused = false;
  deaths = 0;
  serverLives = 0;
  #compactions = 0;

  constructor(options: HostOptions) {
    this.#o = options;
    this.#chance = new Chance(options.seed, `host ${options.name}`);
    this.#backlog = new Backlog(this.#chance);
    this.#disk = new HostDisk({
      timeline: options.timeline,
      chance: this.#chance,
      syncMaxUs: options.plan.syncMaxUs,
      complete: (run) => this.#run('disk', run),
    });
    this.#watch = new ServerWatch(options.invariants.truth, options.name);
  }

  get name(): string {
    return this.#o.name;
  }

  get id(): NodeId {
    return idOn(this.name, this.#directory);
  }

  get isVoter(): boolean {
    return this.#o.voters.includes(this.id);
  }

  get life(): Life | null {
    return this.#life;
  }

  get server(): SimServer | null {
    return this.#server;
  }

  get disk(): HostDisk {
    return this.#disk;
  }

  /** In all lives. */
  get compactions(): number {
    return this.#compactions + (this.#life?.compactions ?? 0);
  }

  start(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.#turn += 1;
    const turn = this.#turn;
    this.#note('starts');
    const options = {
      group: groupId('data0'),
      mustExist: this.#wasOpened,
      segmentBytes: this.#o.plan.segmentBytes,
      cacheBytes: CACHE_BYTES,
      onFailure: (error: StorageError) => this.#end(turn, error),
    };
    openShard(this.#disk.disk, DIRECTORY, options, (result) => {
      if (turn === this.#turn) this.#opened(result);
    });
  }

  /** `isPower` false: only the process dies, and what it wrote stays in the system's cache. */
  crash(isPower: boolean): void {
    if (!this.#isUp) return;
    this.#note(isPower ? 'loses power' : 'is killed');
    if (isPower) this.#disk.disk.crash();
    this.#die();
  }

  /** An orderly end: hands over first, perhaps, then the store finishes what it was asked. */
  stop(isPlanned: boolean): void {
    const life = this.#life;
    if (life === null || this.#isStopping) return;
    this.#note(isPlanned ? 'hands over and stops' : 'stops');
    const turn = this.#turn;
    const stop = (): void => {
      if (turn !== this.#turn || this.#isStopping) return;
      this.#isStopping = true;
      life.stop(() => {
        if (turn === this.#turn) this.#die();
      });
    };
    this.enter('orders', () => {
      // Whoever is told goes on when the node has done what it was doing.
      const later = (): void => this.#o.timeline.after(1, stop);
      if (isPlanned && life.isOpen) life.group.handOver(null, later);
      else stop();
    });
  }

  pause(): void {
    if (this.#isPaused || !this.#isUp) return;
    this.#note('is paused');
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#note('goes on');
    this.#isPaused = false;
    const turn = this.#turn;
    this.#backlog.drain((run) => {
      this.#guard(run);
      return turn === this.#turn;
    });
  }

  crashServer(isAtFence: boolean): void {
    if (isAtFence) this.#server?.crashAtFence();
    else this.#server?.crash('died');
  }

  cutFeed(): void {
    this.enter('orders', () => this.#server?.cutFeed());
  }

  hangServer(isHung: boolean): void {
    const body = this.#server?.body ?? null;
    if (body === null || body.isHung === isHung) return;
    this.#note(isHung ? 'its server hangs' : 'its server goes on');
    body.setHung(isHung);
  }

  cutAtEffect(effects: number): void {
    if (this.#life !== null) this.#power.cutAtEffect(effects);
  }

  cutAfter(promise: Promised): void {
    if (this.#life !== null) this.#power.cutAfter(promise);
  }

  disarm(): void {
    this.#power.disarm();
  }

  rot(kind: RotKind): void {
    this.#note(this.#disk.rot(DIRECTORY, kind));
  }

  /** Another directory: another node, that the charter does not know. */
  wipe(): void {
    this.crash(true);
    this.#directory += 1;
    this.#wasOpened = false;
    this.#disk.renew();
  }

  /** Does something in the node's process, now or when it is no longer paused. */
  enter(source: string, run: (life: Life) => void): void {
    const life = this.#life;
    if (life === null || this.#isStopping) return;
    const turn = this.#turn;
    this.#run(source, () => {
      if (turn === this.#turn) run(life);
    });
  }

  #opened(result: OpenShardResult): void {
    if (!result.ok) {
      const { error } = result;
      this.#note(`cannot open: ${error.message}`);
      must(this.#disk.explains(error), 'a crash alone damages nothing', () => {
        return `${this.id}: ${error.message}`;
      });
      this.#die();
      if (isDamage(error)) this.wipe();
      return;
    }
    const { id } = this;
    const { invariants, shadows } = this.#o;
    const { opened } = result;
    this.#wasOpened = true;
    this.#disk.opened();
    for (const { message } of opened.repaired) this.#repaired(message);
    const shadow = shadows.get(id) ?? new Shadow();
    invariants.recovered(id, shadow, opened);
    shadows.set(id, shadow);
    shadow.recovered(opened);
    const last = opened.heads.at(-1) ?? opened.base;
    const snapshot = opened.snapshot?.last.index ?? '-';
    this.#note(`recovered term ${opened.hardState.term} ${opened.base.index}..${last.index}`);
    this.#note(`recovered snapshot ${snapshot}, cut ${opened.tornBytes} torn bytes`);
    this.#begin(result, shadow);
  }

  #begin(shard: Extract<OpenShardResult, { ok: true }>, shadow: Shadow): void {
    const { id } = this;
    const turn = this.#turn;
    const { plan, invariants } = this.#o;
    const server = this.#o.isWitness ? null : this.#newServer(turn);
    this.#server = server;
    const life = new Life({
      id,
      voters: this.#o.voters,
      shard,
      plan,
      power: this.#power,
      shadow,
      invariants,
      entropy: new Chance(this.#o.seed, `node ${id} ${turn}`),
      server,
      isAgreed: (offset) => this.#watch.isAgreed(offset),
      soon: (run) => this.#later(1, turn, run),
      later: (us, run) => this.#later(us, turn, run),
      nowMs: () => this.#o.timeline.nowUs / (1_000 + this.#o.slowPermille),
      passing: {
        timeline: this.#o.timeline,
        chance: new Chance(this.#o.seed, `passing ${id} ${turn}`),
        lineDelaysUs: plan.lineDelaysUs,
        asked: () => invariants.asked(),
        inNode: this.#inNode(turn),
        reach: this.#o.reach,
      },
      send: (to, packet) => this.#o.send(id, to, packet),
      sendAll: (packet) => this.#o.sendAll(id, packet),
      onFatal: (error) => this.#end(turn, error),
      onNotice: (notice) => this.#o.onNotice(this, notice),
      note: this.#o.note === null ? null : (what) => this.#note(what),
    });
    this.#life = life;
    this.#guard(() => life.group.start());
    if (turn !== this.#turn) return;
    this.#o.onAlive(this);
    this.#tickLater(turn);
  }

  #newServer(turn: number): SimServer {
    const { timeline, plan, seed, name, invariants, clockMs, note } = this.#o;
    const nowMs = () => Math.floor(timeline.nowUs / 1_000) + clockMs;
    return new SimServer({
      timeline,
      chance: new Chance(seed, `server ${name} ${turn}`),
      lineDelaysUs: plan.lineDelaysUs,
      historyId: HISTORY_ID,
      inAgent: this.#inNode(turn),
      feed: () => (this.#life as Life).feed,
      flavor: plan.flavor,
      build: (life, dial) => {
        this.serverLives += 1;
        const chance = new Chance(seed, `model ${name} ${turn} ${life}`);
        const watch = new ServerWatch(invariants.truth, `${name} server ${turn}.${life}`);
        this.#watch = watch;
        const model: ModelServer = new ModelServer({
          flavor: plan.flavor,
          entropy: () => chance.uint32(),
          nowMs,
          dial,
          feed: FEED,
          agent: AGENT,
          clientPassword: null,
          onExecuted: (unit) => watch.executed(model.digest, unit),
          onLoaded: (offset) => watch.loaded(model.digest, offset),
          onExit: (why) => this.#server?.exited(life, why),
        });
        return model;
      },
      note: note === null ? null : (what) => this.#note(what),
    });
  }

  #inNode(turn: number): (source: string, run: () => void) => void {
    return (source, run) => {
      if (turn !== this.#turn || this.#isStopping) return;
      this.#run(source, () => {
        if (turn === this.#turn) run();
      });
    };
  }

  #later(us: number, turn: number, run: () => void): void {
    this.#o.timeline.after(us, () => {
      if (turn === this.#turn) this.#run('soon', run);
    });
  }

  #tickLater(turn: number): void {
    this.#o.timeline.after(this.#o.tickUs, () => {
      if (turn !== this.#turn) return;
      const life = this.#life;
      // Timers of a stopped process do not pile up.
      if (!this.#isPaused && !this.#isStopping && life !== null) this.#guard(() => life.tick());
      this.#tickLater(turn);
    });
  }

  #run(source: string, run: () => void): void {
    if (!this.#isPaused) this.#guard(run);
    // Messages may be lost; what a socket or a file has said waits for who reads it.
    else if (source !== 'peer' || this.#backlog.lengthOf(source) < BACKLOG_MAX)
      this.#backlog.add(source, run);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.#note(`power cut ${error.message}`);
      this.#disk.disk.crash();
      this.#die();
    }
  }

  /** The store failed: the node must end, and must have had a reason. */
  #end(turn: number, error: Error): void {
    if (turn !== this.#turn) return;
    this.#note(`ends: ${error.message}`);
    const isExpected = this.#isStopping || this.#disk.explains(error);
    must(isExpected, 'the store fails only when the disk does', () => `${this.id}: ${error}`);
    this.#die();
    if (isDamage(error)) this.wipe();
  }

  #repaired(message: string): void {
    this.#note(`repaired ${message}`);
    must(this.#disk.isRotten, 'only what was damaged is repaired', () => `${this.id}: ${message}`);
  }

  #die(): void {
    this.#compactions = this.compactions;
    this.#server?.end();
    this.#server = null;
    this.#disk.disk.kill();
    this.#power.disarm();
    this.#turn += 1;
    this.#isUp = false;
    this.#isStopping = false;
    this.#life = null;
    this.#isPaused = false;
    this.#backlog.clear();
    this.deaths += 1;
    this.#o.onDead(this);
  }

  #note(what: string): void {
    this.#o.note?.(this.id, what);
  }
}
