/** Replies that wait for their client, without what was read together with them. */

/** Of a larger buffer a smaller part than this is copied. */
const PINNED_PART = 2;

/** A few bytes of what a lane has read for many would keep all of it in memory. */
export function unpinned(bytes: Buffer): Buffer {
  if (bytes.length * PINNED_PART > bytes.buffer.byteLength) return bytes;
  // Not from the pool: that too would be kept for the sake of a few bytes.
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
