/**
 * This node's part of an eventual deployment (`docs/decisions/0012`): its server with the role that
 * is agreed on, the lease for it, and, should this node come to lead the control group, the grants.
 */
import { randomBytes } from 'node:crypto';
import type { EventualSpec } from '../core/control/spec.ts';
import { type HistoryPoint, NOTHING_AGREED, type Primary } from '../core/control/state.ts';
import type { Observation, Standing } from '../core/plan/observation.ts';
import type { Notice } from '../core/raft/driver.ts';
import type { NodeId } from '../core/scalars.ts';
import { type Endpoint, endpointOf } from '../doors/topology.ts';
import type { ControlGroup } from './control/control-group.ts';
import { leadingOf } from './eventual/leading-group.ts';
import { Primacy } from './eventual/primacy.ts';
import { RoleKeeper } from './eventual/role-keeper.ts';
import {
  isNews,
  type LeaseAnswered,
  type LeaseAsked,
  leaseAnsweredFrom,
  leaseAskedFrom,
  standingFrom,
} from './eventual/words.ts';
import { countAlone } from './eventual-alone.ts';
import { type Loss, LossCount, Losses } from './eventual-losses.ts';
import {
  type EventualPart,
  type EventualPartOptions,
  type OpenedServer,
  openServer,
  ownPassword,
} from './eventual-part.ts';
import type { OwnEventualServer } from './eventual-server.ts';
import { timeForPeopleMs } from './journal.ts';
import { LIMITS } from './limits.ts';
import { monotonicMs } from './monotonic.ts';
import { PrimaryPort } from './primary-port.ts';

export class EventualShard implements EventualPart {
  readonly #o: EventualPartOptions;
  /** Null for a witness. */
  readonly server: OwnEventualServer | null;
  readonly keeper: RoleKeeper | null;
  readonly serverId = null;
  #group: ControlGroup | null = null;
  #primacy: Primacy | null = null;
  /** As the nodes themselves have told. */
  readonly #standings = new Map<NodeId, Standing>();
  readonly losses: Losses | null;
  readonly #primaryPort: PrimaryPort | null;
  readonly #lossCount = new LossCount();
  /** Of this node's server, to others, last. */
  #told: Standing | null = null;
  #ticks = 0;
  #withoutPrimarySinceMs: number | null = monotonicMs();

  private constructor(parts: EventualPartOptions, played: Played | null) {
    this.#o = parts;
    this.server = played?.server ?? null;
    this.losses = played?.losses ?? null;
    this.#primaryPort = this.#primaryPortOf();
    this.keeper = played === null ? null : this.#keeperOf(played);
    if (this.keeper !== null) this.server?.listen(this.keeper);
  }

  /** Nothing runs yet. */
  static async open(parts: EventualPartOptions): Promise<EventualShard> {
    const { config, journal, located, settings } = parts;
    if (located === null || settings === null) return new EventualShard(parts, null);
    const dataDir = `${config.dir}/data`;
    const losses = await Losses.open({ dir: config.dir, dataDir, journal });
    const opened = await openServer(
      parts,
      { located, settings },
      {
        cluster: null,
        beforeStarting: async (record) => {
          shard.#lossCount.started(await record.grown());
        },
        beforeFollowing: () => shard.#beforeFollowing(),
      },
    );
    const shard: EventualShard = new EventualShard(parts, { ...opened, losses });
    return shard;
  }

  /** Rejects when a port is not to be had. The server starts when its role is known. */
  async start(): Promise<void> {
    await this.#primaryPort?.start();
  }

  /** What it founds, where nothing is agreed on yet. */
  get founding(): EventualSpec {
    return this.#o.config.eventual;
  }

  /** Who was appointed, opened or not. */
  get primary(): Primary | null {
    return this.#group?.state.primary ?? null;
  }

  /** Its server takes writes, as far as this node knows. */
  get isOpen(): boolean {
    return this.keeper?.isOpen ?? false;
  }

  /** For how long no primary has been open and in sight, ms. */
  get withoutPrimaryMs(): number {
    const since = this.#withoutPrimarySinceMs;
    return since === null ? 0 : monotonicMs() - since;
  }

  standingOf(node: NodeId): Standing | null {
    if (node === this.#o.self()) return this.keeper?.standing ?? null;
    return this.#standings.get(node) ?? null;
  }

  /** The files of the control group are open: roles are played from now on. */
  opened(group: ControlGroup): void {
    this.#group = group;
    this.#primacy = new Primacy({
      group: leadingOf(group),
      nowMs: monotonicMs,
      wallMs: timeForPeopleMs,
      answer: (to, answered) => this.#answer(to, answered),
    });
  }

  noticed(notice: Notice): void {
    this.#primacy?.noticed(notice);
  }

  /** More of what is agreed on is known here. */
  changed(): void {
    if (this.#group?.state.importer === this.#o.self() && !this.#o.imports())
      this.#o.fatal(
        new Error(
          'IMPORT_LOST: the deployment waits for the data that this node had brought in, and ' +
            'they are gone: to begin anew, stop all nodes and empty their directories',
        ),
      );
    this.#primacy?.changed();
    this.keeper?.changed();
  }

  observe(seen: Observation): Observation {
    if (this.#primacy === null) return seen;
    this.#tellPrimacy();
    return this.#primacy.observe(seen);
  }

  tick(): void {
    if (this.#group === null) return;
    this.#ticks += 1;
    this.losses?.tick();
    if (this.isOpen) this.#lossCount.opened();
    if (this.#ticks % LIMITS.primaryLookTicks === 0) this.#primaryPort?.tick();
    this.keeper?.tick();
    this.#tellStanding();
    const { primary } = this;
    const isThere = primary !== null && primary.history !== null && this.#isInSight(primary.node);
    if (isThere) this.#withoutPrimarySinceMs = null;
    else this.#withoutPrimarySinceMs ??= monotonicMs();
  }

  noted(from: NodeId, topic: string, body: unknown): void {
    if (topic === 'standing') this.#stands(from, standingFrom(body));
    const asked = topic === 'lease' ? leaseAskedFrom(body) : null;
    if (asked !== null) this.#primacy?.asked(from, asked);
    const answered = topic === 'lease.answer' ? leaseAnsweredFrom(body) : null;
    if (answered !== null) this.keeper?.answered(answered);
  }

  peerLost(peer: NodeId): void {
    this.#standings.delete(peer);
    this.#primacy?.lost(peer);
  }

  /** Nothing is decided, asked or answered here any more. */
  stop(): void {
    this.#group = null;
    this.#primacy = null;
  }

  /** Resolves when the server is gone. */
  async end(): Promise<void> {
    this.stop();
    await this.#primaryPort?.stop();
    await this.server?.end();
  }

  #primaryPortOf(): PrimaryPort | null {
    const { config, fatal } = this.#o;
    if (config.primaryPort === null) return null;
    return new PrimaryPort({
      host: config.bind.client,
      port: config.primaryPort,
      primary: () => this.#primaryEndpoint(),
      connectionsMax: LIMITS.clientsMax,
      fatal,
    });
  }

  /** Null while none is open, as far as this node knows. */
  #primaryEndpoint(): Endpoint | null {
    const { primary } = this;
    if (primary === null || primary.history === null || this.withoutPrimaryMs > 0) return null;
    return endpointOf(this.#o.addressOf(primary.node));
  }

  #keeperOf({ server, record }: Played): RoleKeeper {
    const { config, journal, self } = this.#o;
    return new RoleKeeper({
      get id() {
        return self();
      },
      nowMs: monotonicMs,
      run: randomBytes(4).readUInt32BE(),
      priority: config.priority,
      state: () => this.#group?.state ?? NOTHING_AGREED,
      server,
      kept: record,
      ask: (asked) => this.#ask(asked),
      lost: (from, bytes) => this.#lost(from, bytes),
      note: (level, event, facts) => journal[level](event, facts),
    });
  }

  #lost(from: HistoryPoint | null, bytes: number | null): void {
    const { primary, keeper } = this;
    if (primary === null || keeper === null) return;
    const isExact = bytes !== null && keeper.standing.isExact;
    const { decision } = primary;
    this.#lossCount.counted({ decision, from, bytes, isExact, isLeast: false });
  }

  async #beforeFollowing(): Promise<void> {
    const { primary } = this;
    const loss = primary === null ? null : await this.#lossBehind(primary);
    if (loss !== null) await this.losses?.keep(loss);
  }

  async #lossBehind(primary: Primary): Promise<Loss | null> {
    const { addressOf, journal } = this.#o;
    const tail = this.#lossCount.tailBehind(primary);
    const endpoint = endpointOf(addressOf(primary.node));
    if (tail === null || primary.from === null || endpoint === null)
      return this.#lossCount.take(primary, null);
    const password = ownPassword(this.#o, 'replicas');
    const alone = await countAlone(tail, primary.from, { endpoint, password }).catch(
      (error: unknown) => {
        journal.warn('primary.lostWritesNotCompared', { error });
        return null;
      },
    );
    if (alone === null)
      journal.info('primary.lostWritesNotCompared', { ...tail, from: primary.from, endpoint });
    return this.#lossCount.take(primary, alone);
  }

  #ask(asked: LeaseAsked): void {
    const leader = this.#o.controlLeader();
    if (leader === this.#o.self()) this.#primacy?.asked(leader, asked);
    else if (leader !== null) this.#o.note(leader, 'lease', asked);
  }

  #answer(to: NodeId, answered: LeaseAnswered): void {
    if (to === this.#o.self()) this.keeper?.answered(answered);
    else this.#o.note(to, 'lease.answer', answered);
  }

  #stands(from: NodeId, standing: Standing | null): void {
    if (standing === null) return;
    this.#standings.set(from, standing);
    this.#primacy?.reported(from, standing);
  }

  /** Now and then, and what is new at once. */
  #tellStanding(): void {
    const standing = this.keeper?.standing ?? null;
    const isDue = this.#ticks % LIMITS.standingTicks === 0;
    if (standing === null || !(isDue || isNews(this.#told, standing))) return;
    this.#told = standing;
    this.#tellPrimacy();
    for (const peer of this.#o.peers()) this.#o.note(peer, 'standing', standing);
  }

  #tellPrimacy(): void {
    if (this.keeper !== null) this.#primacy?.reported(this.#o.self(), this.keeper.standing);
  }

  #isInSight(node: NodeId): boolean {
    return node === this.#o.self() || [...this.#o.peers()].includes(node);
  }
}

interface Played extends OpenedServer {
  readonly losses: Losses;
}
