export type ServerErrorCode =
  /** No server program was found, or the path given is none. */
  | 'SERVER_MISSING'
  | 'SERVER_TOO_OLD'
  /** One of the settings that people pass to it. */
  | 'SETTING_REFUSED'
  /** It did not start, or ended. */
  | 'SERVER_FAILED'
  /** It did not answer in time, or hung up on us. */
  | 'SERVER_SILENT'
  | 'SERVER_GONE';

/** The server let us down. Callers branch on `code`; the message says what and where. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly code: ServerErrorCode;

  constructor(code: ServerErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }
}
