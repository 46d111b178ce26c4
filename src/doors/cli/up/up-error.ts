/** Why `up` does not start, in words for the person who typed it. */
export class UpError extends Error {
  override readonly name = 'UpError';
}
