/**
 * Strong mode of one node: which life of which server may serve, and since when.
 *
 * The reign is the idea (`facts/holes.md` H1, H2): one leader's term with one life of its server.
 * It opens only when level (design §3.4): the no-op is committed, the server has applied exactly
 * what the log holds, it is promoted, the reign's id is committed in the log, the capture is
 * attached. It ends for ever when this node steps down, or when its server exits, hangs, or loses
 * its fence or capture: everything held is dropped before any later commit is looked at.
 *
 *   down -> starting -> following -> levelling -> promoting -> attaching -> announcing -> open
 *                           ^------------------ demoting <----------------------------------'
 *
 * Pure: events are methods, effects go to the ports. Every stage but following and open has a
 * bound; past it the server is killed and leadership handed over (H6).
 */
import type { EntryId } from '../../core/raft/protocol.ts';
import { type LogIndex, type NodeId, type ReplOffset, replOffset } from '../../core/scalars.ts';
import type { Feed } from './feed.ts';
import type { HeldSession, Hold } from './hold.ts';
import { Lives } from './lives.ts';
import type { RaftPort, RelayPort, RoleSeen, ServerPort } from './ports.ts';
import { Reign, type ReignLimits } from './reign.ts';
import type { StreamIndex } from './stream-index.ts';

export interface StrongLimits extends ReignLimits {
  readonly levelSlackBytes: number;
  readonly openTicksMax: number;
  readonly stepTicksMax: number;
}

export type Stage =
  | { readonly kind: 'down' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'following' }
  | { readonly kind: 'levelling'; readonly target: ReplOffset }
  | { readonly kind: 'promoting'; readonly at: ReplOffset }
  | { readonly kind: 'attaching'; readonly at: ReplOffset; readonly replid: string }
  | { readonly kind: 'announcing'; readonly reign: Reign }
  | { readonly kind: 'open'; readonly reign: Reign }
  | { readonly kind: 'demoting' };

interface Lead {
  readonly term: number;
  readonly noop: EntryId;
  /** Set once this term is given up: no second reign in one term (H2). */
  isOver: boolean;
}

export interface StrongPorts {
  readonly server: ServerPort;
  readonly raft: RaftPort;
  readonly relay: RelayPort;
  /** An event name and facts, for the journal. */
  readonly note: (event: string, facts: Readonly<Record<string, unknown>>) => void;
}

const LEVEL_POLL_MS = 2;
const ACKNOWLEDGE_TICKS = 20;

export class Strong {
  readonly #limits: StrongLimits;
  readonly #ports: StrongPorts;
  readonly #index: StreamIndex;
  readonly #feed: Feed;
  #stage: Stage = { kind: 'down' };
  #stageTicks = 0;
  #progress = 0;
  readonly #lives = new Lives();
  #lead: Lead | null = null;
  #reigns = 0;
  #committed: LogIndex;
  #applied: ReplOffset;
  readonly #pauses = new Set<string>();
  #isStopping = false;
  #acknowledgeTicks = 0;

  constructor(limits: StrongLimits, ports: StrongPorts, index: StreamIndex, feed: Feed) {
    this.#limits = limits;
    this.#ports = ports;
    this.#index = index;
    this.#feed = feed;
    this.#committed = index.baseIndex;
    this.#applied = replOffset(0);
  }

  get stage(): Stage {
    return this.#stage;
  }

  get life(): number {
    return this.#lives.life;
  }

  get isOpen(): boolean {
    return this.#stage.kind === 'open';
  }

  get hold(): Hold | null {
    return this.#openReign?.barrier.hold ?? null;
  }

  get committedOffset(): ReplOffset {
    return this.#index.endAt(this.#committed);
  }

  /** What this node's server has executed as primary, or applied as replica. */
  get executedOffset(): ReplOffset {
    const reign = this.#attachedReign;
    if (reign !== null) return reign.executed;
    return replOffset(Math.max(this.#feed.acked, this.#applied));
  }

  get #openReign(): Reign | null {
    return this.#stage.kind === 'open' ? this.#stage.reign : null;
  }

  get #attachedReign(): Reign | null {
    const stage = this.#stage;
    return stage.kind === 'open' || stage.kind === 'announcing' ? stage.reign : null;
  }

  start(): void {
    this.#startServer();
  }

  /** Starts nothing again: the process is about to end. */
  stop(): void {
    this.#isStopping = true;
    this.#endReign('this node stops', 'kill');
  }

  // ---- Raft's notices ------------------------------------------------------------------------

  becameLeader(term: number, noop: EntryId): void {
    this.#lead = { term, noop, isOver: false };
    this.#tryLevelling();
  }

  /** Comes before any commit of a later leader: the reign is over before that is looked at. */
  steppedDown(why: string): void {
    this.#lead = null;
    this.#endReign(why, 'demote');
  }

  leaderChanged(leader: NodeId | null): void {
    this.#ports.relay.setLeader(leader);
  }

  committed(upTo: EntryId): void {
    this.#committed = upTo.index;
    this.#feed.committed(upTo.index);
    this.#attachedReign?.committed(this.#index.endAt(upTo.index));
    if (this.#stage.kind === 'announcing') this.#tryOpen(this.#stage.reign);
    else this.#tryLevelling();
  }

  roundConfirmed(round: number): void {
    this.#openReign?.barrier.hold.confirmed(round);
  }

  accepted(first: LogIndex): void {
    this.#attachedReign?.accepted(first);
  }

  /** A proposal refused while this node still serves: what the server executed cannot be logged. */
  refused(why: string): void {
    const reign = this.#attachedReign;
    if (reign === null) return;
    reign.refused();
    this.#giveUp(`the log refused an entry: ${why}`);
  }

  /** Raft gave up a transfer and takes proposals again. */
  transferAbandoned(why: string): void {
    this.#openReign?.transferAbandoned(why);
  }

  /** A snapshot from the leader replaced the log. */
  installed(): void {
    this.#committed = this.#index.baseIndex;
    this.#feed.logReplaced();
  }

  // ---- The server ----------------------------------------------------------------------------

  serverUp(life: number): void {
    if (life !== this.#lives.life || this.#stage.kind !== 'starting') return;
    this.#enter({ kind: 'following' });
    this.#tryLevelling();
  }

  serverDown(life: number, why: string): void {
    if (life !== this.#lives.life) return;
    this.#ports.note('server.down', { life, why });
    const hadReign = this.#hasReign();
    this.#dropReign(`the server is gone: ${why}`);
    this.#feed.disconnected();
    this.#enter({ kind: 'down' });
    this.#applied = replOffset(0);
    if (hadReign) this.#resign(`its server is gone: ${why}`);
    this.#lives.ended();
    if (this.#lives.isDue()) this.#startServer();
  }

  /** The feed found that the server is no prefix of what is committed, or cannot be continued. */
  diverged(why: string): void {
    if (this.#stage.kind === 'down') return;
    this.#dropReign(why);
    this.#kill(`resync: ${why}`);
  }

  serverFailed(life: number, why: string): void {
    if (life !== this.#lives.life) return;
    this.#giveUp(why);
  }

  roleSeen(life: number, role: RoleSeen): void {
    if (life !== this.#lives.life) return;
    if (role.kind === 'replica' && role.isConnected) this.#applied = role.offset;
    if (this.#stage.kind === 'levelling') this.#level(this.#stage.target, role);
    else this.#openReign?.roleSeen(role);
  }

  promoted(life: number, replid: string, offset: ReplOffset): void {
    if (life !== this.#lives.life || this.#stage.kind !== 'promoting') return;
    const { at } = this.#stage;
    // Expiry may have added to the stream since: the capture gets those bytes first.
    if (offset < at) this.#giveUp(`promoted at ${offset}, before the end of the log at ${at}`);
    else {
      this.#enter({ kind: 'attaching', at, replid });
      this.#ports.server.attach(life, replid, at);
    }
  }

  attached(life: number, replid: string): void {
    if (life !== this.#lives.life || this.#stage.kind !== 'attaching') return;
    const { at } = this.#stage;
    if (replid !== this.#stage.replid) {
      this.#giveUp('the server changed its replication id while it was promoted');
      return;
    }
    const reign = new Reign({
      life,
      replid,
      start: at,
      limits: this.#limits,
      ports: this.#ports,
      pauseReads: (reason, isPaused) => this.#pauseReads(reason, isPaused),
    });
    this.#enter({ kind: 'announcing', reign });
    reign.announce();
  }

  /** Stream bytes of the leader's server. */
  captured(life: number, chunk: Buffer): void {
    if (life !== this.#lives.life) return;
    const failure = this.#attachedReign?.captured(chunk) ?? null;
    if (failure !== null) this.#giveUp(failure);
  }

  /** Fence or capture broke: effects may be executed that nobody will ever log. */
  detached(life: number, why: string): void {
    if (life !== this.#lives.life || !this.#hasReign()) return;
    this.#giveUp(why);
  }

  demoted(life: number): void {
    if (life !== this.#lives.life || this.#stage.kind !== 'demoting') return;
    this.#enter({ kind: 'following' });
    this.#tryLevelling();
  }

  // ---- The barrier ---------------------------------------------------------------------------

  addReply(session: HeldSession, bytes: Buffer, round: number): void {
    this.#openReign?.barrier.hold.add(session, bytes, round);
  }

  get isFenceWanted(): boolean {
    return this.#openReign?.barrier.isFenceWanted === true;
  }

  /** The agent wrote the `ROLE` that `sendFence` asked for. */
  fenceSent(): void {
    this.#openReign?.barrier.fenceSent();
  }

  /** The answer on the fence connection. It counts only as the word of this reign's primary. */
  fenceAnswered(life: number, role: RoleSeen): 'done' | 'askAgain' {
    const reign = this.#openReign;
    if (life !== this.#lives.life || reign === null) return 'done';
    const outcome = reign.barrier.answered(role);
    if (typeof outcome === 'string') return outcome;
    this.#giveUp(outcome.failed);
    return 'done';
  }

  // ---- Orders --------------------------------------------------------------------------------

  /** Planned: stops writes, waits until all that was executed is committed, transfers. */
  handOver(to: NodeId | null, done: (ok: boolean, why: string) => void): void {
    if (this.#openReign === null) done(false, 'this node is no open leader');
    else this.#openReign.handOver(to, done);
  }

  /** Writes wait while the log is far over its limit. */
  setLogFull(isFull: boolean): void {
    this.#pauseReads('logFull', isFull);
  }

  tick(): void {
    this.#stageTicks += 1;
    this.#acknowledge();
    const over = this.#openReign?.tick() ?? null;
    if (over !== null) this.#giveUp(over);
    switch (this.#stage.kind) {
      case 'down':
        if (this.#lives.isDue()) this.#startServer();
        return;
      case 'starting':
      case 'levelling':
        this.#watchProgress(this.#limits.openTicksMax);
        return;
      case 'following':
        this.#followed();
        this.#watchProgress(this.#limits.fenceTicksMax);
        return;
      case 'promoting':
      case 'attaching':
      case 'announcing':
      case 'demoting':
        if (this.#stageTicks > this.#limits.stepTicksMax)
          this.#giveUp(`${this.#stage.kind} took longer than its bound`);
        return;
      case 'open':
        this.#lives.sound();
        return;
    }
  }

  // ---- Inside --------------------------------------------------------------------------------

  /** The server counts a replica that says nothing as lost, and refuses writes then. */
  #acknowledge(): void {
    this.#acknowledgeTicks += 1;
    if (this.#acknowledgeTicks < ACKNOWLEDGE_TICKS) return;
    this.#acknowledgeTicks = 0;
    if (this.#attachedReign !== null) this.#ports.server.acknowledge(this.committedOffset);
  }

  #followed(): void {
    const isLevel = this.#feed.isLevel(this.#limits.levelSlackBytes);
    this.#ports.raft.setReadiness(isLevel ? 'level' : 'reluctant');
    if (isLevel) this.#lives.sound();
    if (this.#lead !== null) this.#tryLevelling();
  }

  #tryLevelling(): void {
    const lead = this.#lead;
    if (lead === null || lead.isOver || this.#stage.kind !== 'following') return;
    if (this.#committed < lead.noop.index) return;
    this.#enter({ kind: 'levelling', target: this.#index.endAt(lead.noop.index) });
    this.#ports.server.askRole(this.#lives.life, 0);
  }

  #level(target: ReplOffset, role: RoleSeen): void {
    if (role.kind === 'replica' && role.isConnected) {
      if (role.offset > target) {
        this.#giveUp(`it has applied ${role.offset}, beyond the end of the log at ${target}`);
        return;
      }
      if (role.offset === target) {
        this.#enter({ kind: 'promoting', at: target });
        this.#ports.server.promote(this.#lives.life);
        return;
      }
    }
    this.#ports.server.askRole(this.#lives.life, LEVEL_POLL_MS);
  }

  #tryOpen(reign: Reign): void {
    if (this.#lead === null || !reign.isAnnounced(this.#committed)) return;
    this.#reigns += 1;
    this.#enter({ kind: 'open', reign });
    this.#ports.note('reign.opened', { term: this.#lead.term, offset: this.committedOffset });
    this.#ports.relay.open(this.#reigns);
  }

  #pauseReads(reason: string, isPaused: boolean): void {
    const before = this.#pauses.size > 0;
    if (isPaused) this.#pauses.add(reason);
    else this.#pauses.delete(reason);
    const after = this.#pauses.size > 0;
    if (before !== after) this.#ports.relay.setReadsPaused(after);
  }

  /** Loading a large snapshot may take long; doing nothing may not. */
  #watchProgress(ticksMax: number): void {
    if (this.#feed.progress !== this.#progress) {
      this.#progress = this.#feed.progress;
      this.#stageTicks = 0;
    }
    if (this.#stageTicks > ticksMax) this.#giveUp(`no progress while ${this.#stage.kind}`);
  }

  #hasReign(): boolean {
    const { kind } = this.#stage;
    return kind === 'promoting' || kind === 'attaching' || kind === 'announcing' || kind === 'open';
  }

  /** This node cannot lead with this life of its server. */
  #giveUp(why: string): void {
    this.#dropReign(why);
    this.#kill(why);
    this.#resign(why);
  }

  #resign(why: string): void {
    if (this.#lead === null || this.#lead.isOver) return;
    this.#lead.isOver = true;
    this.#ports.raft.resign(why);
  }

  #endReign(why: string, then: 'demote' | 'kill'): void {
    const { kind } = this.#stage;
    if (kind === 'levelling') {
      this.#enter({ kind: 'following' });
      return;
    }
    if (!this.#hasReign()) return;
    this.#dropReign(why, then === 'demote');
    // Mid-promotion nobody knows what the server is: only its end is certain.
    if (then === 'kill' || kind === 'promoting') this.#kill(why);
    else {
      this.#enter({ kind: 'demoting' });
      this.#ports.server.demote(this.#lives.life);
    }
  }

  /** Everything held is dropped and its connections closed, before anything else happens. */
  #dropReign(why: string, isHandedOver = false): void {
    if (!this.#hasReign()) return;
    const handOver = this.#attachedReign?.end() ?? null;
    this.#ports.server.detach();
    this.#ports.relay.endReign(why);
    handOver?.ended(isHandedOver, why);
    this.#ports.note('reign.ended', { why });
  }

  #kill(why: string): void {
    if (this.#stage.kind === 'down') return;
    this.#enter({ kind: 'demoting' });
    this.#feed.disconnected();
    this.#ports.server.kill(this.#lives.life, why);
  }

  #startServer(): void {
    if (this.#isStopping) return;
    this.#lives.begin();
    this.#feed.newLife();
    this.#progress = this.#feed.progress;
    this.#enter({ kind: 'starting' });
    this.#ports.raft.setReadiness('reluctant');
    this.#ports.server.start(this.#lives.life);
  }

  #enter(stage: Stage): void {
    this.#stage = stage;
    this.#stageTicks = 0;
  }
}
