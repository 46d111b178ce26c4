/** What was moved: how many keys of each type, and how many bytes as servers store them. */
export interface TypeTally {
  readonly keys: number;
  readonly bytes: number;
  /** The largest one. */
  readonly bytesMax: number;
}

export class Tally {
  readonly #types = new Map<string, TypeTally>();

  add(type: string, bytes: number): void {
    const known = this.#types.get(type) ?? { keys: 0, bytes: 0, bytesMax: 0 };
    this.#types.set(type, {
      keys: known.keys + 1,
      bytes: known.bytes + bytes,
      bytesMax: Math.max(known.bytesMax, bytes),
    });
  }

  /** Most keys first. */
  get types(): readonly (TypeTally & { readonly type: string })[] {
    return [...this.#types]
      .map(([type, tally]) => ({ type, ...tally }))
      .sort((a, b) => b.keys - a.keys || (a.type < b.type ? -1 : 1));
  }
}
