/**
 * One life of a node in the founding world: the product's identity, membership, control group, loop
 * and data members, over a data group that is Raft alone.
 */
import { createHash } from 'node:crypto';
import { CONTROL_GROUP, ControlGroup } from '../../src/agent/control/control-group.ts';
import { ControlLoop, ROUND_TICKS } from '../../src/agent/control/control-loop.ts';
import { DataMembers } from '../../src/agent/control/data-members.ts';
import { openControl } from '../../src/agent/control/open-control.ts';
import { isOut, observationOf, reportOf } from '../../src/agent/control/outlook.ts';
import { type Report, reportFrom } from '../../src/agent/control/report.ts';
import { Sightings } from '../../src/agent/control/sightings.ts';
import type { KeptIdentity } from '../../src/agent/founding/kept-identity.ts';
import { Membership } from '../../src/agent/founding/membership.ts';
import { type ControlState, memberOf, NOTHING_AGREED } from '../../src/core/control/state.ts';
import { isMember } from '../../src/core/raft/configuration.ts';
import { FETCH_LIMITS } from '../../src/core/raft/fetch.ts';
import { RAFT_LIMITS } from '../../src/core/raft/options.ts';
import { groupId, type NodeId } from '../../src/core/scalars.ts';
import type { StorageError } from '../../src/io/storage/errors.ts';
import type { Identity } from '../../src/io/storage/identity.ts';
import type { SimDisk } from '../disk.ts';
import type { Power } from '../power.ts';
import type { Chance } from '../time.ts';
import { must } from '../violation.ts';
import { DataRaft, openDataRaft } from './data-raft.ts';
import type { Flags } from './flags.ts';
import type { FoundingLaw, Watched } from './law.ts';
import type { Packet, Sent } from './packets.ts';
import { Presence } from './presence.ts';
import { Ear } from './watched-group.ts';

export interface LifeOptions {
  readonly deploymentName: string;
  readonly address: string;
  readonly isEphemeral: boolean;
  readonly flags: Flags;
  readonly forgetAfterMs: number | null;
  readonly identity: KeptIdentity;
  readonly disk: SimDisk;
  readonly power: Power;
  readonly law: FoundingLaw;
  readonly chance: Chance;
  readonly nowUs: () => number;
  /** The node's monotonic clock. */
  readonly nowMs: () => number;
  readonly later: (us: number, run: () => void) => void;
  readonly found: () => readonly string[];
  readonly send: (host: string, packet: Packet) => void;
  /** It was removed for good, and its directory says so. */
  readonly retired: () => void;
  readonly fatal: (error: Error) => void;
  readonly note: ((what: string) => void) | null;
}

const SEGMENT_BYTES = 4_096;
const CACHE_BYTES = 16_384;
const REPORT_TICKS = 40;
const DATA_GROUP = groupId('data0');

export class Life {
  readonly #o: LifeOptions;
  readonly membership: Membership;
  readonly #presence: Presence;
  readonly #sightings: Sightings;
  readonly #dataMembers: DataMembers;
  control: ControlGroup | null = null;
  data: DataRaft | null = null;
  #loop: ControlLoop | null = null;
  #watched: Watched | null = null;
  #controlEar: Ear | null = null;
  #dataEar: Ear | null = null;
  #isOpening = false;
  isLeaving = false;
  #isRetired = false;
  #ticks = 0;

  constructor(options: LifeOptions) {
    this.#o = options;
    this.#sightings = new Sightings(options.nowMs);
    this.membership = this.#buildMembership();
    this.#presence = this.#buildPresence();
    this.#dataMembers = new DataMembers({
      id: this.id,
      data: () => this.data?.lead ?? null,
      state: () => this.state,
    });
  }

  get id(): NodeId {
    return this.membership.id;
  }

  get state(): ControlState {
    return this.control?.state ?? NOTHING_AGREED;
  }

  /** In one of the groups, or in the state: as `agent/assembly.ts` has it. */
  get isIn(): boolean {
    if (memberOf(this.state, this.id) !== null) return true;
    return [this.control?.raft, this.data?.raft].some(
      (raft) => raft !== undefined && isMember(raft.configuration, this.id),
    );
  }

  get watched(): Watched | null {
    return this.#watched;
  }

  start(): void {
    this.membership.start();
    this.#presence.begin();
  }

  tick(): void {
    this.#ticks += 1;
    this.membership.tick();
    this.data?.tick();
    this.control?.tick();
    this.#dataMembers.tick();
    this.#loop?.tick();
    if (this.control !== null && this.#ticks % REPORT_TICKS === 0) this.#report();
    if (this.data !== null) this.#dataEar?.look(this.data.raft);
    if (this.control !== null) this.#controlEar?.look(this.control.raft);
    if (this.#isOut(this.id)) this.#retire();
  }

  /** It is being stopped for good, and asks to go. */
  leave(): void {
    this.isLeaving = true;
    this.#report();
  }

  receive(host: string, packet: Packet): void {
    if (this.#isRetired) return;
    switch (packet.kind) {
      case 'hello':
        this.#presence.heard(host, packet.body);
        return;
      case 'refused':
        if (packet.run !== this.#o.identity.runs.run) return;
        this.#presence.refused(host);
        if (packet.refusal.code === 'REMOVED') this.#retire();
        return;
      case 'sent':
        if (packet.to === this.id && this.#presence.isUp(packet.from, packet.run))
          this.#take(packet.from, packet.what);
        return;
    }
  }

  #take(from: NodeId, what: Sent): void {
    switch (what.kind) {
      case 'control':
        this.control?.received(from, what.message);
        return;
      case 'transfer':
        this.control?.transferred(from, what.message);
        return;
      case 'data':
        this.data?.received(from, what.message);
        return;
      case 'report': {
        const report = reportFrom(what.body);
        if (report !== null) this.#sightings.reported(from, report);
        return;
      }
    }
  }

  #buildMembership(): Membership {
    const { identity, deploymentName: name, address, isEphemeral, power, law, fatal } = this.#o;
    return new Membership({
      imports: false,
      identity,
      sha256Hex: (text) => createHash('sha256').update(text).digest('hex'),
      introduction: () => ({
        name,
        clientAddress: `${address}:6379`,
        httpAddress: `${address}:8379`,
        peerAddress: `${address}:7379`,
        serverVersion: 'model',
        zone: '',
        ephemeral: isEphemeral,
        ...(this.#o.flags.isWitness ? { witness: true } : {}),
      }),
      nodesExpected: this.#o.flags.expect,
      claim: (_deployment, done) => done(),
      note: (_level, event, facts) => this.#o.note?.(`${event} ${JSON.stringify(facts)}`),
      announce: () => {
        power.effect();
        this.#o.note?.(`says ${this.membership.hello.phase}`);
        law.told(this.membership.hello);
        this.#presence.announce();
      },
      joined: () => {
        power.effect();
        law.told(this.membership.hello);
        this.#openData();
      },
      peerFound: (peer) => {
        this.#o.note?.(`sees ${peer}`);
        this.control?.peerFound(peer);
        this.data?.peerFound(peer);
      },
      peerLost: (peer) => {
        this.#o.note?.(`loses ${peer}`);
        this.control?.peerLost(peer);
        this.data?.peerLost(peer);
        this.#sightings.lost(peer);
      },
      isRemoved: (peer) => this.#isOut(peer),
      fatal,
    });
  }

  #buildPresence(): Presence {
    const { chance, nowUs, later, found, send, law } = this.#o;
    return new Presence({
      chance,
      nowUs,
      later,
      found,
      own: () => {
        law.told(this.membership.hello);
        return this.membership.hello;
      },
      send: (host, body) => {
        if (!this.#isRetired) send(host, { kind: 'hello', body });
      },
      refuse: (host, run, refusal) => {
        this.#o.note?.(`refuses ${host}: ${refusal.code}`);
        send(host, { kind: 'refused', run, refusal });
      },
      admit: (hello, done) => this.membership.admit(hello, done),
      seen: (hello) => this.membership.seen(hello),
      gone: (peer) => this.membership.gone(peer),
    });
  }

  #openData(): void {
    if (this.#isOpening) return;
    this.#isOpening = true;
    const { identity, disk, law, note } = this.#o;
    const { deployment, charter, logCreated } = identity.now;
    must(charter !== null, 'who belongs to a deployment has its charter', () => this.id);
    this.#watched = law.deployment(deployment, charter);
    note?.(`opens the groups of ${deployment.slice(0, 8)}`);
    const options = this.#storeOptions(DATA_GROUP, logCreated);
    openDataRaft(disk, '/data0', options, (opened, configurations) => {
      if (!opened.ok) return this.#o.fatal(opened.error);
      this.#kept({ logCreated: true }, () => {
        const { data } = this.#watched as Watched;
        const ear = this.#ear(data.opened(this.id, opened), data);
        const watched = this.#watched as Watched;
        const group: DataRaft = new DataRaft({
          id: this.id,
          founders: this.membership.founders,
          files: { ...opened, store: ear.log(opened.store) },
          configurations,
          send: ear.outbox((to, message) => this.#send(to, { kind: 'data', message })),
          entropy: () => this.#o.chance.uint32(),
          onNotice: (notice) => {
            ear.noticed(notice, group.raft);
            if (notice.kind === 'configurationChanged')
              watched.dataChanged(this.id, notice.configuration.decision);
          },
          fatal: this.#o.fatal,
        });
        this.data = group;
        this.#dataEar = ear;
        for (const peer of this.membership.up.keys()) group.peerFound(peer);
        this.#openControl();
      });
    });
  }

  #openControl(): void {
    const { identity, disk } = this.#o;
    const options = this.#storeOptions(CONTROL_GROUP, identity.now.controlCreated === true);
    openControl(disk, '/control', options, (files) => {
      if (!files.ok) return this.#o.fatal(files.error);
      this.#kept({ controlCreated: true }, () => {
        const { control: watched } = this.#watched as Watched;
        const { opened } = files;
        const ear = this.#ear(watched.opened(this.id, opened), watched);
        this.#controlEar = ear;
        this.#begin(ear, { ...files, opened: { ...opened, store: ear.log(opened.store) } });
      });
    });
  }

  #begin(ear: Ear, files: ConstructorParameters<typeof ControlGroup>[0]['files']): void {
    const { forgetAfterMs, chance, fatal, note } = this.#o;
    const { founders } = this.membership;
    const group: ControlGroup = new ControlGroup({
      id: this.id,
      founders,
      files,
      peers: {
        send: ear.outbox((to, message) => this.#send(to, { kind: 'control', message })),
        sendTransfer: (to, message) => this.#send(to, { kind: 'transfer', message }),
      },
      limits: RAFT_LIMITS,
      fetchLimits: FETCH_LIMITS,
      entropy: () => chance.uint32(),
      note: (_level, event, facts) => note?.(`${event} ${JSON.stringify(facts)}`),
      onNotice: (notice) => {
        if (notice.kind === 'becameLeader') this.#sightings.begin();
        ear.noticed(notice, group.raft);
      },
      changed: () => this.#watched?.applied(this.id, group.applied.index, group.state),
      fatal,
    });
    this.control = group;
    this.#loop = new ControlLoop({
      roundTicks: ROUND_TICKS,
      group,
      founding: { founders, witnesses: this.membership.foundingWitnesses, forgetAfterMs },
      observe: () => this.#observe(),
      note: (_level, event, facts) => note?.(`${event} ${JSON.stringify(facts)}`),
    });
    for (const peer of this.membership.up.keys()) group.peerFound(peer);
  }

  #observe() {
    this.#sightings.reported(this.id, this.#ownReport());
    return observationOf({
      self: this.id,
      nowMs: Math.floor(this.#o.nowMs()),
      own: this.membership.hello,
      isLeaving: this.isLeaving,
      peers: this.membership.peersIn,
      sightings: this.#sightings,
      control: this.control?.raft.configuration ?? null,
    });
  }

  #report(): void {
    const report = this.#ownReport();
    this.#sightings.reported(this.id, report);
    const body = JSON.parse(JSON.stringify(report)) as unknown;
    for (const peer of this.membership.peersIn.keys()) this.#send(peer, { kind: 'report', body });
    for (const [peer, refusal] of this.membership.removedButUp) this.#presence.expel(peer, refusal);
  }

  #ownReport(): Report {
    return reportOf({
      raft: this.data?.raft ?? null,
      dataMembers: this.#dataMembers,
      controlLeader: this.control?.raft.leader ?? null,
      peers: this.membership.peersIn,
      isLeaving: this.isLeaving,
    });
  }

  #isOut(node: NodeId): boolean {
    const { control, data } = this;
    return control !== null && isOut(control.state, [control.raft, data?.raft ?? null], node);
  }

  /** Durable first, so that no later start takes part again. */
  #retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#o.note?.('was removed for good');
    this.control = null;
    this.data = null;
    this.#loop = null;
    this.#kept({ phase: 'removed' }, () => this.#o.retired());
  }

  #kept(change: Partial<Identity>, then: () => void): void {
    this.#o.identity.update(
      () => change,
      (error) => (error === null ? then() : this.#o.fatal(error)),
    );
  }

  #send(to: NodeId, what: Sent): void {
    const place = this.#presence.placeOf(to);
    const { run } = this.#o.identity.runs;
    if (place !== null) this.#o.send(place.host, { kind: 'sent', from: this.id, run, to, what });
  }

  #ear(shadow: ReturnType<Watched['data']['opened']>, group: Watched['data']): Ear {
    const { power, note } = this.#o;
    return new Ear(group, shadow, { id: this.id, power, note });
  }

  #storeOptions(group: typeof DATA_GROUP, mustExist: boolean) {
    return {
      group,
      mustExist,
      segmentBytes: SEGMENT_BYTES,
      cacheBytes: CACHE_BYTES,
      onFailure: (error: StorageError) => this.#o.fatal(error),
    };
  }
}
