/**
 * Opens streams to peers, a few at a time: when a leader changes, thousands of clients come at
 * once, and the other side takes only so many strangers.
 */
import type { Socket } from 'node:net';
import type { NodeId } from '../../core/scalars.ts';
import { dialPeer, type Gate } from './greeting.ts';
import { helloNodeId } from './hello.ts';
import { type Address, PeersError, type Transport } from './transport.ts';

export interface RelayOpeningsOptions {
  readonly transport: Transport;
  readonly gate: Gate;
  readonly greetingMsMax: number;
  /** Handshakes under way to one peer; the strangers a listener takes are several times this. */
  readonly openingsMax: number;
  /** Who waits for a handshake to one peer: no more than there can be clients. */
  readonly waitersMax: number;
}

interface Opening {
  readonly to: NodeId;
  readonly address: Address;
  readonly signal: AbortSignal;
  readonly resolve: (socket: Socket) => void;
  readonly reject: (error: unknown) => void;
}

export class RelayOpenings {
  readonly #o: RelayOpeningsOptions;
  readonly #waiting = new Map<NodeId, Opening[]>();
  readonly #underWay = new Map<NodeId, Set<() => void>>();
  /** Handed out and still open. */
  readonly #streams = new Set<Socket>();
  #isStopped = false;

  constructor(options: RelayOpeningsOptions) {
    this.#o = options;
  }

  /** Rejects with the signal's reason, or with NO_RELAY. Aborting afterwards changes nothing. */
  open(to: NodeId, address: Address, signal: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const line = this.#waiting.get(to) ?? [];
      if (signal.aborted) return reject(signal.reason);
      if (this.#isStopped) return reject(new PeersError('NO_RELAY', 'this node stops'));
      if (line.length >= this.#o.waitersMax)
        return reject(new PeersError('NO_RELAY', `${line.length} already wait for ${to}`));
      line.push({ to, address, signal, resolve, reject });
      this.#waiting.set(to, line);
      this.#next(to);
    });
  }

  /** The peer is gone: nobody should wait for it. */
  drop(to: NodeId): void {
    const line = this.#waiting.get(to) ?? [];
    this.#waiting.delete(to);
    for (const opening of line) opening.reject(new PeersError('NO_RELAY', `${to} went away`));
  }

  stop(): void {
    this.#isStopped = true;
    for (const to of [...this.#waiting.keys()]) this.drop(to);
    for (const under of this.#underWay.values()) for (const giveUp of [...under]) giveUp();
    for (const socket of this.#streams) socket.destroy();
  }

  #next(to: NodeId): void {
    const under = this.#underWay.get(to) ?? new Set();
    this.#underWay.set(to, under);
    while (under.size < this.#o.openingsMax) {
      const opening = this.#waiting.get(to)?.shift();
      if (opening === undefined) break;
      if (opening.signal.aborted) opening.reject(opening.signal.reason);
      else this.#dial(opening, under);
    }
    if (this.#waiting.get(to)?.length === 0) this.#waiting.delete(to);
    if (under.size === 0) this.#underWay.delete(to);
  }

  #dial({ to, address, signal, resolve, reject }: Opening, under: Set<() => void>): void {
    const { transport, gate, greetingMsMax } = this.#o;
    const over = (): void => {
      under.delete(giveUp);
      signal.removeEventListener('abort', giveUp);
      this.#next(to);
    };
    const cancel = dialPeer(
      { transport, address, purpose: 'relay', gate, greetingMsMax },
      (greeted) => {
        if (greeted.kind === 'welcome' && helloNodeId(greeted.greeting.hello) === to) {
          this.#streams.add(greeted.socket);
          greeted.socket.once('close', () => this.#streams.delete(greeted.socket));
          resolve(greeted.socket);
        } else {
          if (greeted.kind === 'welcome') greeted.socket.destroy();
          reject(new PeersError('NO_RELAY', `${to}: ${whyNot(greeted)}`));
        }
        over();
      },
    );
    const giveUp = (): void => {
      cancel();
      reject(signal.aborted ? signal.reason : new PeersError('NO_RELAY', 'this node stops'));
      over();
    };
    under.add(giveUp);
    signal.addEventListener('abort', giveUp);
  }
}

function whyNot(greeted: Parameters<Parameters<typeof dialPeer>[1]>[0]): string {
  if (greeted.kind === 'lost') return greeted.why;
  if (greeted.kind === 'refused') return `${greeted.refusal.code} ${greeted.refusal.text}`;
  return 'another node answers at its address';
}
