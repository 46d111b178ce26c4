/**
 * One simulated machine: a disk, a power switch, a clock of its own rate, and the node on it,
 * which lives, is paused, dies and comes back.
 */
import type { Notice } from '../src/core/raft/driver.ts';
import { groupId, type NodeId, nodeId } from '../src/core/scalars.ts';
import { StorageError, type StorageErrorCode } from '../src/io/storage/errors.ts';
import { type OpenGroupResult, openGroup } from '../src/io/storage/recovery.ts';
import { type DiskOperation, type Failing, SimDisk } from './disk.ts';
import type { Plan } from './faults.ts';
import { type Invariants, must } from './invariants.ts';
import { Life, type Packet, type Sabotage } from './life.ts';
import { Power, PowerCut, type Promised } from './power.ts';
import { type RotKind, rot } from './rot.ts';
import { Shadow } from './shadow.ts';
import { Chance, type Timeline } from './time.ts';

/** What waits in the socket buffers of a paused process, of each source. */
const BACKLOG_MAX = 500;
const RESUME_RUN_MAX = 20;
const CACHE_BYTES = 4_096;
const DIRECTORY = '/data0';
const WRITE_MAX_US = 100;
/** How a node says that what it had acknowledged is not there any more. */
const DAMAGE: readonly StorageErrorCode[] = [
  'SEGMENT_CHECKSUM',
  'SEGMENT_HEADER',
  'LOG_GAP',
  'HARD_STATE_DAMAGED',
  'SNAPSHOT_CHECKSUM',
  // Whatever byte of a file is flipped, its version too.
  'FORMAT_UNKNOWN',
];

export interface HostOptions {
  readonly name: string;
  readonly seed: number;
  readonly plan: Plan;
  readonly tickUs: number;
  readonly timeline: Timeline;
  readonly invariants: Invariants;
  readonly shadows: Map<NodeId, Shadow>;
  readonly voters: readonly NodeId[];
  readonly sabotage: Sabotage;
  readonly send: (from: NodeId, to: NodeId, packet: Packet) => void;
  readonly onAlive: (host: Host) => void;
  readonly onDead: (host: Host) => void;
  readonly onNotice: (host: Host, notice: Notice) => void;
  readonly note: ((who: string, what: string) => void) | null;
}

export type Source = 'peer' | 'client' | 'disk';

function emptyBacklog(): Record<Source, (() => void)[]> {
  return { peer: [], client: [], disk: [] };
}

/** The id of the node on a host whose directory is the n-th one. */
export function idOn(host: string, directory: number): NodeId {
  return nodeId(`${host}@${directory.toString(16).padStart(8, '0')}`);
}

export class Host {
  readonly #o: HostOptions;
  readonly #power = new Power();
  readonly #chance: Chance;
  #disk: SimDisk;
  #directory = 1;
  #wasOpened = false;
  #isStopping = false;
  #slowness = 1;
  /** Its files were damaged; from then on, and as long as it keeps this directory. */
  #isRotten = false;
  #failing: Failing = 'nothing';
  /** Requests failed, or may have, since the directory was opened last. */
  #mayFail = false;
  #life: Life | null = null;
  /** Counts starts and deaths: what belongs to an earlier one is ignored. */
  #turn = 0;
  #isUp = false;
  #isPaused = false;
  #backlog = emptyBacklog();
  deaths = 0;
  #reads = 0;
  #compactions = 0;

  constructor(options: HostOptions) {
    this.#o = options;
    this.#chance = new Chance(options.seed, `host ${options.name}`);
    this.#disk = this.#newDisk();
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

  /** Answered in all lives. */
  get readsDone(): number {
    return this.#reads + (this.#life?.sessions.readsDone ?? 0);
  }

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
    openGroup(this.#disk, DIRECTORY, options, null, (result) => {
      if (turn === this.#turn) this.#opened(result);
    });
  }

  /** `isPower` false: only the process dies, and what it wrote stays in the system's cache. */
  crash(isPower: boolean): void {
    if (!this.#isUp) return;
    this.#note(isPower ? 'loses power' : 'is killed');
    if (isPower) this.#disk.crash();
    this.#die();
  }

  /** An orderly end: the store finishes what it was asked and closes. */
  stop(): void {
    const life = this.#life;
    if (life === null || this.#isStopping) return;
    this.#note('stops');
    this.#isStopping = true;
    const turn = this.#turn;
    life.stop(() => {
      if (turn === this.#turn) this.#die();
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
    const { peer, client, disk } = this.#backlog;
    this.#backlog = emptyBacklog();
    // Each client has a connection of its own.
    const waiting = [peer, this.#chance.shuffled(client), disk];
    // Whoever wakes up looks at its sockets and files in any order, but reads each from the front.
    while (turn === this.#turn) {
      const kinds = waiting.filter((queue) => queue.length > 0);
      if (kinds.length === 0) return;
      const queue = this.#chance.pick(kinds);
      // In runs, so that now and then much of one kind comes before anything of the other.
      for (const run of queue.splice(0, this.#chance.between(1, RESUME_RUN_MAX)))
        if (turn === this.#turn) this.#guard(run);
    }
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

  slowDisk(factor: number): void {
    this.#slowness = factor;
  }

  fillDisk(): void {
    this.#disk.limit(0);
  }

  freeDisk(): void {
    this.#disk.limit(Number.POSITIVE_INFINITY);
  }

  failDisk(failing: Failing): void {
    this.#failing = failing;
    if (failing !== 'nothing') this.#mayFail = true;
    this.#disk.setFailing(failing);
  }

  get isRotten(): boolean {
    return this.#isRotten;
  }

  rot(kind: RotKind): void {
    this.#isRotten = true;
    this.#note(rot(this.#disk, DIRECTORY, kind, this.#chance));
  }

  /** Another directory: another node, that the charter does not know. */
  wipe(): void {
    this.crash(true);
    this.#directory += 1;
    this.#wasOpened = false;
    this.#isRotten = false;
    this.#disk = this.#newDisk();
    this.#disk.setFailing(this.#failing);
  }

  /** Does something in the node's process, now or when it is no longer paused. */
  enter(source: Source, run: (life: Life) => void): void {
    const life = this.#life;
    if (life === null || this.#isStopping) return;
    const turn = this.#turn;
    this.#run(source, () => {
      if (turn === this.#turn) run(life);
    });
  }

  #newDisk(): SimDisk {
    return new SimDisk({
      entropy: () => this.#chance.uint32(),
      schedule: (run, operation) => {
        this.#o.timeline.after(this.#latencyUs(operation), () => this.#run('disk', run));
      },
    });
  }

  #latencyUs({ kind }: DiskOperation): number {
    if (kind === 'defer') return 1;
    const isSync = kind === 'sync' || kind === 'syncDirectory';
    const mostUs = isSync ? this.#o.plan.syncMaxUs : WRITE_MAX_US;
    return this.#chance.between(1, mostUs) * this.#slowness;
  }

  #opened(result: OpenGroupResult): void {
    if (!result.ok) {
      this.#note(`cannot open: ${result.error.message}`);
      must(this.#isExpected(result.error), 'a crash alone damages nothing', () => {
        return `${this.id}: ${result.error.message}`;
      });
      this.#die();
      this.#replaceIfDamaged(result.error);
      return;
    }
    const { id } = this;
    const { invariants, shadows, plan, timeline } = this.#o;
    this.#wasOpened = true;
    this.#mayFail = this.#failing !== 'nothing';
    for (const { message } of result.repaired) this.#repaired(message);
    const shadow = shadows.get(id) ?? new Shadow();
    invariants.recovered(id, shadow, result);
    shadows.set(id, shadow);
    shadow.recovered(result);
    const last = result.heads.at(-1) ?? result.base;
    const snapshot = result.snapshot?.last.index ?? '-';
    this.#note(`recovered term ${result.hardState.term} ${result.base.index}..${last.index}`);
    this.#note(`recovered snapshot ${snapshot}, cut ${result.tornBytes} torn bytes`);
    const turn = this.#turn;
    this.#life = new Life({
      id,
      voters: this.#o.voters,
      group: result,
      plan,
      power: this.#power,
      shadow,
      invariants,
      entropy: new Chance(this.#o.seed, `node ${id} ${turn}`),
      sabotage: this.#o.sabotage,
      defer: (run) =>
        timeline.after(1, () => {
          if (turn === this.#turn) this.#run('disk', run);
        }),
      send: (to, packet) => this.#o.send(id, to, packet),
      onFatal: (error) => this.#end(turn, error),
      onNotice: (notice) => this.#o.onNotice(this, notice),
      note: this.#o.note === null ? null : (what) => this.#note(what),
    });
    if (!this.isVoter)
      this.enter('client', (life) =>
        life.handle({ kind: 'readinessChanged', readiness: 'barred' }),
      );
    this.#o.onAlive(this);
    this.#tickLater(turn);
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

  #run(source: Source, run: () => void): void {
    if (!this.#isPaused) this.#guard(run);
    else if (source === 'disk' || this.#backlog[source].length < BACKLOG_MAX)
      this.#backlog[source].push(run);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.#note(`power cut ${error.message}`);
      this.#disk.crash();
      this.#die();
    }
  }

  /** The store failed: the node must end, and must have had a reason. */
  #end(turn: number, error: Error): void {
    if (turn !== this.#turn) return;
    this.#note(`ends: ${error.message}`);
    const isExpected = this.#isStopping || this.#isExpected(error);
    must(isExpected, 'the store fails only when the disk does', () => `${this.id}: ${error}`);
    this.#die();
    this.#replaceIfDamaged(error);
  }

  #isExpected(error: Error): boolean {
    if (!(error instanceof StorageError)) return false;
    const { code } = error;
    if (code === 'DISK_FULL') return true;
    return code === 'DISK_FAILED' ? this.#mayFail : this.#isRotten && DAMAGE.includes(code);
  }

  /** What whoever runs the node is told to do: an empty directory in the place of the damaged. */
  #replaceIfDamaged(error: Error): void {
    if (error instanceof StorageError && DAMAGE.includes(error.code)) this.wipe();
  }

  #repaired(message: string): void {
    this.#note(`repaired ${message}`);
    must(this.#isRotten, 'only what was damaged is repaired', () => `${this.id}: ${message}`);
  }

  #die(): void {
    this.#reads = this.readsDone;
    this.#compactions = this.compactions;
    this.#disk.kill();
    this.#power.disarm();
    this.#turn += 1;
    this.#isUp = false;
    this.#isStopping = false;
    this.#life = null;
    this.#isPaused = false;
    this.#backlog = emptyBacklog();
    this.deaths += 1;
    this.#o.onDead(this);
  }

  #note(what: string): void {
    this.#o.note?.(this.id, what);
  }
}
