/**
 * One life of an agent in the eventual world: the product's control group, loop, keeper, grants.
 */
import { CONTROL_GROUP, ControlGroup } from '../../src/agent/control/control-group.ts';
import { ControlLoop, PRIMARY_ROUND_TICKS } from '../../src/agent/control/control-loop.ts';
import { openControl } from '../../src/agent/control/open-control.ts';
import { observationOf, reportOf, type Said as Told } from '../../src/agent/control/outlook.ts';
import { reportFrom } from '../../src/agent/control/report.ts';
import { Sightings } from '../../src/agent/control/sightings.ts';
import { leadingOf } from '../../src/agent/eventual/leading-group.ts';
import type { EventualServer, KeptRecord } from '../../src/agent/eventual/ports.ts';
import { Primacy } from '../../src/agent/eventual/primacy.ts';
import { RoleKeeper } from '../../src/agent/eventual/role-keeper.ts';
import {
  isNews,
  leaseAnsweredFrom,
  leaseAskedFrom,
  standingFrom,
} from '../../src/agent/eventual/words.ts';
import { type ControlState, NOTHING_AGREED } from '../../src/core/control/state.ts';
import type { Observation, Standing } from '../../src/core/plan/observation.ts';
import { FETCH_LIMITS } from '../../src/core/raft/fetch.ts';
import { RAFT_LIMITS } from '../../src/core/raft/options.ts';
import type { NodeId } from '../../src/core/scalars.ts';
import type { SimDisk } from '../disk.ts';
import { Ear } from '../founding/watched-group.ts';
import type { Power } from '../power.ts';
import type { Chance } from '../time.ts';
import type { EventualLaw } from './law.ts';
import type { Said } from './packets.ts';

const HELLO_TICKS = 4;
const STANDING_TICKS = 8;
const REPORT_TICKS = 40;
/** As long as a connection takes to be given up. */
const SILENCE_MS = 1_500;

/** What the charter says. */
export interface EventualFounding {
  readonly founders: readonly NodeId[];
  /** Whose data are the first; null: nobody's. */
  readonly importer: NodeId | null;
  readonly minReplicas: number;
}

export interface LifeOptions {
  readonly id: NodeId;
  readonly run: number;
  readonly founding: EventualFounding;
  readonly facts: Told;
  readonly priority: number;
  readonly wasCreated: boolean;
  readonly created: () => void;
  readonly disk: SimDisk;
  readonly power: Power;
  readonly law: EventualLaw;
  readonly chance: Chance;
  /** The machine's monotonic clock. */
  readonly nowMs: () => number;
  readonly server: EventualServer;
  readonly kept: KeptRecord;
  readonly broadcast: (what: Said) => void;
  readonly send: (host: string, what: Said) => void;
  readonly fatal: (error: Error) => void;
  readonly note: ((what: string) => void) | null;
}

interface Peer {
  readonly host: string;
  readonly run: number;
  readonly facts: Told;
  atMs: number;
}

export class Life {
  readonly #o: LifeOptions;
  readonly keeper: RoleKeeper;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #sightings: Sightings;
  control: ControlGroup | null = null;
  #primacy: Primacy | null = null;
  #loop: ControlLoop | null = null;
  #ear: Ear | null = null;
  #standingTold: Standing | null = null;
  #ticks = 0;

  constructor(options: LifeOptions) {
    this.#o = options;
    const { id, nowMs, run, priority, server, kept, note } = options;
    this.#sightings = new Sightings(nowMs);
    this.keeper = new RoleKeeper({
      id,
      nowMs,
      run,
      priority,
      state: () => this.state,
      server,
      kept,
      ask: (asked) => this.#toLeader(JSON.parse(JSON.stringify(asked))),
      lost: (from, bytes) => note?.(`has ${bytes} more than ${from?.offset} of ${from?.history}`),
      note: (_level, event, facts) => note?.(`${event} ${JSON.stringify(facts)}`),
    });
  }

  get id(): NodeId {
    return this.#o.id;
  }

  get state(): ControlState {
    return this.control?.state ?? NOTHING_AGREED;
  }

  start(): void {
    const { disk, wasCreated, created, fatal, law, id, power, note } = this.#o;
    const options = {
      group: CONTROL_GROUP,
      mustExist: wasCreated,
      segmentBytes: 4_096,
      cacheBytes: 16_384,
      onFailure: fatal,
    };
    openControl(disk, '/control', options, (files) => {
      if (!files.ok) return fatal(files.error);
      created();
      const shadow = law.control.opened(id, files.opened);
      const ear = new Ear(law.control, shadow, { id, power, note });
      this.#ear = ear;
      this.#begin(ear, {
        ...files,
        opened: { ...files.opened, store: ear.log(files.opened.store) },
      });
    });
  }

  tick(): void {
    const { broadcast, facts } = this.#o;
    const { control } = this;
    this.#ticks += 1;
    if (this.#ticks % HELLO_TICKS === 0) broadcast({ kind: 'hello', facts: fullOf(facts) });
    this.#expire();
    control?.tick();
    this.#loop?.tick();
    this.keeper.tick();
    if (control === null) return;
    this.#tellStanding();
    if (this.#ticks % REPORT_TICKS === 0) this.#report();
    this.#ear?.look(control.raft);
  }

  receive(host: string, from: NodeId, run: number, what: Said): void {
    const isConnected = this.#peers.get(from)?.run === run;
    switch (what.kind) {
      case 'hello':
        this.#met(host, from, run, what.facts);
        return;
      case 'control':
        if (isConnected && what.to === this.#o.run) this.control?.received(from, what.message);
        return;
      case 'transfer':
        if (isConnected && what.to === this.#o.run) this.control?.transferred(from, what.message);
        return;
      default:
        this.#told(from, what.kind, what.body);
    }
  }

  #told(from: NodeId, kind: 'report' | 'standing' | 'asked' | 'answered', body: unknown): void {
    const [report, standing] = [reportFrom(body), standingFrom(body)];
    const [asked, answered] = [leaseAskedFrom(body), leaseAnsweredFrom(body)];
    if (kind === 'report' && report !== null) this.#sightings.reported(from, report);
    if (kind === 'standing' && standing !== null) this.#primacy?.reported(from, standing);
    if (kind === 'asked' && asked !== null) this.#primacy?.asked(from, asked);
    if (kind === 'answered' && answered !== null) this.keeper.answered(answered);
  }

  #begin(ear: Ear, files: ConstructorParameters<typeof ControlGroup>[0]['files']): void {
    const { id, founding, chance, fatal, note, nowMs } = this.#o;
    const { founders, importer, minReplicas: minReplicasToWrite } = founding;
    const group: ControlGroup = new ControlGroup({
      id,
      founders,
      files,
      peers: {
        send: ear.outbox((to, message) =>
          this.#sendTo(to, (run) => ({ kind: 'control', to: run, message })),
        ),
        sendTransfer: (to, message) =>
          this.#sendTo(to, (run) => ({ kind: 'transfer', to: run, message })),
      },
      limits: RAFT_LIMITS,
      fetchLimits: FETCH_LIMITS,
      entropy: () => chance.uint32(),
      note: (_level, event, facts) => note?.(`${event} ${JSON.stringify(facts)}`),
      onNotice: (notice) => {
        if (notice.kind === 'becameLeader') this.#sightings.begin();
        ear.noticed(notice, group.raft);
        this.#primacy?.noticed(notice);
      },
      changed: () => {
        this.#primacy?.changed();
        this.keeper.changed();
      },
      fatal,
    });
    this.#primacy = new Primacy({
      group: leadingOf(group),
      nowMs,
      wallMs: () => Math.floor(nowMs()),
      answer: (to, answered) => {
        const body: unknown = JSON.parse(JSON.stringify(answered));
        if (to === id) this.keeper.answered(answered);
        else this.#sendTo(to, () => ({ kind: 'answered', body }));
      },
    });
    this.control = group;
    this.#loop = new ControlLoop({
      group,
      roundTicks: PRIMARY_ROUND_TICKS,
      founding: {
        founders,
        witnesses: [],
        ...(importer === null ? {} : { importer }),
        forgetAfterMs: null,
        eventual: { maxLostBytes: null, minReplicasToWrite },
      },
      observe: () => this.observe(),
      note: (_level, event, facts) => note?.(`${event} ${JSON.stringify(facts)}`),
    });
    for (const peer of this.#peers.keys()) group.peerFound(peer);
  }

  observe(): Observation {
    const { id, nowMs, facts } = this.#o;
    const primacy = this.#primacy as Primacy;
    primacy.reported(id, this.keeper.standing);
    const peers = new Map([...this.#peers].map(([node, peer]) => [node, peer.facts]));
    return primacy.observe(
      observationOf({
        self: id,
        nowMs: Math.floor(nowMs()),
        own: facts,
        isLeaving: false,
        peers,
        sightings: this.#sightings,
        control: this.control?.raft.configuration ?? null,
      }),
    );
  }

  #tellStanding(): void {
    const { standing } = this.keeper;
    if (this.#ticks % STANDING_TICKS !== 0 && !isNews(this.#standingTold, standing)) return;
    this.#standingTold = standing;
    const body: unknown = JSON.parse(JSON.stringify(standing));
    this.#primacy?.reported(this.id, standing);
    for (const { host } of this.#peers.values()) this.#o.send(host, { kind: 'standing', body });
  }

  #report(): void {
    const report = reportOf({
      raft: null,
      dataMembers: { carriedOut: null, waits: '' },
      controlLeader: this.control?.raft.leader ?? null,
      peers: new Map([...this.#peers].map(([node, { facts }]) => [node, facts])),
      isLeaving: false,
    });
    const body: unknown = JSON.parse(JSON.stringify(report));
    for (const { host } of this.#peers.values()) this.#o.send(host, { kind: 'report', body });
  }

  #toLeader(body: unknown): void {
    const leader = this.control?.raft.leader ?? null;
    if (leader === this.id) this.#told(leader, 'asked', body);
    else if (leader !== null) this.#sendTo(leader, () => ({ kind: 'asked', body }));
  }

  #met(host: string, from: NodeId, run: number, facts: Told): void {
    const known = this.#peers.get(from);
    const { nowMs } = this.#o;
    if (known?.run === run) {
      known.atMs = nowMs();
      return;
    }
    // A packet of an earlier life that was late.
    if (known !== undefined && run < known.run) return;
    if (known !== undefined) this.#gone(from);
    this.#peers.set(from, { host, run, facts, atMs: nowMs() });
    this.control?.peerFound(from);
  }

  #expire(): void {
    for (const [node, { atMs }] of this.#peers)
      if (this.#o.nowMs() > atMs + SILENCE_MS) this.#gone(node);
  }

  #gone(node: NodeId): void {
    this.#peers.delete(node);
    this.control?.peerLost(node);
    this.#primacy?.lost(node);
    this.#sightings.lost(node);
  }

  #sendTo(to: NodeId, what: (run: number) => Said): void {
    const peer = this.#peers.get(to);
    if (peer !== undefined) this.#o.send(peer.host, what(peer.run));
  }
}

function fullOf(told: Told) {
  const { zone = '', ephemeral = false, ...facts } = told;
  return { ...facts, zone, ephemeral };
}
