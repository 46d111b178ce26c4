/**
 * A model of a server that replicates asynchronously: one process after the other over one
 * append-only file. Its data are the writes that it has, in order; an offset counts writes.
 *
 * As the real ones: a restart loses replication id and offset; a full sync empties it first, and
 * its file is what it was until it has been written anew; what was promoted leaves a point up to
 * which others may go on; a stopped process does what it was told when it wakes up, and dies if
 * killed.
 */
import type { ServerSeen, ServerStep } from '../../src/agent/eventual/ports.ts';
import type { Chance, Timeline } from '../time.ts';
import type { Replicated } from './packets.ts';

const PULL_MAX_US = 30_000;
const LINK_US = 400_000;
const FED_MAX = 20;
const START_MAX_US = 60_000;
const LOAD_MAX_US = 150_000;
const REWRITE_MAX_US = 400_000;
/** A replica counts for writes that need some until it is so late (`min-replicas-max-lag`). */
const COUNTED_US = 10_000_000;
/** `appendfsync everysec`. */
const SYNC_US = 500_000;
const STEP_MAX_US = 4_000;

/** What survives the process: the file, how much of it is synced, and the agent's record. */
export class DataDirectory {
  writes: string[] = [];
  synced = 0;
  record: string | null = null;

  /** Of the end that was not synced something may be left. */
  losePower(chance: Chance): void {
    this.writes = this.writes.slice(0, chance.between(this.synced, this.writes.length));
    this.synced = this.writes.length;
  }
}

export interface ModelServerOptions {
  readonly host: string;
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly send: (host: string, what: Replicated) => void;
  readonly up: (life: number) => void;
  readonly down: (life: number, why: string) => void;
  /** It has just come to take writes, or a write. */
  readonly opened: () => void;
  readonly accepted: (write: string) => void;
}

export class ModelServer {
  readonly #o: ModelServerOptions;
  directory = new DataDirectory();
  /** 0: there is no process. */
  life = 0;
  isStopped = false;
  /** Told, and not done before it wakes up. */
  #waiting: (() => void)[] = [];
  #processes = 0;
  #starting = 0;
  /** In this process it was open, and has let go of it as it was told. */
  hasLetGo = false;
  role: 'primary' | 'replica' = 'replica';
  history = '';
  offset = 0;
  writes: string[] = [];
  #former: { readonly history: string; readonly leftAt: number } | null = null;
  /** Offsets from here on can be fed. */
  #backlogFrom = 0;
  #upstream: string | null = null;
  #linkUs = 0;
  #isLoading = false;
  #isRewriting = false;
  isShut = true;
  #minReplicas = 0;
  #pausedUntilUs = 0;
  readonly #replicas = new Map<string, { readonly offset: number; readonly atUs: number }>();

  constructor(options: ModelServerOptions) {
    this.#o = options;
  }

  /** It would take a write now. */
  get isWritable(): boolean {
    const isRunning = this.life !== 0 && !this.isStopped && !this.#isLoading;
    return isRunning && this.role === 'primary' && !this.isShut && !this.#isPaused;
  }

  /** Replicas that count. */
  get followers(): number {
    const sinceUs = this.#o.timeline.nowUs - COUNTED_US;
    return [...this.#replicas.values()].filter(({ atUs }) => atUs > sinceUs).length;
  }

  /** As it was told last; it means something while it is open. */
  get minReplicas(): number {
    return this.#minReplicas;
  }

  get #isPaused(): boolean {
    return this.#o.timeline.nowUs < this.#pausedUntilUs;
  }

  start(life: number): void {
    const { chance, timeline, up } = this.#o;
    this.#processes += 1;
    const process = this.#processes;
    this.#starting = life;
    timeline.after(chance.between(1_000, START_MAX_US), () => {
      if (process !== this.#processes) return;
      this.#starting = 0;
      this.life = life;
      this.hasLetGo = false;
      this.role = 'replica';
      this.history = this.#newHistory();
      this.offset = 0;
      this.#backlogFrom = 0;
      this.#former = null;
      this.#upstream = null;
      this.isShut = true;
      this.#pausedUntilUs = 0;
      this.#replicas.clear();
      this.writes = [...this.directory.writes];
      this.#isRewriting = false;
      this.#isLoading = true;
      this.#after(chance.between(1, LOAD_MAX_US), () => {
        this.#isLoading = false;
      });
      this.#pullLater();
      this.#syncLater();
      up(life);
    });
  }

  /** No process is left, nor one that is being started. */
  kill(why: string): void {
    this.#processes += 1;
    const life = this.life || this.#starting;
    this.life = 0;
    this.#starting = 0;
    this.isStopped = false;
    this.#waiting = [];
    if (life !== 0) this.#o.down(life, why);
  }

  stop(): void {
    if (this.life !== 0) this.isStopped = true;
  }

  resume(): void {
    this.isStopped = false;
    for (const run of this.#waiting.splice(0)) run();
  }

  look(done: (seen: ServerSeen) => void): void {
    this.#soon(() => done(this.#seen()));
  }

  take(step: ServerStep, done: (ok: boolean) => void): void {
    this.#soon(() => {
      const wasWritable = this.isWritable;
      this.#do(step);
      if (this.isWritable && !wasWritable) this.#o.opened();
      this.#o.timeline.after(this.#o.chance.between(1, STEP_MAX_US), () => done(true));
    });
  }

  /** A client's write; a stopped process takes it when it wakes up, if it may then. */
  write(write: string): void {
    const { life } = this;
    if (life === 0) return;
    const run = (): void => {
      if (life !== this.life || !this.isWritable || this.followers < this.#minReplicas) return;
      this.#append(write);
      this.#o.accepted(write);
    };
    if (this.isStopped) this.#waiting.push(run);
    else run();
  }

  receive(what: Replicated): void {
    if (this.life === 0 || this.isStopped || this.#isLoading) return;
    if (what.kind === 'pull') this.#feed(what);
    else if (what.life === this.life && what.by === this.#upstream) this.#take(what);
  }

  #do(step: ServerStep): void {
    switch (step.kind) {
      case 'shut':
        this.isShut = true;
        return;
      case 'open':
        this.hasLetGo = false;
        this.isShut = false;
        this.#minReplicas = step.minReplicas;
        this.#pausedUntilUs = 0;
        return;
      case 'pause':
        this.#pausedUntilUs = this.#o.timeline.nowUs + step.forMs * 1_000;
        return;
      case 'detach':
      case 'follow':
        if (this.role === 'primary') this.hasLetGo = true;
        this.role = 'replica';
        this.#upstream = step.kind === 'follow' ? (step.address.split(':')[0] ?? '') : null;
        this.#linkUs = 0;
        this.isShut = true;
        this.#pausedUntilUs = 0;
        this.#replicas.clear();
        return;
      case 'promote':
        this.role = 'primary';
        this.#upstream = null;
        this.#former = { history: this.history, leftAt: this.offset };
        this.history = this.#newHistory();
        return;
    }
  }

  #feed({ host, life, history, offset }: Extract<Replicated, { kind: 'pull' }>): void {
    const { send, timeline } = this.#o;
    // A replica of nobody has nothing to give.
    if (this.role === 'replica' && !this.#isLinkUp) return;
    const by = this.#o.host;
    const isOld = history === this.#former?.history && offset <= this.#former.leftAt;
    const isKnown = (history === this.history || isOld) && offset >= this.#backlogFrom;
    if (!isKnown || offset > this.offset) {
      const writes = [...this.writes];
      send(host, { kind: 'whole', life, by, history: this.history, offset: this.offset, writes });
      return;
    }
    this.#replicas.set(host, { offset, atUs: timeline.nowUs });
    const at = this.writes.length - (this.offset - offset);
    const writes = this.writes.slice(at, at + FED_MAX);
    send(host, { kind: 'fed', life, by, history: this.history, from: offset, writes });
  }

  #take(what: Exclude<Replicated, { kind: 'pull' }>): void {
    const { timeline, chance } = this.#o;
    if (what.kind === 'fed') {
      if (what.from !== this.offset) return;
      this.#linkUs = timeline.nowUs;
      this.history = what.history;
      for (const write of what.writes) this.#append(write);
      return;
    }
    this.#isLoading = true;
    this.writes = [];
    this.#after(chance.between(1, LOAD_MAX_US), () => {
      this.#isLoading = false;
      this.writes = [...what.writes];
      this.history = what.history;
      this.offset = what.offset;
      this.#backlogFrom = what.offset;
      this.#former = null;
      this.#linkUs = timeline.nowUs;
      this.#isRewriting = true;
      this.#after(chance.between(1, REWRITE_MAX_US), () => {
        this.#isRewriting = false;
        this.directory.writes = [...this.writes];
        this.directory.synced = this.directory.writes.length;
      });
    });
  }

  #append(write: string): void {
    this.writes.push(write);
    this.offset += 1;
    if (!this.#isRewriting) this.directory.writes.push(write);
  }

  get #isLinkUp(): boolean {
    return this.#upstream !== null && this.#o.timeline.nowUs < this.#linkUs + LINK_US;
  }

  #seen(): ServerSeen {
    const { timeline } = this.#o;
    const fresh = [...this.#replicas].filter(([, { atUs }]) => timeline.nowUs < atUs + LINK_US);
    return {
      role: this.role,
      history: this.history,
      offset: this.offset,
      leftAt: this.#former?.leftAt ?? null,
      upstream: this.#upstream === null ? null : `${this.#upstream}:6379`,
      isLinkUp: this.#isLinkUp && this.#linkUs > 0,
      isLoading: this.#isLoading,
      isOnDisk: !this.#isRewriting,
      isShut: this.isShut,
      minReplicas: this.#minReplicas,
      replicas: fresh.map(([host, { offset }]) => ({ address: `${host}:6379`, offset })),
    };
  }

  #pullLater(): void {
    const { chance, host, send } = this.#o;
    this.#after(chance.between(1_000, PULL_MAX_US), () => {
      const { life, history, offset } = this;
      if (this.#upstream !== null && !this.isStopped && !this.#isLoading)
        send(this.#upstream, { kind: 'pull', host, life, history, offset });
      this.#pullLater();
    });
  }

  #syncLater(): void {
    this.#after(SYNC_US, () => {
      if (!this.#isRewriting) this.directory.synced = this.directory.writes.length;
      this.#syncLater();
    });
  }

  #soon(run: () => void): void {
    this.#after(this.#o.chance.between(1, STEP_MAX_US), () => {
      if (this.isStopped) this.#waiting.push(run);
      else run();
    });
  }

  /** In this process only. */
  #after(us: number, run: () => void): void {
    const { life } = this;
    const process = this.#processes;
    this.#o.timeline.after(us, () => {
      if (process === this.#processes && life === this.life) run();
    });
  }

  #newHistory(): string {
    const { chance } = this.#o;
    return Array.from({ length: 5 }, () => chance.uint32().toString(16).padStart(8, '0')).join('');
  }
}
