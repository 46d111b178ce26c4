/**
 * Who this data directory is: one small file, readable by people, with a checksum in its first
 * line. Replaced as a whole; `done` comes when it is durable, so that the word (a signature, an
 * incarnation) never comes before the disk (`facts/holes.md` H9).
 *
 * Invariant: a directory id is made once, with the directory, and never changes.
 */
import { asBuffer } from '../../core/bytes.ts';
import {
  type Charter,
  importerOf,
  isDirectoryId,
  isName,
  parseCharter,
} from '../../core/charter/charter.ts';
import { isCount } from '../../core/scalars.ts';
import { StorageError } from './errors.ts';
import type { Disk, DiskDone } from './ports.ts';
import { createFile, readFile } from './whole-file.ts';

/** `removed`: this node was a member, and is to stay away until its directory is emptied. */
export type IdentityPhase = 'empty' | 'signed' | 'member' | 'joined' | 'removed';

export interface Identity {
  /** Of the deployment. */
  readonly name: string;
  /** Of this node. */
  readonly node: string;
  readonly directory: string;
  /** Raised by one at each start, before anybody hears of it. */
  readonly incarnation: number;
  /** Random names of the last starts, this one's last: peers know a copy by them. */
  readonly runs?: readonly string[];
  readonly phase: IdentityPhase;
  readonly charter: Charter | null;
  /** Empty until there is a charter. */
  readonly deployment: string;
  /** From then on a log that is not there is damage, not a new beginning. */
  readonly logCreated: boolean;
  /** Likewise of the control group's; absent where there was none yet. */
  readonly controlCreated?: boolean;
  /**
   * A recovery has begun and not ended: the directory's next id. What lies beside this file may be
   * of the deployment before or of the one that is being made, and nothing may run on it.
   */
  readonly recovering?: string;
  /** The last known directory and incarnation of each peer, by node name. */
  readonly peers: Readonly<Record<string, PeerIdentity>>;
}

export interface PeerIdentity {
  readonly directory: string;
  readonly incarnation: number;
  /** The process of that incarnation: the same incarnation in another is a copy. */
  readonly run?: string;
}

/** Of the file; all are read alike. */
type Format = 1 | 2 | 3;

/** A hundred peers need some ten kilobytes. */
const BYTES_MAX = 1024 * 1024;
const FIRST_LINE = /^althing identity (\d+) ([0-9a-f]{8})$/;
const PHASES: readonly string[] = ['empty', 'signed', 'member', 'joined', 'removed'];
/** What a joined node was called before nodes could join. */
const PHASE_COPY = 'copy';
const DIRECTORY_ID = /^[0-9a-f]{32}$/;

/** Yields null when there is no identity: the directory is new. */
export function loadIdentity(
  disk: Disk,
  path: string,
  done: (error: StorageError | null, identity: Identity | null) => void,
): void {
  readFile(disk, path, BYTES_MAX, (error, bytes) => {
    if (error !== null || bytes === null) return done(error, null);
    const text = asBuffer(bytes).toString('utf8');
    const lineEnd = text.indexOf('\n');
    const [, version, sum] = FIRST_LINE.exec(text.slice(0, Math.max(0, lineEnd))) ?? [];
    const fail = (why: string): void => {
      done(new StorageError('IDENTITY_DAMAGED', { path, text: why }), null);
    };
    if (version === undefined) return fail('the first line is not that of an identity');
    const body = text.slice(lineEnd + 1);
    const checksum = hex(disk.checksum(Buffer.from(body, 'utf8')));
    if (sum !== checksum) return fail('the checksum in the first line does not match the rest');
    if (!isFormat(Number(version))) {
      const why = `format ${version} was written by a newer version of this program`;
      return done(new StorageError('FORMAT_UNKNOWN', { path, text: why }), null);
    }
    const identity = parsed(body, Number(version));
    if (typeof identity === 'string') return fail(identity);
    done(null, identity);
  });
}

export function saveIdentity(disk: Disk, path: string, identity: Identity, done: DiskDone): void {
  const format = formatOf(identity);
  const body = Buffer.from(`${JSON.stringify({ format, ...identity }, null, 2)}\n`, 'utf8');
  const first = Buffer.from(`althing identity ${format} ${hex(disk.checksum(body))}\n`, 'utf8');
  createFile(disk, path, [first, body], (error, file) => {
    if (file === null) return done(error);
    file.close(done);
  });
}

/**
 * Higher where an earlier program would read another charter than was signed, and write that back:
 * it refuses the file. Only there, so that all others may still be started with it. 2: with rounds
 * and witnesses. 3: with data that are brought in.
 */
function formatOf({ charter }: Identity): Format {
  if (charter === null) return 1;
  if (importerOf(charter) !== null) return 3;
  return charter.round > 1 || charter.members.some(({ witness }) => witness === true) ? 2 : 1;
}

function isFormat(value: unknown): value is Format {
  return value === 1 || value === 2 || value === 3;
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, '0');
}

/** The checksum is of the body only: the format stands there, too. */
function parsed(body: string, format: number): Identity | string {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    if (cause instanceof SyntaxError) return 'not JSON after the first line';
    throw cause;
  }
  if ((value as { format?: unknown } | null)?.format !== format)
    return 'the format in the first line is not that of the rest';
  return validateIdentity(value);
}

/** The identity, or what is wrong with it. */
export function validateIdentity(value: unknown): Identity | string {
  if (typeof value !== 'object' || value === null) return 'not an object';
  const {
    format,
    name,
    node,
    directory,
    incarnation,
    runs,
    charter,
    deployment,
    logCreated,
    controlCreated,
    recovering,
    peers,
  } = value as Readonly<Record<string, unknown>>;
  const { phase: written } = value as Readonly<Record<string, unknown>>;
  const phase = written === PHASE_COPY ? 'joined' : written;
  if (!isFormat(format)) return '`format` is none of 1, 2 and 3';
  if (!isName(name)) return '`name` is not a name';
  if (!isName(node)) return '`node` is not a name';
  if (!isDirectory(directory)) return '`directory` is not 32 hex digits';
  if (!isCount(incarnation)) return '`incarnation` is not a count';
  if (runs !== undefined && !isTexts(runs)) return '`runs` are not names';
  if (!isPhase(phase)) return `\`phase\` is not one of ${PHASES.join(', ')}`;
  const sound = charter === null ? null : parseCharter(charter);
  if (sound === null && charter !== null) return '`charter` is not a charter';
  if (sound === null && phase !== 'empty') return `no \`charter\`, but the phase is ${phase}`;
  if (typeof deployment !== 'string') return '`deployment` is not text';
  if (typeof logCreated !== 'boolean') return '`logCreated` is not true or false';
  if (controlCreated !== undefined && typeof controlCreated !== 'boolean')
    return '`controlCreated` is not true or false';
  if (recovering !== undefined && !isDirectory(recovering))
    return '`recovering` is not 32 hex digits';
  const knownPeers = parsePeers(peers);
  if (knownPeers === null) return '`peers` are not directories and incarnations by name';
  return {
    name,
    node,
    directory,
    incarnation,
    ...(runs === undefined ? {} : { runs }),
    phase,
    charter: sound,
    deployment,
    logCreated,
    ...(controlCreated === undefined ? {} : { controlCreated }),
    ...(recovering === undefined ? {} : { recovering }),
    peers: knownPeers,
  };
}

function isDirectory(value: unknown): value is string {
  return typeof value === 'string' && DIRECTORY_ID.test(value);
}

function parsePeers(value: unknown): Record<string, PeerIdentity> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const peers: Record<string, PeerIdentity> = {};
  for (const [node, peer] of Object.entries(value)) {
    if (typeof peer !== 'object' || peer === null) return null;
    const { directory, incarnation, run } = peer as Readonly<Record<string, unknown>>;
    if (!isName(node) || !isDirectoryId(directory) || !isCount(incarnation)) return null;
    if (run !== undefined && typeof run !== 'string') return null;
    peers[node] = { directory, incarnation, ...(run === undefined ? {} : { run }) };
  }
  return peers;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

function isPhase(value: unknown): value is IdentityPhase {
  return typeof value === 'string' && PHASES.includes(value);
}
