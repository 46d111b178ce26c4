/** The server's settings that matter here. Defaults are the agent's (`src/io/server/conf.ts`). */
import { Refusal } from './resp.ts';

const DEFAULTS: readonly (readonly [name: string, value: string])[] = [
  ['min-replicas-to-write', '0'],
  ['min-replicas-max-lag', '10'],
  ['repl-backlog-size', String(256 * 1024 * 1024)],
  ['repl-ping-replica-period', '10'],
  ['repl-timeout', '300'],
  ['repl-diskless-sync', 'yes'],
  ['repl-diskless-load', 'disabled'],
  ['replica-serve-stale-data', 'no'],
  ['replica-read-only', 'yes'],
  ['propagation-error-behavior', 'panic-on-replicas'],
  ['masteruser', ''],
  ['masterauth', ''],
  ['maxmemory', '0'],
  ['maxclients', '10000'],
  ['databases', '16'],
  ['port', '0'],
  ['timeout', '0'],
  ['save', ''],
  ['appendonly', 'no'],
];

const UNITS: Readonly<Record<string, number>> = { kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

export class Settings {
  readonly #values = new Map(DEFAULTS);
  /** Those that were read: some are with every command. */
  readonly #numbers = new Map<string, number>();

  constructor(overrides: Readonly<Record<string, string>>) {
    for (const [name, value] of Object.entries(overrides)) this.set([name, value]);
  }

  text(name: string): string {
    return this.#values.get(name) ?? '';
  }

  /** In plain units: `1mb` is 1048576. */
  number(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = plain(this.text(name));
      this.#numbers.set(name, number);
    }
    return number;
  }

  flag(name: string): boolean {
    return this.text(name) === 'yes';
  }

  /** All of them or none. */
  set(pairs: readonly string[]): void {
    for (let i = 0; i < pairs.length; i += 2) {
      const name = (pairs[i] ?? '').toLowerCase();
      if (this.#values.has(name)) continue;
      const what = 'Unknown option or number of arguments for CONFIG SET';
      throw new Refusal(`ERR ${what} - '${pairs[i]}'`);
    }
    this.#numbers.clear();
    for (let i = 0; i < pairs.length; i += 2) {
      const value = pairs[i + 1] ?? '';
      const isSize = /^[0-9]+(kb|mb|gb)$/i.test(value);
      this.#values.set((pairs[i] ?? '').toLowerCase(), isSize ? String(plain(value)) : value);
    }
  }

  /** Names and values in turn. `*` at the end stands for anything. */
  matching(pattern: string): string[] {
    const wanted = pattern.toLowerCase();
    const isMatch = (name: string): boolean =>
      wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : name === wanted;
    return [...this.#values].filter(([name]) => isMatch(name)).flat();
  }
}

function plain(text: string): number {
  const found = /^([0-9]+)(kb|mb|gb)?$/i.exec(text);
  return Number(found?.[1] ?? 0) * (UNITS[found?.[2]?.toLowerCase() ?? ''] ?? 1);
}
