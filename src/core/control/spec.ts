/**
 * What is wanted of a deployment: the declared spec, its bounds, and changes of it.
 *
 * Pure values. Who reads text (HTTP, flags, a log entry) comes in through `parseSpecChange`, so
 * that no spec exists which is not within its bounds.
 */

import { isReadsMode, READS_MODES, type ReadsMode } from '../reads-mode.ts';

/** By their names, as the server spells them. */
export type ServerSettings = Readonly<Record<string, string>>;

export interface Spec {
  /** Copies of the data beside the leader's: the data group has one voter more. */
  readonly replicas: number;
  /** A member that nobody has seen for so long is replaced, or removed; null: never by itself. */
  readonly forgetAfterMs: number | null;
  /** Of reads that come in on a follower. */
  readonly reads: ReadsMode;
  /** Settings that all servers have alike, beside those that are the agent's. */
  readonly server: ServerSettings;
}

export type SpecChange = Partial<Omit<Spec, 'server'>> & {
  /** Null takes one out; those that are not named stay. */
  readonly server?: Readonly<Record<string, string | null>>;
};

/** As many nodes as a charter has. */
export const REPLICAS_MAX = 63;
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
  { reads = 'leader', server = {} }: Partial<Pick<Spec, 'reads' | 'server'>> = {},
): Spec {
  return { replicas: Math.min(REPLICAS_MAX, nodes - 1), forgetAfterMs, reads, server };
}

export function specChanged(spec: Spec, { server = {}, ...others }: SpecChange): Spec {
  const merged = Object.entries({ ...spec.server, ...server });
  const kept = merged.flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
  return { ...spec, ...others, server: Object.fromEntries(kept.toSorted()) };
}

/** A change within the bounds, or what is wrong with it. */
export function parseSpecChange(value: unknown): SpecChange | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'a change of the spec is an object';
  const { replicas, forgetAfterMs, reads, server, ...others } = value as Record<string, unknown>;
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
  const settings = server === undefined ? {} : settingsFrom(server);
  if (typeof settings === 'string') return settings;
  return {
    ...(replicas === undefined ? {} : { replicas }),
    ...(forgetAfterMs === undefined ? {} : { forgetAfterMs }),
    ...(reads === undefined ? {} : { reads }),
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
  const change = parseSpecChange(value);
  if (typeof change === 'string') return null;
  // One that was written before there was a choice of reads, or settings, has none.
  const { replicas, forgetAfterMs, reads = 'leader', server = {} } = change;
  if (replicas === undefined || forgetAfterMs === undefined) return null;
  if (Object.values(server).includes(null)) return null;
  return { replicas, forgetAfterMs, reads, server: server as ServerSettings };
}

function isBetween(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}
