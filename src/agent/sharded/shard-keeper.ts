/**
 * Keeps this node's server of a cluster what it was agreed to be: the primary of a shard, or none.
 *
 * Whom a replica follows, and whose the slots are, is arranged among the servers
 * (`core/plan/sharded`); here is who may take writes. It looks at the server, compares with what is
 * agreed on and with its lease, and takes one step, until there is none.
 *
 * Holds (`docs/decisions/0012`, `0015`): a server is open only under a lease of the decision that
 * names it; it takes over from its primary only by that decision, known to be in force, and when no
 * older lease is alive, or in agreement with that primary; it is reported as released only when it
 * was seen to be shut after the newer decision was read.
 */
import type { ControlState, ShardLead } from '../../core/control/state.ts';
import { LeaseHolder } from '../../core/lease/holder.ts';
import { ASK_EVERY_MS } from '../../core/lease/spans.ts';
import type { Standing } from '../../core/plan/observation.ts';
import { FORCE_MS } from '../../core/plan/sharded/failovers.ts';
import type { NodeId } from '../../core/scalars.ts';
import { Held } from '../eventual/held.ts';
import type {
  EventualServer,
  EventualServerEvents,
  KeptRecord,
  ServerSeen,
  ServerStep,
  TakeOver,
} from '../eventual/ports.ts';
import { ServerLife } from '../eventual/server-life.ts';
import type { LeaseAnswered, LeaseAsked } from '../eventual/words.ts';
import type { Note } from '../shard/ports.ts';

export interface ShardKeeperOptions {
  readonly id: NodeId;
  /** Monotonic, and the warden's too. */
  readonly nowMs: () => number;
  /** Other than in earlier lives, as far as chance goes; 32 bits. */
  readonly run: number;
  readonly priority: number;
  readonly state: () => ControlState;
  readonly server: EventualServer;
  readonly kept: KeptRecord;
  /** To whoever leads the control group. */
  readonly ask: (asked: LeaseAsked) => void;
  readonly note: Note;
}

export class ShardKeeper implements EventualServerEvents {
  readonly #o: ShardKeeperOptions;
  readonly #holder: LeaseHolder;
  readonly #held: Held;
  readonly #life: ServerLife;
  /** The decision by which the server may become the primary: no older lease is alive. */
  #clearedBy = 0;
  /** By which it is one. */
  #promotedBy = 0;
  /** By which it was told to take over, and when. */
  #ordered = { decision: 0, atMs: Number.NEGATIVE_INFINITY };
  /** Under whose lease it was opened; 0: it is shut. */
  #openBy = 0;
  #askedMs = Number.NEGATIVE_INFINITY;
  #askedFor = '';
  #released = 0;
  #serverId: string | null = null;

  constructor(options: ShardKeeperOptions) {
    const { nowMs, run, server, kept, note } = options;
    this.#o = options;
    this.#holder = new LeaseHolder(run);
    this.#held = new Held(kept, nowMs);
    this.#life = new ServerLife({ nowMs, server, note });
  }

  get standing(): Standing {
    const { priority } = this.#o;
    const { isUp } = this.#life;
    const { history, offset, isExact } = this.#held.told;
    return { history, offset, isExact, isUp, priority, released: this.#released };
  }

  /** As it was seen last, however long that is ago; for people. Null while it is down. */
  get seenShown(): ServerSeen | null {
    return this.#life.seenShown;
  }

  /** As it was seen last; null while it is down. */
  get seenLast(): ServerSeen | null {
    return this.#life.seen;
  }

  /** It takes writes, as far as this node knows. */
  get isOpen(): boolean {
    return this.#openBy > 0;
  }

  /** The id that its server has in its cluster, as it was seen last; null: it never was. */
  get serverId(): string | null {
    return this.#serverId;
  }

  /** The decision in force that names its server; null: none does. */
  get lead(): ShardLead | null {
    return this.#leads.find(({ server }) => server === this.#serverId) ?? null;
  }

  get #leads(): readonly ShardLead[] {
    return this.#o.state().shards?.leads ?? [];
  }

  tick(): void {
    this.#life.tick();
    this.#step();
    this.#askForLease();
  }

  /** What is agreed on is another. */
  changed(): void {
    this.#step();
  }

  answered({ answer, ...question }: LeaseAnswered): void {
    const { lead } = this;
    if (lead?.decision !== question.decision || !this.#holder.asked(question)) return;
    if (answer === 'clear') this.#clearedBy = question.decision;
    else if (answer === 'inForce') this.#holder.drop();
    else if (this.#holder.granted(question) && this.#openBy === question.decision)
      this.#o.server.extend(this.#life.life, this.#holder.untilMs);
    this.#step();
  }

  empty(life: number, done: () => void): void {
    if (life === this.#life.life) this.#held.empty(done);
  }

  up(life: number): void {
    this.#life.up(life);
  }

  down(life: number, why: string): void {
    if (!this.#life.down(life, why)) return;
    this.#holder.drop();
    this.#held.serverGone();
    this.#promotedBy = 0;
    this.#openBy = 0;
    this.#noteReleased();
  }

  seen(life: number, seen: ServerSeen): void {
    if (!this.#life.seenNow(life, seen)) return;
    this.#learnServer(seen.clusterServer ?? null);
    // An order to open may have failed: nobody is to end what takes no writes.
    if (this.#openBy > 0 && seen.isShut) this.#isShutNow();
    const { lead } = this;
    const agreed = this.#leads.find(({ history }) => history === seen.history);
    this.#held.seen(seen, agreed ?? lead);
    const isPromoted = lead !== null && lead.decision === this.#promotedBy;
    if (isPromoted && lead.history === null && seen.role === 'primary')
      this.#held.begins({
        history: seen.history,
        offset: seen.offset,
        decision: lead.decision,
        isOnDisk: seen.isOnDisk,
      });
    this.#step();
  }

  busy(life: number): void {
    this.#life.busy(life);
  }

  /** One that was told to forget its cluster is another one, without data, in the same life. */
  #learnServer(server: string | null): void {
    if (server === null || server === this.#serverId) return;
    if (this.#serverId !== null) this.#held.empty(() => undefined);
    this.#serverId = server;
  }

  /** All that was decided was read, and by none of it but its own is its server open. */
  #noteReleased(): void {
    const isShut = this.#life.isGone || this.#life.seen?.isShut === true;
    if (!isShut || this.#openBy > 0) return;
    const newest = Math.max(0, ...this.#leads.map(({ decision }) => decision));
    this.#released = Math.max(this.#released, newest);
  }

  #step(): void {
    this.#agreeHistories();
    this.#noteReleased();
    const { seen, isBusy } = this.#life;
    if (seen === null || isBusy || seen.isLoading) return;
    const { lead } = this;
    if (lead === null) this.#withoutLead(seen);
    else if (lead.history === null) this.#towardsOpening(seen, lead);
    else this.#asPrimary(seen, lead);
  }

  #agreeHistories(): void {
    for (const lead of this.#leads) this.#held.agreed(lead);
  }

  /** One that hands over keeps its writes, while its lease lasts, until its heir pauses them. */
  #withoutLead(seen: ServerSeen): void {
    if (seen.isShut) return;
    const isHandingOver = this.#leads.some(
      ({ by, history, former }) =>
        by === 'planned' && history === null && former?.server === this.#serverId,
    );
    const holdsLease = this.#holder.mayBeOpen(this.#openBy, this.#o.nowMs());
    if (seen.role === 'primary' && isHandingOver && holdsLease) return;
    this.#shut();
  }

  #towardsOpening(seen: ServerSeen, lead: ShardLead): void {
    const { decision, base } = lead;
    if (!seen.isShut) {
      this.#shut();
      return;
    }
    if (this.#promotedBy === decision || this.#clearedBy !== decision) return;
    if (this.#isOpenWhether(decision) || !this.#holds(base)) return;
    if (seen.role === 'primary')
      this.#life.take({ kind: 'promote' }, () => {
        this.#promotedBy = decision;
      });
    else if (isTakeOver(lead.by)) this.#takeOver(decision, lead.by);
  }

  /** What it came to is seen; the server gives it up by itself after a while. */
  #takeOver(decision: number, by: TakeOver): void {
    const { nowMs } = this.#o;
    const isUnderWay =
      this.#ordered.decision === decision && nowMs() < this.#ordered.atMs + FORCE_MS;
    if (isUnderWay) return;
    this.#ordered = { decision, atMs: nowMs() };
    this.#life.take({ kind: 'promote', by }, () => undefined);
  }

  #asPrimary(seen: ServerSeen, { decision, history }: ShardLead): void {
    const { nowMs, state } = this.#o;
    const isIt = seen.role === 'primary' && seen.history === history;
    const minReplicas = state().spec?.eventual?.minReplicasToWrite ?? 0;
    if (!isIt || !this.#holder.mayBeOpen(decision, nowMs())) {
      if (!seen.isShut) this.#shut();
    } else if (seen.isShut || seen.minReplicas !== minReplicas)
      this.#open(decision, { kind: 'open', untilMs: this.#holder.untilMs, minReplicas });
  }

  /** Counted as open before it is: what may be open has to be shut again. */
  #open(decision: number, step: Extract<ServerStep, { kind: 'open' }>): void {
    this.#openBy = decision;
    this.#life.take(step, () =>
      this.#o.note('info', 'primary.open', { decision, minReplicas: step.minReplicas }),
    );
  }

  #shut(): void {
    this.#life.take({ kind: 'shut' }, () => this.#isShutNow());
  }

  #isShutNow(): void {
    if (this.#openBy > 0) this.#o.note('info', 'primary.shut', { decision: this.#openBy });
    this.#openBy = 0;
    this.#o.server.disarm(this.#life.life);
  }

  #askForLease(): void {
    const { nowMs, ask } = this.#o;
    const { seen } = this.#life;
    const { lead } = this;
    if (lead === null || seen === null || seen.isLoading) return;
    const history = this.#historyToName(lead, seen);
    if (history === undefined) return;
    const what = `${lead.decision} ${history}`;
    if (what === this.#askedFor && nowMs() < this.#askedMs + ASK_EVERY_MS) return;
    this.#askedFor = what;
    this.#askedMs = nowMs();
    const question = this.#holder.ask(lead.decision, nowMs());
    ask({ ...question, history, from: null, offset: seen.offset });
  }

  /** Null: it asks whether it may be the primary; undefined: it is not what was appointed. */
  #historyToName(lead: ShardLead, seen: ServerSeen): string | null | undefined {
    const isPrimary = seen.role === 'primary';
    if (lead.history !== null)
      return isPrimary && seen.history === lead.history ? seen.history : undefined;
    if (this.#promotedBy === lead.decision)
      return isPrimary && this.#held.hasBegun(seen.history) ? seen.history : undefined;
    return this.#holds(lead.base) && !this.#isOpenWhether(lead.decision) ? null : undefined;
  }

  /** An earlier server here was promoted by this decision: it may still open, and not twice. */
  #isOpenWhether(decision: number): boolean {
    return this.#promotedBy !== decision && this.#held.isOpenWhether(decision);
  }

  #holds(base: string | null): boolean {
    return base === null || this.#held.told.history === base;
  }
}

function isTakeOver(by: ShardLead['by']): by is TakeOver {
  return by === 'planned' || by === 'force' || by === 'takeover';
}
