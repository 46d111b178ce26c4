/**
 * Where other nodes may be reached: candidates, whatever found them; members, as was agreed; whom
 * peers tell of; and who calls from elsewhere. Addresses only: who is there, its hello says.
 */
import type { NodeId } from '../core/scalars.ts';
import type { Hello } from '../io/peers/hello.ts';

/** Connections from nodes that nobody knows yet; the mesh bounds them too. */
const CALLERS_MAX = 256;

export class AddressBook {
  readonly #changed: (addresses: readonly string[]) => void;
  #candidates: readonly string[] = [];
  #members: readonly string[] = [];
  /** By the peer that told of them. */
  readonly #told = new Map<NodeId, readonly string[]>();
  /** By directory, with how many connections are open. */
  readonly #callers = new Map<string, { readonly address: string; calls: number }>();
  #list = '';

  /** `changed` gets the whole list, without repetition, whenever it is another. */
  constructor(changed: (addresses: readonly string[]) => void) {
    this.#changed = changed;
  }

  /** All that discovery knows now: `host:port` each. */
  setCandidates(addresses: readonly string[]): void {
    this.#candidates = addresses;
    this.#tell();
  }

  /** Where the members were last. */
  setMembers(addresses: readonly string[]): void {
    this.#members = addresses.filter((address) => address !== '');
    this.#tell();
  }

  /** None when the peer is gone: what it said may be old. */
  setTold(by: NodeId, addresses: readonly string[]): void {
    if (addresses.length === 0) this.#told.delete(by);
    else this.#told.set(by, addresses);
    this.#tell();
  }

  called({ directory, peerAddress }: Hello): void {
    const known = this.#callers.get(directory);
    if (known?.address === peerAddress) {
      known.calls += 1;
      return;
    }
    if (peerAddress === '' || this.#callers.size >= CALLERS_MAX) return;
    this.#callers.set(directory, { address: peerAddress, calls: 1 });
    this.#tell();
  }

  callEnded({ directory, peerAddress }: Hello): void {
    const known = this.#callers.get(directory);
    if (known?.address !== peerAddress) return;
    known.calls -= 1;
    if (known.calls > 0) return;
    this.#callers.delete(directory);
    this.#tell();
  }

  #tell(): void {
    const callers = [...this.#callers.values()].map(({ address }) => address);
    const told = [...this.#told.values()].flat();
    const all = [...new Set([...this.#candidates, ...this.#members, ...callers, ...told])];
    const text = all.join();
    if (text === this.#list) return;
    this.#list = text;
    this.#changed(all);
  }
}
