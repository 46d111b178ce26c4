/**
 * One client at one node: what `io/relay`'s `Session` does between `core/lanes` and the hold,
 * without sockets. Nobody waits for a leader here: a command that no server may get is refused at
 * once, and with it the session ends.
 */
import { Connections } from '../src/core/lanes/connections.ts';
import type {
  ConnectedSession,
  ConnectionsEvents,
  ConnectionsHost,
} from '../src/core/lanes/connections-host.ts';
import { isGreeting } from '../src/core/lanes/effect.ts';
import { RequestGate } from '../src/core/lanes/request-gate.ts';
import type { Segment } from '../src/core/lanes/segment.ts';
import type { NodeId } from '../src/core/scalars.ts';
import type { Asked } from './invariants.ts';
import { SessionLedger } from './ledger.ts';
import type { SimRelay } from './relay.ts';

/** How a client hears of its node. */
export interface ClientPort {
  /** False when much is on its way: `Session.drained` follows. */
  reply(bytes: Buffer): boolean;
  readonly unsentBytes: number;
  /** Not executed, and never will be, as nothing that was sent since; the session is closed. */
  refused(leader: NodeId | null): void;
  closed(): void;
  /** Of a relay that passes on for a client of its own: what the server has said to it. */
  readonly onMade?: (reply: Buffer, offset: number) => void;
}

/** What a client has sent, cut anywhere. */
export interface RequestPiece {
  readonly bytes: Buffer;
  /** The requests whose first byte is in it. */
  readonly begins: readonly { readonly commands: number; readonly asked: Asked }[];
}

/** Pieces that wait while clients are not read; a client has few under way. */
export const WAITING_MAX = 400;

type Phase = 'open' | 'draining' | 'closed';

export class Session implements ConnectedSession, ConnectionsEvents {
  /** The client is the relay of a node that does not lead. */
  readonly isPassThrough: boolean;
  readonly #relay: SimRelay;
  readonly #client: ClientPort;
  readonly #connections: Connections<Session>;
  readonly #gate: RequestGate;
  readonly #ledger: SessionLedger;
  readonly #unread: RequestPiece[] = [];
  #phase: Phase = 'open';
  #isReading = false;
  #isHeldUp = false;
  #isBehind = false;
  #needsDrain = false;

  constructor(name: string, relay: SimRelay, host: ConnectionsHost<Session>, client: ClientPort) {
    this.#relay = relay;
    this.#client = client;
    this.isPassThrough = client.onMade !== undefined;
    this.#connections = new Connections(this, host, this);
    this.#ledger = new SessionLedger(name, client.onMade);
    this.#gate = new RequestGate(relay.judge, relay.scannerLimits, (segment) =>
      this.#take(segment),
    );
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  get #way(): Connections<Session>['way'] {
    return this.#connections.way;
  }

  // The client.

  request(piece: RequestPiece): void {
    if (this.isClosed) return;
    this.#unread.push(piece);
    if (this.#unread.length > WAITING_MAX) this.#end();
    else this.go();
  }

  /** Takes its replies again. */
  drained(): void {
    this.#needsDrain = false;
    this.onOpen();
  }

  /** The client is gone. */
  close(): void {
    if (this.isClosed) return;
    this.#phase = 'closed';
    this.#connections.stopRetrying();
    this.#connections.drop();
    this.#relay.onClosed(this);
  }

  /** Sends on what waits, and reads what has come, as far as that may be now. */
  go(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#pump();
    while (this.#phase === 'open' && !this.#relay.isPaused && !this.#connections.isFull) {
      const piece = this.#unread.shift();
      if (piece === undefined) break;
      this.#read(piece);
    }
    this.#isReading = false;
  }

  #read({ bytes, begins }: RequestPiece): void {
    for (const { commands, asked } of begins) this.#ledger.expect(commands, asked);
    this.#connections.takeTicket();
    this.#connections.cork();
    this.#gate.feed(bytes);
    this.#connections.uncork();
    this.#settle();
  }

  #take(segment: Segment): void {
    if (this.#phase !== 'open') return;
    const isGreeter = segment.effect !== null && isGreeting(segment.effect);
    const first = this.#ledger.begin(segment.begun, isGreeter);
    this.#relay.tags.add(segment.bytes, { session: this.#ledger, first, count: segment.begun });
    this.#connections.take(segment);
  }

  // The route.

  onRoute(): void {
    if (this.isClosed) return;
    const isPassedOn = this.isPassThrough && this.#connections.route.kind === 'leader';
    if (!this.#connections.turn() || isPassedOn) this.#end();
    else this.go();
  }

  /** What was asked of the own server while it followed is not answered any more. */
  endSpell(): void {
    if (!this.isClosed && !this.#connections.endSpell()) this.#end();
  }

  endReign(): void {
    if (this.isClosed) return;
    const isOver = this.isPassThrough || this.#phase === 'draining';
    if (isOver || !this.#connections.endReign()) this.#end();
    else this.#settle();
  }

  /** The own server, where it leads, has something for this session: holes.md H4. */
  get isServed(): boolean {
    const { way, isOwnHeld } = this.#connections;
    return way.laneOwed > 0 || way.heldBytes > 0 || (isOwnHeld && !way.isOwnIdle);
  }

  setHeldUp(isHeldUp: boolean): void {
    this.#isHeldUp = isHeldUp;
    this.#watchReplies();
  }

  giveBack(): boolean {
    return this.#way.tryReturn(true);
  }

  // Its connections.

  onOpen(): void {
    if (this.isClosed) return;
    this.#watchReplies();
    this.#proceed();
    this.go();
  }

  onRoom(): void {
    // Not inside the call that has made room.
    this.#relay.options.soon(() => this.go());
  }

  onLoss(): void {
    if (this.isClosed) return;
    this.#phase = 'draining';
    this.#connections.stopRetrying();
    this.#settle();
  }

  onReadPoint(): void {
    this.go();
  }

  onLaneReady(): void {
    this.go();
  }

  onLaneDrain(): void {
    this.#connections.onDrain();
  }

  onLaneRetired(): void {
    this.#connections.leaveRetired();
  }

  onLaneEnd(): void {
    if (!this.isClosed) this.#connections.onLaneEnd();
  }

  // Replies.

  onReply(replied: Buffer | null): void {
    if (replied === null) {
      this.#end();
      return;
    }
    if (replied.length > 0 && !this.#connections.isOwnHeld) {
      this.#toClient(replied);
    } else if (replied.length > 0) {
      const { hold } = this.#relay;
      this.#way.ownHeld(replied.length);
      hold.add(this, replied, this.#connections.ticket);
      if (hold.isFull && !this.isClosed) this.#relay.onHoldFull(this);
      this.#watchReplies();
    }
    this.#proceed();
  }

  onLaneReplies(replies: number, bytes: number): void {
    this.#way.laneReplied(replies, bytes);
    this.#watchReplies();
    this.#pump();
  }

  release(bytes: Buffer): void {
    if (this.isClosed) return;
    this.#way.released(bytes.length);
    this.#toClient(bytes);
    this.#proceed();
  }

  #toClient(bytes: Buffer): void {
    this.#ledger.given(bytes, this.#relay.options.given);
    if (!this.#client.reply(bytes)) this.#needsDrain = true;
    this.#watchReplies();
  }

  #watchReplies(): void {
    if (this.isClosed) return;
    const held = this.#way.heldBytes;
    const bytes = held + this.#client.unsentBytes;
    const isMuch = bytes > this.#relay.options.replyBytesMax;
    const isBehind = isMuch && (held > 0 || this.#needsDrain);
    this.#connections.setReading(!isBehind && !this.#isHeldUp);
    if (isBehind || this.#isBehind) this.#connections.setBehind(isBehind);
    this.#isBehind = isBehind;
  }

  #proceed(): void {
    if (this.#phase === 'open') {
      this.#connections.tryLeave();
      this.#pump();
    }
    this.#settle();
  }

  #pump(): void {
    if (this.#phase !== 'open') return;
    if (!this.#connections.isRetrying) this.#way.pump();
    this.#settle();
  }

  #settle(): void {
    if (this.#phase === 'draining' && this.#way.heldBytes === 0) this.#end();
    if (this.#phase !== 'open' || this.isPassThrough || !this.#way.isStuck) return;
    const { route, isLost } = this.#connections;
    if (route.kind !== 'none' && !isLost) return;
    this.#way.waiting.refuseAll();
    this.#client.refused(this.#relay.leader);
    this.close();
  }

  #end(): void {
    this.close();
    this.#client.closed();
  }
}
