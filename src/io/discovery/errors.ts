export type DiscoveryErrorCode =
  /** Nobody answered, or not in time. */
  | 'NO_ANSWER'
  /** The answer was no. */
  | 'REFUSED'
  /** The answer is not what was asked for. */
  | 'NOT_UNDERSTOOD'
  /** What the question needs is not on this machine. */
  | 'NOT_HERE';

/** A source let us down; it is asked again. The message is for people, in the status. */
export class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError';
  readonly code: DiscoveryErrorCode;

  constructor(code: DiscoveryErrorCode, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
  }
}
