/** Bodies of HTTP answers, whole or line by line, each with its bound. */
import { DiscoveryError } from './errors.ts';

/** Throws a `DiscoveryError` beyond `bytesMax`. */
export async function textOf(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > bytesMax)
      throw new DiscoveryError('NOT_UNDERSTOOD', `the answer has more than ${bytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

/**
 * Whole lines as they come, without their ends, empty ones left out. What follows the last line end
 * is no line: the connection broke in the middle of it.
 */
export async function* linesOf(
  body: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncIterable<string> {
  let begun: Uint8Array[] = [];
  let begunBytes = 0;
  for await (const piece of body) {
    let from = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, from)) {
      const line = Buffer.concat([...begun, piece.subarray(from, end)]).toString();
      begun = [];
      begunBytes = 0;
      from = end + 1;
      if (line.trim() !== '') yield line;
    }
    begun.push(piece.subarray(from));
    begunBytes += piece.length - from;
    if (begunBytes > lineBytesMax)
      throw new DiscoveryError('NOT_UNDERSTOOD', `a line has more than ${lineBytesMax} bytes`);
  }
}
