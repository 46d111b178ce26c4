/** The way to one address: dialled while it is wanted, with back-off, until it is this node. */
import type { Socket } from 'node:net';
import { assert } from '../../assert.ts';
import type { NodeId } from '../../core/scalars.ts';
import type { Connection } from './connection.ts';
import { dialPeer, type Gate, type Greeted } from './greeting.ts';
import { type Greeting, type Hello, helloNodeId, type Refusal } from './hello.ts';
import { type Address, parseAddress, type Transport } from './transport.ts';

/** First pause, doubled by every failure; half of each is chance, so that nodes do not march. */
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 2000;

export interface LinkOptions {
  readonly address: string;
  readonly transport: Transport;
  readonly gate: Gate;
  readonly greetingMsMax: number;
  /** The connection that the link now has, or why it may not be used. */
  readonly onWelcome: (link: Link, socket: Socket, greeting: Greeting) => Connection | Refusal;
  /** The link has taken the connection: it may be sent on. */
  readonly onUp: (hello: Hello) => void;
  readonly onRefused: (link: Link, by: 'us' | 'peer', refusal: Refusal) => void;
}

type State =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'dialing'; readonly giveUp: () => void }
  | { readonly kind: 'up'; readonly connection: Connection }
  /** The address is this node's own. */
  | { readonly kind: 'self' };

export interface LinkView {
  readonly address: string;
  readonly state: State['kind'];
  /** Who answered last at this address; null when nobody did. */
  readonly node: NodeId | null;
  /** Why the last attempt came to nothing, as far as anybody said; null when up or not said. */
  readonly refusal: Refusal | null;
  readonly queuedBytes: number;
  readonly droppedFrames: number;
}

export class Link {
  readonly address: Address;
  readonly #o: LinkOptions;
  #state: State = { kind: 'stopped' };
  #failures = 0;
  #node: NodeId | null = null;
  #refusal: Refusal | null = null;
  #isRetired = false;

  constructor(options: LinkOptions) {
    this.#o = options;
    this.address = parseAddress(options.address);
  }

  /** Not dialled again: the connection that it has is its last. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  get connection(): Connection | null {
    return this.#state.kind === 'up' ? this.#state.connection : null;
  }

  view(): LinkView {
    return {
      address: this.#o.address,
      state: this.#state.kind,
      node: this.#node,
      refusal: this.#refusal,
      queuedBytes: this.connection?.queuedBytes ?? 0,
      droppedFrames: this.connection?.droppedFrames ?? 0,
    };
  }

  start(): void {
    assert(this.#state.kind === 'stopped', 'a link starts once');
    this.#dial();
  }

  stop(): void {
    const state = this.#state;
    this.#state = { kind: 'stopped' };
    if (state.kind === 'waiting') clearTimeout(state.timer);
    if (state.kind === 'dialing') state.giveUp();
    if (state.kind === 'up') state.connection.close('this node stops');
  }

  /** The address is not wanted any more. True when that is the end of it, as nothing is open. */
  retire(): boolean {
    this.#isRetired = true;
    if (this.#state.kind === 'up') return false;
    this.stop();
    return true;
  }

  /** It is wanted again, or still. */
  keep(): void {
    this.#isRetired = false;
  }

  /** `node` has just called: no need to wait until the back-off is over. */
  wake(node: NodeId): void {
    if (this.#state.kind !== 'waiting' || (this.#node !== null && this.#node !== node)) return;
    clearTimeout(this.#state.timer);
    this.#dial();
  }

  /** The connection that `onWelcome` gave is over. */
  lost(refusal: Refusal | null): void {
    if (this.#state.kind !== 'up') return;
    this.#refusal = refusal;
    if (this.#isRetired) this.#state = { kind: 'stopped' };
    else this.#wait();
  }

  #dial(): void {
    const { transport, gate, greetingMsMax } = this.#o;
    const giveUp = dialPeer(
      { transport, address: this.address, purpose: 'raft', gate, greetingMsMax },
      (greeted) => this.#take(greeted),
    );
    this.#state = { kind: 'dialing', giveUp };
  }

  #take(greeted: Greeted): void {
    switch (greeted.kind) {
      case 'welcome':
        this.#welcome(greeted.socket, greeted.greeting);
        return;
      case 'refused':
        if (greeted.refusal.code === 'SELF') {
          this.#state = { kind: 'self' };
          return;
        }
        this.#refuse(greeted.by, greeted.refusal);
        return;
      case 'lost':
        this.#wait();
        return;
    }
  }

  #welcome(socket: Socket, greeting: Greeting): void {
    const result = this.#o.onWelcome(this, socket, greeting);
    if ('code' in result) {
      socket.destroy();
      this.#refuse('us', result);
      return;
    }
    this.#node = helloNodeId(greeting.hello);
    this.#failures = 0;
    this.#refusal = null;
    this.#state = { kind: 'up', connection: result };
    this.#o.onUp(greeting.hello);
  }

  #refuse(by: 'us' | 'peer', refusal: Refusal): void {
    this.#refusal = refusal;
    this.#wait();
    this.#o.onRefused(this, by, refusal);
  }

  #wait(): void {
    const full = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    const timer = setTimeout(() => this.#dial(), full * (0.5 + 0.5 * Math.random()));
    this.#state = { kind: 'waiting', timer };
  }
}
