/**
 * Counts RESP2 replies without keeping them: simple lines and bulk strings, which is all that SET
 * and GET answer with. Bodies are skipped by their length.
 */

export type ReplyKind = 'ok' | 'missing' | 'refused';

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const PLUS = 43;
const MINUS = 45;
const COLON = 58;
/** Of the first refusal, for the person who asks why. */
const WORDS_MAX = 200;

export class ReplyCounter {
  firstRefusal = '';
  readonly #onReply: (kind: ReplyKind) => void;
  /** First byte of the line being read; 0 between replies. */
  #type = 0;
  #length = 0;
  #isNegative = false;
  #words = '';
  /** Of a bulk string: what is still to come, its line end included. */
  #skip = 0;

  constructor(onReply: (kind: ReplyKind) => void) {
    this.#onReply = onReply;
  }

  take(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const size = Math.min(this.#skip, bytes.length - at);
        this.#skip -= size;
        at += size;
        if (this.#skip === 0) this.#onReply('ok');
        continue;
      }
      this.#takeByte(bytes[at] ?? 0);
      at += 1;
    }
  }

  #takeByte(byte: number): void {
    if (this.#type === 0) {
      if (byte !== PLUS && byte !== MINUS && byte !== DOLLAR && byte !== COLON)
        throw new Error(`a reply begins with byte ${byte}`);
      this.#type = byte;
      this.#length = 0;
      this.#isNegative = false;
      return;
    }
    if (byte === LF) this.#endLine();
    else if (byte === CR) return;
    else if (this.#type === DOLLAR && byte === MINUS) this.#isNegative = true;
    else if (this.#type === DOLLAR) this.#length = this.#length * 10 + byte - 48;
    else if (this.#type === MINUS && this.firstRefusal === '' && this.#words.length < WORDS_MAX)
      this.#words += String.fromCharCode(byte);
  }

  #endLine(): void {
    const type = this.#type;
    this.#type = 0;
    if (type === MINUS) {
      if (this.firstRefusal === '') this.firstRefusal = this.#words;
      this.#onReply('refused');
    } else if (type !== DOLLAR) {
      this.#onReply('ok');
    } else if (this.#isNegative) {
      this.#onReply('missing');
    } else {
      this.#skip = this.#length + 2;
    }
  }
}
