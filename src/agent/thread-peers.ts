/**
 * The streams that a thread opens to the leader's relay for its clients, at the leader's own peer
 * port. Whom it may believe is told by the main thread, whose connections admit peers: a thread
 * speaks only to the very process that was admitted there.
 */
import type { Duplex } from 'node:stream';
import type { NodeId } from '../core/scalars.ts';
import type { Gate } from '../io/peers/greeting.ts';
import { type Hello, helloNodeId } from '../io/peers/hello.ts';
import { MESH_LIMITS } from '../io/peers/mesh-limits.ts';
import { RelayOpenings } from '../io/peers/relay-openings.ts';
import { PeersError, Transport } from '../io/peers/transport.ts';
import type { RelayTarget, ThreadStart } from './thread-messages.ts';

export class ThreadPeers {
  readonly #openings: RelayOpenings;
  readonly #targets = new Map<NodeId, RelayTarget>();
  #hello: Hello | null = null;
  #revision = 0;

  constructor({ secret, openingsMax }: Pick<ThreadStart, 'secret' | 'openingsMax'>) {
    const { greetingMsMax, waitersMax } = MESH_LIMITS;
    const gate: Gate = {
      greeting: (purpose) => {
        if (this.#hello === null) throw new Error('nobody is greeted before a peer is known');
        this.#revision += 1;
        return { purpose, revision: this.#revision, hello: this.#hello };
      },
      admit: (hello, done) => {
        const isAdmitted = this.#targets.get(helloNodeId(hello))?.run === hello.run;
        done(isAdmitted ? null : { code: 'REFUSED', text: 'another start than was admitted' });
      },
    };
    this.#openings = new RelayOpenings({
      transport: new Transport(secret === null ? null : Buffer.from(secret)),
      gate,
      greetingMsMax,
      openingsMax,
      waitersMax,
    });
  }

  /** What this node says of itself now, and the peers that are up. */
  know(hello: Hello, targets: readonly RelayTarget[]): void {
    this.#hello = hello;
    const gone = new Set(this.#targets.keys());
    this.#targets.clear();
    for (const target of targets) {
      this.#targets.set(target.node, target);
      gone.delete(target.node);
    }
    for (const node of gone) this.#openings.drop(node);
  }

  async open(node: NodeId, signal: AbortSignal): Promise<Duplex> {
    const target = this.#targets.get(node);
    if (target === undefined) throw new PeersError('NO_RELAY', `${node} is not connected`);
    return this.#openings.open(node, target.address, signal);
  }

  stop(): void {
    this.#openings.stop();
  }
}
