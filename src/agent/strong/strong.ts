/**
 * Strong mode of one node: which life of which server may serve, and since when.
 *
 * The reign is the idea (`facts/holes.md` H1, H2): one leader's term with one life of its server.
 * It opens only when level (design §3.4): the no-op is committed, the server has applied exactly
 * what the log holds, it is promoted, the reign's id is committed in the log, the capture is
 * attached. It ends for ever when this node steps down, or when its server exits, hangs, or loses
 * its fence or capture: everything held is dropped before any later commit is looked at.
 *
 * Pure: events are methods, effects go to the ports. Every stage but following and open has a
 * bound; past it the server is killed and leadership handed over (H6). `stage.ts` has the map.
 */
import type { EntryId } from '../../core/raft/protocol.ts';
import { type LogIndex, type NodeId, type ReplOffset, replOffset } from '../../core/scalars.ts';
import type { Feed } from './feed.ts';
import type { Hold } from './hold.ts';
import { Lead } from './lead.ts';
import { Lives } from './lives.ts';
import type { RoleSeen, StrongPorts } from './ports.ts';
import { ReadPauses } from './read-pauses.ts';
import { Reign, type ReignLimits } from './reign.ts';
import { attachedReign, hasReign, openReign, type Stage } from './stage.ts';
import { StageClock, type StageLimits } from './stage-clock.ts';
import type { StreamIndex } from './stream-index.ts';

export type StrongLimits = ReignLimits & StageLimits;

const LEVEL_POLL_MS = 2;

export class Strong {
  readonly #limits: StrongLimits;
  readonly #ports: StrongPorts;
  readonly #index: StreamIndex;
  readonly #feed: Feed;
  /** Why clients are not read for now. */
  readonly pauses: ReadPauses;
  #stage: Stage = { kind: 'down' };
  readonly #clock = new StageClock();
  readonly #lives = new Lives();
  #lead: Lead | null = null;
  #reigns = 0;
  #committed: LogIndex;
  #applied: ReplOffset = replOffset(0);
  #isStopping = false;

  constructor(limits: StrongLimits, ports: StrongPorts, index: StreamIndex, feed: Feed) {
    this.#limits = limits;
    this.#ports = ports;
    this.#index = index;
    this.#feed = feed;
    this.pauses = new ReadPauses((isPaused) => ports.relay.setReadsPaused(isPaused));
    this.#committed = index.baseIndex;
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
    return openReign(this.#stage)?.barrier.hold ?? null;
  }

  get committedIndex(): LogIndex {
    return this.#committed;
  }

  get committedOffset(): ReplOffset {
    return this.#index.endAt(this.#committed);
  }

  /** What this node's server has executed as primary, or applied as replica. */
  get executedOffset(): ReplOffset {
    const reign = attachedReign(this.#stage);
    if (reign !== null) return reign.executed;
    return replOffset(Math.max(this.#feed.acked, this.#applied));
  }

  /** Begins the next life of the server. */
  start(): void {
    if (this.#isStopping) return;
    this.#lives.begin();
    this.#feed.newLife();
    this.#enter({ kind: 'starting' });
    this.#ports.raft.setReadiness('reluctant');
    this.#ports.server.start(this.#lives.life);
  }

  /** Starts nothing again: the process is about to end. */
  stop(): void {
    this.#isStopping = true;
    this.#endReign('this node stops', 'kill');
  }

  // ---- Raft's notices ------------------------------------------------------------------------

  becameLeader(term: number, noop: EntryId): void {
    this.#lead = new Lead(term, noop);
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
    attachedReign(this.#stage)?.committed(this.#index.endAt(upTo.index));
    if (this.#stage.kind === 'announcing') this.#tryOpen(this.#stage.reign);
    else this.#tryLevelling();
  }

  roundConfirmed(round: number): void {
    openReign(this.#stage)?.confirmed(round);
  }

  accepted(first: LogIndex): void {
    attachedReign(this.#stage)?.accepted(first);
  }

  /** A proposal refused while this node still serves: what the server executed cannot be logged. */
  refused(why: string): void {
    const reign = attachedReign(this.#stage);
    if (reign === null) return;
    reign.refused();
    this.#giveUp(`the log refused an entry: ${why}`);
  }

  /** Raft gave up a transfer and takes proposals again. */
  transferAbandoned(why: string): void {
    openReign(this.#stage)?.transferAbandoned(why);
  }

  /** A snapshot from the leader takes the place of the log: the index begins after it now. */
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
    const hadReign = hasReign(this.#stage);
    this.#dropReign(`the server is gone: ${why}`);
    this.#feed.disconnected();
    this.#enter({ kind: 'down' });
    this.#applied = replOffset(0);
    if (hadReign || this.#lead?.lifeLost() === true) this.#resign(`its server is gone: ${why}`);
    this.#lives.ended();
    if (this.#lives.isDue()) this.start();
  }

  /** The feed found that the server is no prefix of what is committed, or cannot be continued. */
  diverged(why: string): void {
    if (this.#stage.kind === 'down') return;
    // Late word of a server that leads by now: its reign is the only one of this term (H2).
    if (hasReign(this.#stage)) this.#giveUp(why);
    else this.#kill(`resync: ${why}`);
  }

  serverFailed(life: number, why: string): void {
    if (life !== this.#lives.life) return;
    this.#giveUp(why);
  }

  roleSeen(life: number, role: RoleSeen): void {
    if (life !== this.#lives.life) return;
    if (role.kind === 'replica' && role.isConnected) this.#applied = role.offset;
    this.#ports.reads?.roleSeen(role);
    if (this.#stage.kind === 'levelling') this.#level(this.#stage.target, role);
    else openReign(this.#stage)?.roleSeen(role);
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
      pauseReads: (reason, isPaused) => this.pauses.set(reason, isPaused),
    });
    this.#enter({ kind: 'announcing', reign });
    reign.announce();
  }

  /** Stream bytes of the leader's server. */
  captured(life: number, chunk: Buffer): void {
    if (life !== this.#lives.life) return;
    const failure = attachedReign(this.#stage)?.captured(chunk) ?? null;
    if (failure !== null) this.#giveUp(failure);
  }

  /** Fence or capture broke: effects may be executed that nobody will ever log. */
  detached(life: number, why: string): void {
    if (life !== this.#lives.life || !hasReign(this.#stage)) return;
    this.#giveUp(why);
  }

  demoted(life: number): void {
    if (life !== this.#lives.life || this.#stage.kind !== 'demoting') return;
    this.#enter({ kind: 'following' });
    this.#tryLevelling();
  }

  // ---- The barrier ---------------------------------------------------------------------------

  get isFenceWanted(): boolean {
    return openReign(this.#stage)?.barrier.isFenceWanted === true;
  }

  /** The agent wrote the `ROLE` that `sendFence` asked for. */
  fenceSent(): void {
    openReign(this.#stage)?.barrier.fenceSent();
  }

  /** The answer on the fence connection. It counts only as the word of this reign's primary. */
  fenceAnswered(life: number, role: RoleSeen): 'done' | 'askAgain' {
    const reign = openReign(this.#stage);
    if (life !== this.#lives.life || reign === null) return 'done';
    const outcome = reign.barrier.answered(role);
    if (typeof outcome === 'string') return outcome;
    this.#giveUp(outcome.failed);
    return 'done';
  }

  // ---- Orders --------------------------------------------------------------------------------

  /** Planned: stops writes, waits until all that was executed is committed, transfers. */
  handOver(to: NodeId | null, done: (ok: boolean, why: string) => void): void {
    if (this.#stage.kind === 'open') this.#stage.reign.handOver(to, done);
    else done(false, 'this node is no open leader');
  }

  tick(): void {
    this.#clock.tick();
    attachedReign(this.#stage)?.acknowledge();
    const over = openReign(this.#stage)?.tick() ?? null;
    if (over !== null) this.#giveUp(over);
    switch (this.#stage.kind) {
      case 'down':
        if (this.#lives.isDue()) this.start();
        return;
      case 'starting':
      case 'levelling':
        this.#mustMove(this.#feed.approach, this.#limits.openTicksMax);
        return;
      case 'following':
        this.#followed();
        this.#mustMove(this.#feed.progress, this.#limits.fenceTicksMax);
        return;
      case 'promoting':
      case 'attaching':
      case 'announcing':
      case 'demoting':
        if (this.#clock.ticks > this.#limits.stepTicksMax)
          this.#giveUp(`${this.#stage.kind} took longer than its bound`);
        return;
      case 'open':
        this.#lives.sound();
        return;
    }
  }

  // ---- Inside --------------------------------------------------------------------------------

  #followed(): void {
    const isLevel = this.#feed.isLevel(this.#limits.levelSlackBytes);
    this.#ports.raft.setReadiness(isLevel ? 'level' : 'reluctant');
    if (isLevel) this.#lives.sound();
    this.#tryLevelling();
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

  #mustMove(progress: number, ticksMax: number): void {
    const isStill = this.#clock.isStill(progress, ticksMax);
    if (isStill) this.#giveUp(`no progress while ${this.#stage.kind}`);
  }

  /** This node cannot lead with this life of its server. */
  #giveUp(why: string): void {
    this.#dropReign(why);
    this.#kill(why);
    this.#resign(why);
  }

  #resign(why: string): void {
    if (this.#lead?.end() === true) this.#ports.raft.resign(why);
  }

  #endReign(why: string, then: 'demote' | 'kill'): void {
    const { kind } = this.#stage;
    if (kind === 'levelling') {
      this.#enter({ kind: 'following' });
      return;
    }
    if (!hasReign(this.#stage)) return;
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
    if (!hasReign(this.#stage)) return;
    const handOver = attachedReign(this.#stage)?.end() ?? null;
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

  #enter(stage: Stage): void {
    this.#stage = stage;
    this.#clock.restart();
    this.#ports.reads?.following(this.#lives.life, stage.kind === 'following');
  }
}
