export type ClusterErrorCode =
  /** Nobody listens there, or it hung up. */
  | 'NODE_UNREACHABLE'
  /** It did not answer in time. */
  | 'NODE_SILENT'
  /** It answered with an error. */
  | 'NODE_REFUSED'
  /** What answers is no server of a cluster. */
  | 'NOT_A_CLUSTER'
  /** Nodes did not come to agree in time. */
  | 'NO_AGREEMENT'
  /** A key is on both sides with two values. */
  | 'KEY_TWICE';

/** A node of a cluster let us down. Callers branch on `code`; the message says who and what. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError';
  readonly code: ClusterErrorCode;

  constructor(code: ClusterErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }

  /** The node may be back in a moment. */
  get mayPass(): boolean {
    return this.code === 'NODE_UNREACHABLE' || this.code === 'NODE_SILENT';
  }
}
