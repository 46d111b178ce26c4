/** Numbers and strings inside a frame: big-endian, every length checked. Pure. */
import { assert } from '../../assert.ts';
import { ProtocolError } from './frame-reader.ts';

const TWO_POW_32 = 2 ** 32;
const TWO_POW_21 = 2 ** 21;
const FIRST_BYTES = 128;

/** Grows as needed; meant for the small part of a frame that stands before the payloads. */
export class FrameWriter {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #at = 0;

  u8(n: number): this {
    this.#room(1);
    this.#bytes[this.#at] = n;
    this.#at += 1;
    return this;
  }

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u32(n: number): this {
    this.#room(4);
    this.#at = this.#bytes.writeUInt32BE(n, this.#at);
    return this;
  }

  /** A safe integer, in eight bytes. */
  count(n: number): this {
    assert(Number.isSafeInteger(n) && n >= 0, 'counts on the wire are safe integers');
    return this.u32(Math.floor(n / TWO_POW_32)).u32(n % TWO_POW_32);
  }

  /** u32 length and UTF-8. */
  text(value: string): this {
    const bytes = Buffer.byteLength(value);
    this.u32(bytes);
    this.#room(bytes);
    this.#at += this.#bytes.write(value, this.#at);
    return this;
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #room(bytes: number): void {
    const need = this.#at + bytes;
    if (need <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(need, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

/** Every method throws ProtocolError where the bytes end too early or make no sense. */
export class FrameParser {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get bytesLeft(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#skip(1));
  }

  flag(): boolean {
    const n = this.u8();
    if (n > 1) throw new ProtocolError(`a flag of ${n}`);
    return n === 1;
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#skip(4));
  }

  count(): number {
    const high = this.u32();
    if (high >= TWO_POW_21) throw new ProtocolError('a count beyond the safe integers');
    return high * TWO_POW_32 + this.u32();
  }

  text(bytesMax: number): string {
    const bytes = this.u32();
    if (bytes > bytesMax) throw new ProtocolError(`a text of ${bytes} bytes`);
    const at = this.#skip(bytes);
    return this.#bytes.toString('utf8', at, at + bytes);
  }

  /** A view. */
  view(bytes: number): Buffer {
    const at = this.#skip(bytes);
    return this.#bytes.subarray(at, at + bytes);
  }

  end(): void {
    if (this.bytesLeft !== 0) throw new ProtocolError(`${this.bytesLeft} bytes after the message`);
  }

  #skip(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#bytes.length - at) throw new ProtocolError('a message that ends too early');
    this.#at = at + bytes;
    return at;
  }
}
