/**
 * What is wanted of a deployment: the declared spec, its bounds, and changes of it.
 *
 * Pure values. Who reads text (HTTP, flags, a log entry) comes in through `parseSpecChange`, so
 * that no spec exists which is not within its bounds.
 */

import { isReadsMode, READS_MODES, type ReadsMode } from '../reads-mode.ts';

/** By their names, as the server spells them. */
export type ServerSettings = Readonly<Record<string, string>>;

/** What only an eventual deployment has (`docs/decisions/0012`, `0015`). */
export interface EventualSpec {
  /**
   * Pieces that the keys are split into, 1 to SHARDS_MAX; absent: one. With more than one the
   * servers are a cluster. Of the founding is only whether they are.
   */
  readonly shards?: number;
  /**
   * A failover that would lose more bytes of the primary's history than so many, as far as is
   * known, waits for the primary or for somebody's order. Null: none waits.
   */
  readonly maxLostBytes: number | null;
  /**
   * The primary takes writes of clients while so many replicas follow it and are not ten seconds
   * late, 0 to REPLICAS_MAX.
   */
  readonly minReplicasToWrite: number;
}

export interface Spec {
  /** Copies of the data, or of each shard, beside the leader's. */
  readonly replicas: number;
  /** A member that nobody has seen for so long is replaced, or removed; null: never by itself. */
  readonly forgetAfterMs: number | null;
  /** Of reads that come in on a follower. */
  readonly reads: ReadsMode;
  /** Settings that all servers have alike, beside those that are the agent's. */
  readonly server: ServerSettings;
  /** Absent: the deployment is strong. Of the founding: neither becomes the other. */
  readonly eventual?: EventualSpec;
}

export type SpecChange = Partial<Omit<Spec, 'server' | 'eventual'>> & {
  /** Nothing where the deployment is strong. */
  readonly maxLostBytes?: number | null;
  /** Likewise. */
  readonly shards?: number;
  /** Likewise. */
  readonly minReplicasToWrite?: number;
  /** Null takes one out; those that are not named stay. */
  readonly server?: Readonly<Record<string, string | null>>;
};

/** As many nodes as a charter has. */
export const REPLICAS_MAX = 63;
/** Each has a node of its own, and of those there are at most NODES_MAX. */
export const SHARDS_MAX = 256;
/** Shorter than the time a node may need to start, it would replace whoever restarts. */
export const FORGET_AFTER_MS_MIN = 10_000;
export const FORGET_AFTER_MS_MAX = 365 * 24 * 3_600_000;
/** Longer than a machine's restart, or an upgrade of its system. */
export const FORGET_AFTER_MS_DEFAULT = 10 * 60_000;

/** A command with so many of such a size is within its own bound, whatever the letters are. */
export const SETTINGS_MAX = 64;
/** Longer than any name, and than any value that people write, of a server's setting. */
const SETTING_NAME = /^[a-z][a-z0-9-]{0,63}$/;
const SETTING_CHARS_MAX = 256;

export function specFounded(
  nodes: number,
  forgetAfterMs: number | null,
  told: Partial<Pick<Spec, 'replicas' | 'reads' | 'server' | 'eventual'>> = {},
): Spec {
  const { reads = 'leader', server = {}, eventual } = told;
  const replicas = told.replicas ?? Math.min(REPLICAS_MAX, nodes - 1);
  const spec = { replicas, forgetAfterMs, reads, server };
  return eventual === undefined ? spec : { ...spec, eventual };
}

export function isEventual(spec: Spec | null): boolean {
  return spec?.eventual !== undefined;
}

/** Its servers are a cluster. */
export function isSharded(spec: Spec | null): boolean {
  return shardsOf(spec?.eventual) > 1;
}

export function shardsOf(eventual: EventualSpec | null | undefined): number {
  return eventual?.shards ?? 1;
}

export function specChanged(spec: Spec, change: SpecChange): Spec {
  const { server = {}, maxLostBytes, minReplicasToWrite, shards, ...others } = change;
  const merged = Object.entries({ ...spec.server, ...server });
  const kept = merged.flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
  const next = { ...spec, ...others, server: Object.fromEntries(kept.toSorted()) };
  if (next.eventual === undefined) return next;
  const eventual = {
    ...next.eventual,
    ...(maxLostBytes === undefined ? {} : { maxLostBytes }),
    ...(minReplicasToWrite === undefined ? {} : { minReplicasToWrite }),
    ...(shards === undefined || shards === shardsOf(next.eventual) ? {} : { shards }),
  };
  return { ...next, eventual };
}

/** A change within the bounds, or what is wrong with it. */
export function parseSpecChange(value: unknown): SpecChange | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'a change of the spec is an object';
  const fields = value as Record<string, unknown>;
  const { replicas, forgetAfterMs, reads, server, ...ofEventual } = fields;
  const { maxLostBytes, minReplicasToWrite, shards, ...others } = ofEventual;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `the spec has no ${JSON.stringify(unknown)}`;
  if (replicas !== undefined && !isBetween(replicas, 0, REPLICAS_MAX))
    return `replicas is a number from 0 to ${REPLICAS_MAX}`;
  if (
    forgetAfterMs !== undefined &&
    forgetAfterMs !== null &&
    !isBetween(forgetAfterMs, FORGET_AFTER_MS_MIN, FORGET_AFTER_MS_MAX)
  )
    return 'forgetAfter is a time from 10s to 365d, or never';
  if (reads !== undefined && !isReadsMode(reads)) return `reads is ${READS_MODES.join(', ')}`;
  if (maxLostBytes !== undefined && !isBytesOrNull(maxLostBytes))
    return 'maxLostBytes is a number of bytes, or null for any';
  if (minReplicasToWrite !== undefined && !isBetween(minReplicasToWrite, 0, REPLICAS_MAX))
    return `minReplicasToWrite is a number from 0 to ${REPLICAS_MAX}`;
  if (shards !== undefined && !isBetween(shards, 1, SHARDS_MAX))
    return `shards is a number from 1 to ${SHARDS_MAX}`;
  const settings = server === undefined ? {} : settingsFrom(server);
  if (typeof settings === 'string') return settings;
  return {
    ...(replicas === undefined ? {} : { replicas }),
    ...(forgetAfterMs === undefined ? {} : { forgetAfterMs }),
    ...(reads === undefined ? {} : { reads }),
    ...(maxLostBytes === undefined ? {} : { maxLostBytes }),
    ...(minReplicasToWrite === undefined ? {} : { minReplicasToWrite }),
    ...(shards === undefined ? {} : { shards }),
    ...(server === undefined ? {} : { server: settings }),
  };
}

/** What a setting means is the server's to say; here is only that it is one, and its size. */
function settingsFrom(value: unknown): Record<string, string | null> | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'server is a map of settings';
  const settings = Object.entries(value);
  if (settings.length > SETTINGS_MAX) return `server has at most ${SETTINGS_MAX} settings`;
  for (const [name, text] of settings) {
    if (!SETTING_NAME.test(name)) return `server.${name.slice(0, 80)} is no name of a setting`;
    // Its value may be what nobody should see: it is not repeated.
    if (text !== null && !isSetting(text))
      return `server.${name} is one line of at most ${SETTING_CHARS_MAX} characters`;
  }
  return Object.fromEntries(settings);
}

/** A control character would begin another line, and with it another setting. */
function isSetting(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > SETTING_CHARS_MAX) return false;
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) < 0x20) return false;
  return true;
}

/** Null when it is none. */
export function parseSpec(value: unknown): Spec | null {
  if (typeof value !== 'object' || value === null) return null;
  const { eventual, ...rest } = value as Record<string, unknown>;
  const change = parseSpecChange(rest);
  if (typeof change === 'string' || isOfEventual(change)) return null;
  // One that was written before there was a choice of reads, or settings, has none.
  const { replicas, forgetAfterMs, reads = 'leader', server = {} } = change;
  if (replicas === undefined || forgetAfterMs === undefined) return null;
  if (Object.values(server).includes(null)) return null;
  const spec = { replicas, forgetAfterMs, reads, server: server as ServerSettings };
  if (eventual === undefined) return spec;
  // One that was written before writes could depend on replicas wants none.
  const fields = (eventual ?? {}) as Record<string, unknown>;
  const { maxLostBytes, minReplicasToWrite = 0, shards } = fields;
  if (!isBytesOrNull(maxLostBytes) || !isBetween(minReplicasToWrite, 0, REPLICAS_MAX)) return null;
  if (shards === undefined) return { ...spec, eventual: { maxLostBytes, minReplicasToWrite } };
  if (!isBetween(shards, 1, SHARDS_MAX)) return null;
  return { ...spec, eventual: { maxLostBytes, minReplicasToWrite, shards } };
}

/** It changes what only an eventual deployment has. */
export function isOfEventual({ maxLostBytes, minReplicasToWrite, shards }: SpecChange): boolean {
  return [maxLostBytes, minReplicasToWrite, shards].some((each) => each !== undefined);
}

function isBytesOrNull(value: unknown): value is number | null {
  return value === null || isBetween(value, 0, Number.MAX_SAFE_INTEGER);
}

function isBetween(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}
