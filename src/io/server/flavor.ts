/** What differs between the servers we manage: Redis from 7.0, Valkey from 7.2. */

export interface Flavor {
  readonly product: 'redis' | 'valkey';
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** Oldest versions with multi-part propagation, `propagation-error-behavior` and ACL selectors. */
const OLDEST = { redis: { major: 7, minor: 0 }, valkey: { major: 7, minor: 2 } } as const;

/** Reads `--version`: `Redis server v=7.0.15 sha=…` or `Valkey server v=8.0.1 sha=…`. */
export function parseVersion(text: string): Flavor | null {
  const found = /^(Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)/m.exec(text);
  if (found === null) return null;
  return {
    product: found[1] === 'Redis' ? 'redis' : 'valkey',
    major: Number(found[2]),
    minor: Number(found[3]),
    patch: Number(found[4]),
  };
}

export function versionText(flavor: Flavor): string {
  return `${flavor.product} ${flavor.major}.${flavor.minor}.${flavor.patch}`;
}

/** Bare numbers, as `REPLCONF version` wants them. */
export function versionNumbers(flavor: Flavor): string {
  return `${flavor.major}.${flavor.minor}.${flavor.patch}`;
}

export function isSupported(flavor: Flavor): boolean {
  const { major, minor } = OLDEST[flavor.product];
  return isSince(flavor, major, minor);
}

export function oldestSupported(): string {
  const { redis, valkey } = OLDEST;
  return `redis ${redis.major}.${redis.minor} or valkey ${valkey.major}.${valkey.minor}`;
}

export function isSince(flavor: Flavor, major: number, minor: number): boolean {
  return flavor.major > major || (flavor.major === major && flavor.minor >= minor);
}

/** Directives that only some versions know; the others refuse to start with them. */
export function extraDirectives(flavor: Flavor): readonly string[] {
  if (flavor.product === 'valkey' && isSince(flavor, 8, 0)) {
    return ['dual-channel-replication-enabled no'];
  }
  if (flavor.product === 'redis' && isSince(flavor, 8, 0)) return ['repl-rdb-channel no'];
  return [];
}

/**
 * The newest RDB version that the server reads (`facts/engine.md` §6.8). One that it cannot read
 * empties it and still leaves it with the old id and offset (H3): check before feeding.
 */
export function rdbVersionMax(flavor: Flavor): number {
  if (flavor.product === 'valkey') return isSince(flavor, 9, 0) ? 80 : 11;
  if (!isSince(flavor, 7, 2)) return 10;
  return isSince(flavor, 7, 4) ? 12 : 11;
}
