/** Requests on their way over one connection: in which piece of it each of them begins. */
import type { Asked } from './invariants.ts';
import type { RequestPiece } from './session.ts';

interface Launched {
  readonly begin: RequestPiece['begins'][number];
  /** Its first byte is the so manieth of the connection. */
  readonly at: number;
}

export class Launches {
  readonly #launched: Launched[] = [];
  #sentBytes = 0;
  #arrivedBytes = 0;

  /** `commands` of them begin in the next `bytes` bytes. */
  add(commands: number, asked: Asked, bytes: number): void {
    if (commands > 0) this.#launched.push({ begin: { commands, asked }, at: this.#sentBytes });
    this.#sentBytes += bytes;
  }

  /** So many more bytes have come to the node: which requests begin in them. */
  arrived(bytes: number): RequestPiece['begins'] {
    this.#arrivedBytes += bytes;
    const begins: RequestPiece['begins'][number][] = [];
    while ((this.#launched[0]?.at ?? this.#arrivedBytes) < this.#arrivedBytes)
      begins.push((this.#launched.shift() as Launched).begin);
    return begins;
  }
}
