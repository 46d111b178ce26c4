/**
 * Turns the stream of the leader's server into log entries: whole execution units, in order.
 *
 * One unit is never split over entries, so that half a transaction can never commit (H7). What came
 * in one chunk and ends there becomes one entry; a unit above `unitBytesMax` ends the reign.
 */
import { UnitCutter } from '../../core/psync/units.ts';
import { type ReplOffset, replOffset } from '../../core/scalars.ts';
import { encodeData } from './entry.ts';

export class Capture {
  readonly #units: UnitCutter;
  readonly #propose: (payload: Buffer) => void;
  #proposed: ReplOffset;

  constructor(from: ReplOffset, unitBytesMax: number, propose: (payload: Buffer) => void) {
    this.#units = new UnitCutter(unitBytesMax);
    this.#proposed = from;
    this.#propose = propose;
  }

  /** End of what was received, whole units or not. */
  get received(): ReplOffset {
    return replOffset(this.#proposed + this.#units.pendingBytes);
  }

  /** End of what was proposed. */
  get proposed(): ReplOffset {
    return this.#proposed;
  }

  /** Null, or in words why this stream cannot be logged. Of the chunk nothing is kept. */
  push(chunk: Buffer): string | null {
    const cut = this.#units.push(chunk);
    if (cut.kind === 'failed') return `${cut.code}: ${cut.text}`;
    if (cut.unitCount === 0) return null;
    const payload = encodeData(this.#proposed, cut.pieces, cut.byteCount);
    this.#proposed = replOffset(this.#proposed + cut.byteCount);
    this.#propose(payload);
    return null;
  }
}
