/** What one thread tells of itself without a message: its counters, and the round that it wants. */
import { TwinPages } from './twin-pages.ts';

/** Numbers with names, as the pages have them: in the order in which they were named. */
export class Tally<K extends string> {
  readonly #names: readonly K[];
  readonly #pages: TwinPages;
  readonly #numbers: number[];

  static memory(names: readonly string[]): SharedArrayBuffer {
    return TwinPages.memory(names.length);
  }

  constructor(memory: SharedArrayBuffer, names: readonly K[]) {
    this.#names = names;
    this.#pages = new TwinPages(memory, names.length);
    this.#numbers = names.map(() => 0);
  }

  tell(numbers: Readonly<Record<K, number>>): void {
    for (let i = 0; i < this.#names.length; i++) this.#numbers[i] = numbers[this.#names[i] as K];
    this.#pages.publish(this.#numbers);
  }

  read(): Record<K, number> {
    this.#pages.read(this.#numbers);
    const entries = this.#names.map((name, i) => [name, this.#numbers[i]]);
    return Object.fromEntries(entries) as Record<K, number>;
  }
}
