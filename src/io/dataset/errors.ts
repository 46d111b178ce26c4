export type DatasetErrorCode =
  /** Nobody listens there, or it hung up. */
  | 'TARGET_UNREACHABLE'
  /** It was there, and has not served for too long. */
  | 'TARGET_SILENT'
  /** It answered with an error that does not pass. */
  | 'TARGET_REFUSED'
  /** The server that has loaded the files is gone. */
  | 'SOURCE_GONE'
  /** A file is not what it was, or a server cannot load it. */
  | 'SOURCE_DAMAGED'
  /** What was named is no data, or not there. */
  | 'SOURCE_REFUSED';

/** Data could not be brought from where they are to where they belong. */
export class DatasetError extends Error {
  override readonly name = 'DatasetError';
  readonly code: DatasetErrorCode;

  constructor(code: DatasetErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }
}
