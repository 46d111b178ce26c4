/**
 * This node's part of an eventual deployment of many shards (`docs/decisions/0015`): its server in
 * the cluster, the lease for it, and, should this node come to lead the control group, the grants
 * and the driver of them all.
 */
import { randomBytes } from 'node:crypto';
import { type NodeLine, parseNodes } from '../core/cluster/nodes-text.ts';
import type { EventualSpec } from '../core/control/spec.ts';
import { NOTHING_AGREED } from '../core/control/state.ts';
import type { Observation, Standing } from '../core/plan/observation.ts';
import type { Notice } from '../core/raft/driver.ts';
import type { NodeId } from '../core/scalars.ts';
import { ARRANGING_USER } from '../io/server/eventual-conf.ts';
import type { ControlGroup } from './control/control-group.ts';
import { leadingOf } from './eventual/leading-group.ts';
import {
  isNews,
  type LeaseAnswered,
  type LeaseAsked,
  leaseAnsweredFrom,
  leaseAskedFrom,
  standingFrom,
} from './eventual/words.ts';
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
import { ShardKeeper } from './sharded/shard-keeper.ts';
import { ShardLeases } from './sharded/shard-leases.ts';
import { type ShardsTold, shardsToldFrom } from './sharded/shards-told.ts';
import { ShardedDriver } from './sharded-driver.ts';

/** Nodes tell where they stand every 200 ms: four times may be lost. */
const STANDING_MS_MAX = 1_000;
/** And about the shards once a second: two may be late or lost. */
const TOLD_MS_MAX = 3_500;

export class ShardedPart implements EventualPart {
  readonly #o: EventualPartOptions;
  readonly server: OwnEventualServer | null;
  readonly keeper: ShardKeeper | null;
  readonly primary = null;
  readonly losses = null;
  #group: ControlGroup | null = null;
  #leases: ShardLeases | null = null;
  driver: ShardedDriver | null = null;
  /** As the nodes themselves have told. */
  #toldByLeader: { readonly told: ShardsTold; readonly atMs: number } | null = null;
  /** Whose the slots are and who follows whom, as the own server has heard. */
  heard: readonly NodeLine[] = [];
  readonly #standings = new Map<NodeId, { readonly standing: Standing; readonly atMs: number }>();
  /** Of this node's server, to others, last. */
  #told: Standing | null = null;
  #serverTold: string | null = null;
  #ticks = 0;
  #unservedSinceMs: number | null = monotonicMs();

  private constructor(parts: EventualPartOptions, opened: OpenedServer | null) {
    this.#o = parts;
    this.server = opened?.server ?? null;
    this.keeper = opened === null ? null : this.#keeperOf(opened);
    if (this.keeper !== null) this.server?.listen(this.keeper);
  }

  /** Nothing runs yet. */
  static async open(parts: EventualPartOptions): Promise<ShardedPart> {
    const { config, located, settings } = parts;
    if (located === null || settings === null) return new ShardedPart(parts, null);
    const opened = await openServer(
      parts,
      { located, settings },
      {
        cluster: () => ({
          busPort: config.sharded?.busPort ?? 0,
          arrangingPassword: ownPassword(parts, 'arranging'),
        }),
        beforeStarting: async () => undefined,
        beforeFollowing: async () => undefined,
      },
    );
    return new ShardedPart(parts, opened);
  }

  async start(): Promise<void> {
    // Its server starts when its role is known.
  }

  get founding(): EventualSpec {
    return this.#o.config.eventual;
  }

  get isOpen(): boolean {
    return this.keeper?.isOpen ?? false;
  }

  /** The id that its server has in its cluster; null: it has none yet. */
  get serverId(): string | null {
    return this.keeper?.serverId ?? null;
  }

  get withoutPrimaryMs(): number {
    const since = this.#unservedSinceMs;
    return since === null ? 0 : monotonicMs() - since;
  }

  /** What the control leader says of the shards; null while nobody does. */
  get told(): ShardsTold | null {
    const { driver } = this;
    if (driver !== null && driver.told !== null) return driver.told;
    const last = this.#toldByLeader;
    return last === null || monotonicMs() > last.atMs + TOLD_MS_MAX ? null : last.told;
  }

  standingOf(node: NodeId): Standing | null {
    if (node === this.#o.self()) return this.keeper?.standing ?? null;
    return this.#standings.get(node)?.standing ?? null;
  }

  opened(group: ControlGroup): void {
    const { access, addressOf, journal, fatal } = {
      ...this.#o,
      access: () => ({
        user: ARRANGING_USER,
        password: ownPassword(this.#o, 'arranging'),
        tls: null,
      }),
    };
    this.#group = group;
    const leases = new ShardLeases({
      group: leadingOf(group),
      nowMs: monotonicMs,
      wallMs: timeForPeopleMs,
      answer: (to, answered) => this.#answer(to, answered),
    });
    this.#leases = leases;
    const standings = () => this.#fresh();
    const parts = { group, leases, access, addressOf, standings, journal, fatal };
    this.driver = new ShardedDriver(parts);
  }

  noticed(notice: Notice): void {
    if (notice.kind === 'becameLeader') this.driver?.begin();
    this.#leases?.noticed(notice);
  }

  changed(): void {
    this.#leases?.changed();
    this.keeper?.changed();
  }

  observe(seen: Observation): Observation {
    return { ...seen, spareServers: this.driver?.spare ?? new Set() };
  }

  tick(): void {
    if (this.#group === null) return;
    this.#ticks += 1;
    this.keeper?.tick();
    this.#tellServer();
    this.#tellStanding();
    if (this.#ticks % LIMITS.reportTicks === 0) this.#tellShards();
    if (this.#isServed()) this.#unservedSinceMs = null;
    else this.#unservedSinceMs ??= monotonicMs();
  }

  noted(from: NodeId, topic: string, body: unknown): void {
    if (topic === 'standing') this.#stands(from, standingFrom(body));
    const asked = topic === 'lease' ? leaseAskedFrom(body) : null;
    if (asked !== null) this.#leases?.asked(from, asked);
    const answered = topic === 'lease.answer' ? leaseAnsweredFrom(body) : null;
    if (answered !== null) this.keeper?.answered(answered);
    const told = topic === 'shards' ? shardsToldFrom(body) : null;
    if (told !== null) this.#toldByLeader = { told, atMs: monotonicMs() };
  }

  peerLost(peer: NodeId): void {
    this.#standings.delete(peer);
  }

  stop(): void {
    this.#group = null;
    this.#leases = null;
    this.driver?.stop();
    this.driver = null;
  }

  async end(): Promise<void> {
    this.stop();
    await this.server?.end();
  }

  #keeperOf({ server, record }: OpenedServer): ShardKeeper {
    const { config, journal, self } = this.#o;
    return new ShardKeeper({
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
      note: (level, event, facts) => journal[level](event, facts),
    });
  }

  /** By whoever leads the control group; and the own server is asked what it has heard. */
  #tellShards(): void {
    const told = this.driver?.told ?? null;
    if (told !== null) for (const peer of this.#o.peers()) this.#o.note(peer, 'shards', told);
    this.server
      ?.call(['CLUSTER', 'NODES'])
      .then((reply) => {
        this.heard = (typeof reply === 'string' ? parseNodes(reply) : null) ?? this.heard;
      })
      .catch(this.#o.fatal);
  }

  #ask(asked: LeaseAsked): void {
    const leader = this.#o.controlLeader();
    if (leader === this.#o.self()) this.#leases?.asked(leader, asked);
    else if (leader !== null) this.#o.note(leader, 'lease', asked);
  }

  #answer(to: NodeId, answered: LeaseAnswered): void {
    if (to === this.#o.self()) this.keeper?.answered(answered);
    else this.#o.note(to, 'lease.answer', answered);
  }

  #stands(from: NodeId, standing: Standing | null): void {
    if (standing === null) return;
    this.#standings.set(from, { standing, atMs: monotonicMs() });
    this.#leases?.reported(from, standing);
  }

  #fresh(): ReadonlyMap<NodeId, Standing> {
    const oldestMs = monotonicMs() - STANDING_MS_MAX;
    return new Map(
      [...this.#standings].flatMap(([node, { standing, atMs }]) =>
        atMs < oldestMs ? [] : [[node, standing] as const],
      ),
    );
  }

  /** A member says which server is its own, as it says where it is. */
  #tellServer(): void {
    if (this.serverId === this.#serverTold) return;
    this.#serverTold = this.serverId;
    this.#o.announce();
  }

  /** Now and then, and what is new at once. */
  #tellStanding(): void {
    const standing = this.keeper?.standing ?? null;
    const isDue = this.#ticks % LIMITS.standingTicks === 0;
    if (standing === null || !(isDue || isNews(this.#told, standing))) return;
    this.#told = standing;
    this.#stands(this.#o.self(), standing);
    for (const peer of this.#o.peers()) this.#o.note(peer, 'standing', standing);
  }

  /** Every shard has a primary that has opened, as far as this node knows, and sees them. */
  #isServed(): boolean {
    const { isFounded = false, leads = [] } = this.#group?.state.shards ?? {};
    const inSight = new Set([this.#o.self(), ...this.#o.peers()]);
    return isFounded && leads.every(({ node, history }) => history !== null && inSight.has(node));
  }
}
