/**
 * Hashes of keys added up into one number for all of them, in any order: of 32 bytes each, and no
 * key twice. Two sets of keys with one sum are the same set; nobody is defended against who would
 * make two on purpose.
 */
const BYTES = 32;
const SHOWN_BYTES = 16;

export class DigestSum {
  readonly #sum = Buffer.alloc(BYTES);

  add(hash: Uint8Array): void {
    let carry = 0;
    for (let i = BYTES - 1; i >= 0; i--) {
      carry += (this.#sum[i] as number) + (hash[i] as number);
      this.#sum[i] = carry & 0xff;
      carry >>= 8;
    }
  }

  /** 32 hex digits. */
  get text(): string {
    return this.#sum.toString('hex', 0, SHOWN_BYTES);
  }
}
