/** Answers peers that pull a snapshot file from this node. Keeps no state between chunks. */
import type { NodeId } from '../scalars.ts';
import type { TransferMessage } from './fetch.ts';

/** The snapshot files of this node. */
export interface SnapshotSource {
  /** `done(null, 0)` when there is no such file; else `bytesMax` bytes, or all up to its end. */
  read(
    id: string,
    position: number,
    bytesMax: number,
    done: (bytes: Uint8Array | null, total: number) => void,
  ): void;
}

export interface GiverOptions {
  readonly source: SnapshotSource;
  readonly send: (to: NodeId, message: TransferMessage) => void;
  /** The largest chunk given, whatever is asked for. */
  readonly chunkBytesMax: number;
  /** Reads under way; what is asked beyond is dropped, and asked for again. */
  readonly readsMax: number;
}

export class SnapshotGiver {
  readonly #o: GiverOptions;
  #reads = 0;

  constructor(options: GiverOptions) {
    this.#o = options;
  }

  received(from: NodeId, message: TransferMessage): void {
    if (message.kind !== 'chunkWanted') return;
    const { id, position } = message;
    if (this.#reads >= this.#o.readsMax || message.bytesMax <= 0) return;
    const bytesMax = Math.min(message.bytesMax, this.#o.chunkBytesMax);
    this.#reads++;
    this.#o.source.read(id, position, bytesMax, (bytes, total) => {
      this.#reads--;
      if (bytes === null) this.#o.send(from, { kind: 'chunkGone', id });
      else this.#o.send(from, { kind: 'chunk', id, position, bytes, total });
    });
  }
}
