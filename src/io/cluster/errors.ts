export type ClusterErrorCode =
  /** Nobody listens there, or it hung up. */
  | 'NODE_UNREACHABLE'
  /** It did not answer in time. */
  | 'NODE_SILENT'
  /** It cannot serve yet: it loads, or has not heard from enough others. */
  | 'NODE_STARTING'
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
    return PASSING.includes(this.code);
  }
}

const PASSING: readonly ClusterErrorCode[] = ['NODE_UNREACHABLE', 'NODE_SILENT', 'NODE_STARTING'];
/** Alone, or as what the other side of a MIGRATE answered. */
const NOT_YET = /\b(CLUSTERDOWN|LOADING|MASTERDOWN|NOREPLICAS|TRYAGAIN)\b/;

/** For an error reply, in its words. */
export function refusal(detail: string): ClusterError {
  return new ClusterError(NOT_YET.test(detail) ? 'NODE_STARTING' : 'NODE_REFUSED', detail);
}
