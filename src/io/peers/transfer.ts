/** How a snapshot file is pulled from a peer, piece by piece. `position` is a byte of the file. */
export type TransferMessage =
  | {
      readonly kind: 'chunkWanted';
      readonly id: string;
      readonly position: number;
      readonly bytesMax: number;
    }
  | {
      readonly kind: 'chunk';
      readonly id: string;
      readonly position: number;
      readonly bytes: Uint8Array;
      readonly total: number;
    }
  /** The sender no longer has a file of this id. */
  | { readonly kind: 'chunkGone'; readonly id: string };
