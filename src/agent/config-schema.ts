/** The shape of each setting: text from a flag, a variable or a file to a checked value. */
import { z } from 'zod';
import { CHARTER_MEMBERS_MAX } from '../core/charter/charter.ts';
import {
  FORGET_AFTER_MS_MAX,
  FORGET_AFTER_MS_MIN,
  REPLICAS_MAX,
  SHARDS_MAX,
} from '../core/control/spec.ts';
import { READS_MODES } from '../core/reads-mode.ts';
import { parseBytes } from '../doors/bytes.ts';
import { parseDuration } from '../doors/durations.ts';
import { parseHost } from '../io/discovery/address.ts';
import { parseSources } from '../io/discovery/specification.ts';
import { LIMITS } from './limits.ts';

/** Smaller, every few commands would start a snapshot. */
const LOG_LIMIT_BYTES_MIN = 32 * 1024;
/** Raft majorities beyond this make no sense, and every node holds a connection to every other. */
const PEERS_MAX = 64;

/** YAML gives a number where a person wrote digits. */
const text = z.union([z.string(), z.number()]).transform(String);

const name = text.refine((s) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(s));
const path = z.string().refine((s) => s !== '' && !s.includes('\0'));
const port = text
  .refine((s) => /^\d{1,5}$/.test(s))
  .transform(Number)
  .refine((n) => n >= 1 && n <= 65_535);

/** `none` switches it off. */
function orNone<T extends z.ZodType>(schema: T) {
  return z.union([z.literal('none').transform(() => null), schema]);
}

/** `host:port`, an IPv6 host in brackets. */
export function parseAddress(given: string): { host: string; port: number } | null {
  const [, hostText = '', portText = ''] = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(given) ?? [];
  const host = parseHost(hostText);
  const number = Number(portText);
  if (host === null || number < 1 || number > 65_535) return null;
  return { host, port: number };
}

const host = z
  .string()
  .transform((s) => parseHost(s))
  .refine((s) => s !== null);

const address = z
  .string()
  .transform((s) => parseAddress(s.trim()))
  .refine((parsed) => parsed !== null)
  .transform((parsed) => `${parsed.host}:${parsed.port}`);

const peers = z
  .union([z.string().transform((s) => s.split(',')), z.array(z.string())])
  .pipe(z.array(address).min(1).max(PEERS_MAX));

/** Any port does: this is about what is written. */
const ANY_PORT = 1;

const discover = z
  .union([z.string().transform((s) => [s]), z.array(z.string())])
  .refine((lines) => parseSources(lines, ANY_PORT).ok);

/** Said in its own words: a list of sources goes wrong in many ways. */
function aboutSources(given: unknown): { readonly text: string; readonly todo: string } | null {
  const lines = z.union([z.string(), z.array(z.string())]).safeParse(given);
  if (!lines.success) return null;
  const parsed = parseSources(lines.data, ANY_PORT);
  return parsed.ok ? null : { text: parsed.text, todo: parsed.todo };
}

const expect = text
  .refine((s) => /^\d{1,2}$/.test(s))
  .transform(Number)
  .refine((n) => n >= 1 && n <= CHARTER_MEMBERS_MAX);

const logLimit = text
  .transform((s) => parseBytes(s))
  .refine((n) => n !== null)
  .refine((n) => n >= LOG_LIMIT_BYTES_MIN);

const yesOrNo = z
  .union([z.boolean(), z.enum(['yes', 'no', 'true', 'false'])])
  .transform((given) => given === true || given === 'yes' || given === 'true');

const forgetAfter = text.transform((s, context) => {
  if (s === 'never') return null;
  const ms = parseDuration(s);
  if (ms !== null && ms >= FORGET_AFTER_MS_MIN && ms <= FORGET_AFTER_MS_MAX) return ms;
  context.addIssue('not a time within the bounds');
  return z.NEVER;
});

/** Of bytes; `any` is no bound. */
const bytesOrAny = text.transform((s, context) => {
  if (s === 'any') return null;
  const bytes = parseBytes(s);
  if (bytes !== null) return bytes;
  context.addIssue('not a size');
  return z.NEVER;
});

const replicas = text
  .refine((s) => /^\d{1,2}$/.test(s))
  .transform(Number)
  .refine((n) => n <= REPLICAS_MAX);

const shards = text
  .refine((s) => /^\d{1,3}$/.test(s))
  .transform(Number)
  .refine((n) => n >= 1 && n <= SHARDS_MAX);

const PRIORITY_MAX = 1_000;

const priority = text
  .refine((s) => /^\d{1,4}$/.test(s))
  .transform(Number)
  .refine((n) => n <= PRIORITY_MAX);

const logLevel = z
  .string()
  .transform((s) => s.toLowerCase())
  .pipe(z.enum(['debug', 'info', 'warn', 'error']));

const relayThreads = text
  .refine((s) => s === 'auto' || /^\d{1,2}$/.test(s))
  .transform((s) => (s === 'auto' ? s : Number(s)))
  .refine((n) => n === 'auto' || n <= LIMITS.relayThreadsMax);

/** What is wrong with a value, better than `isNot` says it; null: it cannot be told. */
type Explain = (given: unknown) => { readonly text: string; readonly todo: string } | null;

function shape<T extends z.ZodType>(
  schema: T,
  isNot: string,
  todo: string,
  explain: Explain = () => null,
) {
  return { schema, isNot, todo, explain };
}

const NAME = 'start with a letter or digit, then letters, digits, ".", "_", "-", at most 63';
const PORT = 'give a number from 1 to 65535';

/** Each setting: its schema, what a bad value is not, and what to write instead. */
export const SHAPES = {
  name: shape(name, 'not a name', NAME),
  consistency: shape(
    z.enum(['strong', 'eventual']),
    'no consistency',
    'give strong or eventual, the same on all nodes',
  ),
  shards: shape(shards, 'not a number of shards', `give 1 to ${SHARDS_MAX}`),
  replicas: shape(replicas, 'not a number', `give 0 to ${REPLICAS_MAX}`),
  'bus-port': shape(port, 'not a port', PORT),
  'max-lost-bytes': shape(bytesOrAny, 'not a size', 'give a size, for example 1mb, or any'),
  'min-replicas-to-write': shape(replicas, 'not a number', `give 0 to ${REPLICAS_MAX}`),
  'primary-port': shape(port, 'not a port', PORT),
  'import-data': shape(path, 'not a path', 'give the directory or the file that has the data'),
  priority: shape(priority, 'not a priority', `give 0 to ${PRIORITY_MAX}`),
  node: shape(name, 'not a name', NAME),
  dir: shape(path, 'not a path', 'give a directory'),
  peers: shape(
    peers,
    'not a list of addresses',
    `give host:port,host:port,… (IPv6 in brackets), at most ${PEERS_MAX}`,
  ),
  discover: shape(discover, 'no list of sources', 'give text, or a list of it', aboutSources),
  expect: shape(expect, 'not a number of nodes', `give 1 to ${CHARTER_MEMBERS_MAX}`),
  port: shape(port, 'not a port', PORT),
  'peer-port': shape(port, 'not a port', PORT),
  'http-port': shape(port, 'not a port', PORT),
  'local-port': shape(port, 'not a port', PORT),
  'sentinel-port': shape(orNone(port), 'not a port', `${PORT}, or none`),
  'sentinel-alias': shape(orNone(name), 'not a name', `${NAME}; or none`),
  bind: shape(host, 'not an address', 'give one address of this machine without a port'),
  announce: shape(host, 'not a host', 'give a host name or address without a port'),
  'secret-file': shape(path, 'not a path', 'give a file'),
  'password-file': shape(path, 'not a path', 'give a file'),
  'users-file': shape(path, 'not a path', 'give a file'),
  'server-path': shape(path, 'not a path', 'give the path of redis-server or valkey-server'),
  'log-limit': shape(logLimit, 'not a size', 'give at least 32kb, for example 64mb'),
  'lease-reads': shape(yesOrNo, 'neither yes nor no', 'give yes or no, the same on all nodes'),
  join: shape(yesOrNo, 'neither yes nor no', 'give yes or no, or nothing after it for yes'),
  ephemeral: shape(yesOrNo, 'neither yes nor no', 'give yes or no, or nothing after it for yes'),
  witness: shape(yesOrNo, 'neither yes nor no', 'give yes or no, or nothing after it for yes'),
  zone: shape(name, 'not a name', NAME),
  'forget-after': shape(forgetAfter, 'not a time', 'give 10s to 365d, for example 10m, or never'),
  reads: shape(z.enum(READS_MODES), 'no way to read', `give ${READS_MODES.join(', ')}`),
  'relay-threads': shape(
    relayThreads,
    'not a number of threads',
    `give 0 to ${LIMITS.relayThreadsMax}, or auto`,
  ),
  'log-level': shape(logLevel, 'not a level', 'give debug, info, warn or error'),
} as const;

export type SettingValues = {
  -readonly [K in keyof typeof SHAPES]?: z.output<(typeof SHAPES)[K]['schema']>;
};

/** Longer than any value that a server's setting takes. */
const SERVER_VALUE_LENGTH_MAX = 4096;

/** A value of the `server:` map as the server's configuration spells it; null when it cannot be. */
export function serverValue(given: unknown): string | null {
  if (typeof given === 'boolean') return given ? 'yes' : 'no';
  if (typeof given === 'number') return String(given);
  return typeof given === 'string' && given.length <= SERVER_VALUE_LENGTH_MAX ? given : null;
}
