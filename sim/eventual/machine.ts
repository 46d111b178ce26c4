/**
 * One machine of the eventual world: a disk, clocks of one rate, an agent, a server and the warden
 * between them, each of which dies, stops and comes back by itself.
 */
import {
  type DataRecord,
  type EventualServer,
  type KeptRecord,
  NO_RECORD,
  type ServerStep,
} from '../../src/agent/eventual/ports.ts';
import { Warden } from '../../src/agent/eventual/warden.ts';
import { type NodeId, nodeId } from '../../src/core/scalars.ts';
import { Backlog } from '../backlog.ts';
import { HostDisk } from '../host-disk.ts';
import { TICK_US } from '../plan.ts';
import { Power, PowerCut } from '../power.ts';
import { Chance, type Timeline } from '../time.ts';
import { must } from '../violation.ts';
import type { EventualLaw, Judged } from './law.ts';
import { type EventualFounding, Life } from './life.ts';
import type { Packet, Said } from './packets.ts';
import { DataDirectory, ModelServer } from './server.ts';

const BACKLOG_MAX = 500;
const RECORD_MAX_US = 10_000;
/** A kernel that tells the end of a pipe, or of a parent. */
const TELL_MAX_US = 2_000;

export interface MachineOptions {
  readonly name: string;
  readonly seed: number;
  readonly timeline: Timeline;
  readonly law: EventualLaw;
  readonly founding: EventualFounding;
  readonly slowPermille: number;
  readonly syncMaxUs: number;
  readonly priority: number;
  readonly wardenLateMaxUs: number;
  readonly broadcast: (from: string, packet: Packet) => void;
  readonly send: (from: string, to: string, packet: Packet) => void;
  readonly note: ((who: string, what: string) => void) | null;
}

export class Machine implements Judged {
  readonly #o: MachineOptions;
  readonly #power = new Power();
  readonly #chance: Chance;
  readonly #backlog: Backlog;
  readonly disk: HostDisk;
  readonly server: ModelServer;
  #generation = 1;
  #wasCreated = false;
  #life: Life | null = null;
  #warden: Warden | null = null;
  /** Counts starts and deaths of the agent: what belongs to an earlier one is ignored. */
  #turn = 0;
  #isPaused = false;
  /** By which decision it was told to open. */
  #openBy = 0;
  /** The fewest replicas that writes may need: as the server was told, or is being told. */
  #needs = 0;
  /** The former primary had let go of its clients when the server here was promoted. */
  #isWhole = false;
  deaths = 0;
  wipes = 0;
  wardenKills = 0;

  constructor(options: MachineOptions) {
    const { name, seed, timeline, syncMaxUs, note, law } = options;
    this.#o = options;
    this.#chance = new Chance(seed, `machine ${name}`);
    this.#backlog = new Backlog(this.#chance);
    this.disk = new HostDisk({
      timeline,
      chance: this.#chance,
      syncMaxUs,
      complete: (run) => this.#run('disk', run),
    });
    this.server = new ModelServer({
      host: name,
      timeline,
      chance: new Chance(seed, `server ${name}`),
      send: (host, what) => options.send(name, host, { kind: 'server', what }),
      up: (life) => this.enter('server', ({ keeper }) => keeper.up(life)),
      down: (life, why) => {
        note?.(name, `server is gone: ${why}`);
        this.#warden = null;
        this.enter('server', ({ keeper }) => keeper.down(life, why));
      },
      opened: () => law.opened(this, this.#openBy, this.#isWhole),
      accepted: (write) => law.wrote(this, this.#openBy, write, this.#needs),
    });
  }

  /** Whether the machine of this node has let go of its clients by itself. */
  isReleased: (node: NodeId) => boolean = () => false;

  get name(): string {
    return this.#o.name;
  }

  get id(): NodeId {
    return nodeId(`${this.name}@${String(this.#generation).padStart(8, '0')}`);
  }

  /** 0: it is never appointed. */
  get priority(): number {
    return this.#o.priority;
  }

  get life(): Life | null {
    return this.#life;
  }

  get isUp(): boolean {
    return this.#life !== null;
  }

  get isWritable(): boolean {
    return this.server.isWritable;
  }

  get followers(): number {
    return this.server.followers;
  }

  /** Before its first start: what another server has kept. */
  bringIn(writes: readonly string[]): void {
    const { directory } = this.server;
    directory.writes = [...writes];
    directory.synced = writes.length;
  }

  get writes(): readonly string[] {
    return this.server.writes;
  }

  start(): void {
    if (this.#life !== null) return;
    this.#turn += 1;
    const turn = this.#turn;
    const { timeline, law, seed, name, founding, priority, slowPermille, note } = this.#o;
    this.#note('starts');
    this.disk.opened();
    const life = new Life({
      id: this.id,
      run: turn,
      founding,
      facts: {
        peerAddress: `${name}:7379`,
        clientAddress: `${name}:6379`,
        httpAddress: `${name}:8379`,
        serverVersion: 'model',
      },
      priority,
      wasCreated: this.#wasCreated,
      created: () => {
        this.#wasCreated = true;
      },
      disk: this.disk.disk,
      power: this.#power,
      law,
      chance: new Chance(seed, `life ${name} ${turn}`),
      nowMs: () => timeline.nowUs / (1_000 + slowPermille),
      server: this.#door(turn),
      kept: this.#kept(turn),
      broadcast: (what) => this.#o.broadcast(name, this.#packet(what)),
      send: (host, what) => this.#o.send(name, host, this.#packet(what)),
      fatal: (error) => this.#end(turn, error),
      note: note === null ? null : (what) => this.#note(what),
    });
    this.#life = life;
    this.#guard(() => life.start());
    this.#tickLater(turn);
  }

  /** The process dies; what it wrote stays in the system's cache. Its warden hears of it. */
  killAgent(): void {
    if (this.#life === null) return;
    this.#note('agent is killed');
    this.#die();
  }

  losePower(): void {
    this.#note('loses power');
    this.disk.disk.crash();
    this.server.kill('no power');
    this.server.directory.losePower(this.#chance);
    this.#warden = null;
    if (this.#life !== null) this.#die();
  }

  /** Another directory: another node. */
  wipe(): void {
    this.losePower();
    this.#note('loses its directory');
    this.wipes += 1;
    this.#generation += 1;
    this.#wasCreated = false;
    this.disk.renew();
    this.server.directory = new DataDirectory();
  }

  /** The kernel ends the server then. */
  killWarden(): void {
    if (this.#warden === null) return;
    this.#note('warden is killed');
    this.#warden = null;
    this.server.kill('its warden is gone');
  }

  pauseAgent(): void {
    if (this.#life !== null) this.#isPaused = true;
  }

  resumeAgent(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    const turn = this.#turn;
    this.#backlog.drain((run) => {
      this.#guard(run);
      return turn === this.#turn;
    });
  }

  enter(source: string, run: (life: Life) => void): void {
    const life = this.#life;
    if (life === null) return;
    const turn = this.#turn;
    this.#run(source, () => {
      if (turn === this.#turn) run(life);
    });
  }

  receive(host: string, packet: Packet): void {
    if (packet.kind === 'server') this.server.receive(packet.what);
    else this.enter('peer', (life) => life.receive(host, packet.from, packet.run, packet.what));
  }

  #isHandedOver(): boolean {
    const primary = this.#life?.state.primary;
    if (primary?.isPlanned !== true || primary.former === null) return false;
    return this.isReleased(primary.former);
  }

  #packet(what: Said): Packet {
    return { kind: 'agent', from: this.id, run: this.#turn, what };
  }

  /** The server as this life of the agent drives it, through a warden of its own. */
  #door(turn: number): EventualServer {
    const { server } = this;
    const isNow = (life: number): boolean => turn === this.#turn && server.life === life;
    return {
      start: (life) => {
        // The port is taken as long as an earlier one is there.
        if (server.life !== 0) return this.#later(turn, ({ keeper }) => keeper.down(life, 'port'));
        this.#warden = new Warden();
        server.start(life);
      },
      kill: (life, why) => {
        if (isNow(life)) server.kill(why);
      },
      look: (life) => {
        if (isNow(life))
          server.look((seen) => this.enter('server', ({ keeper }) => keeper.seen(life, seen)));
      },
      take: (life, step, done) => {
        if (isNow(life)) this.#take(step, done);
      },
      extend: (life, untilMs) => {
        if (isNow(life)) this.#extend(untilMs);
      },
      disarm: (life) => {
        if (isNow(life)) this.#warden?.disarm();
      },
    };
  }

  #take(step: ServerStep, done: (ok: boolean) => void): void {
    const wanted = this.#life?.state.spec?.eventual?.minReplicasToWrite ?? 0;
    if (step.kind === 'open') {
      this.#needs = this.isWritable ? Math.min(this.#needs, wanted) : wanted;
      this.#openBy = this.#life?.state.primary?.decision ?? 0;
      this.#extend(step.untilMs);
    }
    if (step.kind === 'promote') this.#isWhole = this.#isHandedOver();
    this.server.take(step, (ok) => {
      if (step.kind === 'open') this.#needs = wanted;
      this.enter('server', () => done(ok));
    });
  }

  #extend(untilMs: number): void {
    const warden = this.#warden;
    if (warden === null) return;
    warden.extend(untilMs);
    const { timeline, slowPermille, wardenLateMaxUs } = this.#o;
    const dueUs = Math.ceil(untilMs * (1_000 + slowPermille));
    const us = Math.max(0, dueUs - timeline.nowUs) + this.#chance.between(0, wardenLateMaxUs);
    timeline.after(us, () => this.#wardenLooks(warden));
  }

  #wardenLooks(warden: Warden): void {
    const { timeline, slowPermille } = this.#o;
    if (warden !== this.#warden) return;
    if (!warden.mustKill(timeline.nowUs / (1_000 + slowPermille))) return;
    this.wardenKills += 1;
    this.#note('warden kills the server');
    this.server.kill('its warden ended it');
  }

  #kept(turn: number): KeptRecord {
    const { directory } = this.server;
    const text = directory.record;
    return {
      record: text === null ? NO_RECORD : (JSON.parse(text) as DataRecord),
      save: (record, done) => {
        this.#o.timeline.after(this.#chance.between(1, RECORD_MAX_US), () => {
          if (turn !== this.#turn) return;
          directory.record = record === NO_RECORD ? null : JSON.stringify(record);
          this.#o.law.recorded(record);
          this.#run('disk', done);
        });
      },
    };
  }

  #later(turn: number, run: (life: Life) => void): void {
    this.#o.timeline.after(this.#chance.between(1, TELL_MAX_US), () => {
      if (turn === this.#turn) this.enter('soon', run);
    });
  }

  #tickLater(turn: number): void {
    const us = Math.floor((TICK_US * (1000 + this.#o.slowPermille)) / 1000);
    this.#o.timeline.after(us, () => {
      const life = this.#life;
      if (turn !== this.#turn || life === null) return;
      // Timers of a stopped process do not pile up.
      if (!this.#isPaused) this.#guard(() => life.tick());
      this.#tickLater(turn);
    });
  }

  #run(source: string, run: () => void): void {
    if (!this.#isPaused) this.#guard(run);
    else if (source !== 'peer' || this.#backlog.lengthOf(source) < BACKLOG_MAX)
      this.#backlog.add(source, run);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.losePower();
    }
  }

  #end(turn: number, error: Error): void {
    if (turn !== this.#turn) return;
    this.#note(`ends: ${error.message}`);
    must(this.disk.explains(error), 'a node ends only when its disk fails', () => {
      return `${this.name}: ${error}`;
    });
    this.#die();
  }

  #die(): void {
    const warden = this.#warden;
    this.disk.disk.kill();
    this.#power.disarm();
    this.#turn += 1;
    this.#life = null;
    this.#isPaused = false;
    this.#backlog.clear();
    this.deaths += 1;
    if (warden === null) return;
    warden.agentGone();
    this.#o.timeline.after(this.#chance.between(1, TELL_MAX_US), () => this.#wardenLooks(warden));
  }

  #note(what: string): void {
    this.#o.note?.(this.name, what);
  }
}
