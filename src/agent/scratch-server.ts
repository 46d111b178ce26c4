/**
 * A server of our own that loads what another server has kept, to be read and ended: `althing
 * restore` and `backup`. It is given links to the files, and a copy of the one that a server would
 * cut where its end is torn; so the files stay what they are, also when others replace them.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  constants,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatasetError } from '../io/dataset/errors.ts';
import { Source } from '../io/dataset/source.ts';
import { AGENT_USER } from '../io/server/conf.ts';
import { type ExistingPart, existingParts } from '../io/server/existing-data.ts';
import { type LocatedServer, locateServer } from '../io/server/locate.ts';
import { findSetpriv, ServerProcess } from '../io/server/process.ts';
import { SCRATCH_AOF } from '../io/server/scratch-conf.ts';
import { type DirectoryLock, lockDirectory } from '../io/storage/lock.ts';

const PREFIX = 'althing-scratch-';
/** Until it answers on its socket; it loads behind that. */
const START_MS_MAX = 30_000;
const LOOK_MS = 100;
/** `!!! Warning: short read while loading the AOF file …`, and how many bytes it leaves away. */
const CUT_OFF = /short read while loading|AOF loaded anyway|Truncating the AOF/;
/** Ways in which servers say that a file is not sound. */
const UNSOUND =
  /bad file format|internal error in RDB|short read|checksum|unexpected end|fatal|error reading/i;

export interface ScratchOptions {
  /** A directory or a file, of one server. */
  readonly path: string;
  readonly program: LocatedServer;
  /** In percent, while it loads. */
  readonly onLoading: (percent: number) => void;
  readonly signal: AbortSignal;
}

export interface FoundFunction {
  readonly name: string;
  readonly code: Buffer;
}

/** The program that loads files, found as nodes find theirs. */
export function scratchProgram(explicit: string | null): Promise<LocatedServer> {
  const { PATH = '', ALTHING_CACHE } = process.env;
  return locateServer({ explicit, path: PATH, cacheDir: ALTHING_CACHE ?? null });
}

export class ScratchServer {
  readonly source: Source;
  /** What it said of files that are cut off. */
  readonly notes: readonly string[];
  readonly #server: ServerProcess;
  readonly #directory: string;
  readonly #lock: DirectoryLock;

  private constructor(
    server: ServerProcess,
    directory: string,
    lock: DirectoryLock,
    source: Source,
    notes: readonly string[],
  ) {
    this.#server = server;
    this.#directory = directory;
    this.#lock = lock;
    this.source = source;
    this.notes = notes;
  }

  /** Resolves when all is loaded. Rejects with SOURCE_DAMAGED where a server cannot. */
  static async start(options: ScratchOptions): Promise<ScratchServer> {
    const path = resolve(options.path);
    const parts = await existingParts(path, options.program.flavor);
    await removeForsaken();
    const directory = await mkdtemp(join(tmpdir(), PREFIX));
    const locked = lockDirectory(directory);
    try {
      if (!locked.ok) throw locked.error;
      await layOut(parts, directory);
      return await started(options, directory, locked.lock);
    } catch (error) {
      if (locked.ok) locked.lock.release();
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  static of(
    server: ServerProcess,
    { directory, password, lock }: { directory: string; password: string; lock: DirectoryLock },
    notes: readonly string[],
  ): ScratchServer {
    const access = { user: AGENT_USER, password, tls: null };
    const source = new Source({ place: { path: server.socketPath }, access });
    return new ScratchServer(server, directory, lock, source, notes);
  }

  /** Database to the number of its keys, of those that have some. */
  async databases(): Promise<Map<number, number>> {
    const text = String(await this.source.ask(['INFO', 'keyspace']));
    const lines = text.matchAll(/^db(\d+):keys=(\d+)/gm);
    return new Map([...lines].map(([, database, keys]) => [Number(database), Number(keys)]));
  }

  async functions(): Promise<FoundFunction[]> {
    const libraries = await this.source.ask(['FUNCTION', 'LIST', 'WITHCODE']);
    return (libraries as readonly (readonly Buffer[])[]).map((fields) => {
      const after = (name: string): Buffer =>
        fields[fields.findIndex((field) => String(field) === name) + 1] as Buffer;
      return { name: String(after('library_name')), code: after('library_code') };
    });
  }

  /** Gone with all that it had. */
  async end(): Promise<void> {
    this.source.close();
    await this.#server.kill();
    this.#lock.release();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Of those that were killed: nobody holds their locks any more. */
async function removeForsaken(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const path = join(tmpdir(), name);
    if (!name.startsWith(PREFIX) || !existsSync(join(path, 'lock'))) continue;
    const locked = lockDirectory(path);
    if (!locked.ok) continue;
    await rm(path, { recursive: true, force: true });
    locked.lock.release();
  }
}

/** What it loads, as if it had written it itself: every server reads a manifest since 7.0. */
async function layOut(parts: readonly ExistingPart[], directory: string): Promise<void> {
  const to = join(directory, 'data', SCRATCH_AOF.directory);
  await mkdir(to, { recursive: true, mode: 0o700 });
  let manifest = '';
  for (const [i, part] of parts.entries()) {
    const name = nameFor(part.path, i);
    const isLast = i === parts.length - 1;
    if (isLast && !part.isRdb)
      await copyFile(part.path, join(to, name), constants.COPYFILE_FICLONE);
    else await linked(part.path, join(to, name));
    manifest += `file "${name}" seq ${i + 1} type ${part.isBase ? 'b' : 'i'}\n`;
  }
  await writeFile(join(to, `${SCRATCH_AOF.name}.manifest`), manifest);
}

/** Its own, since that is what a server calls it when it complains. */
function nameFor(path: string, i: number): string {
  const name = basename(path);
  return /^[\w.-]+$/.test(name) ? name : `part-${i}`;
}

/** On another file system a hard link cannot be; nothing is written through the other kind. */
async function linked(path: string, to: string): Promise<void> {
  await link(path, to).catch(() => symlink(path, to));
}

async function started(
  options: ScratchOptions,
  directory: string,
  lock: DirectoryLock,
): Promise<ScratchServer> {
  const { program, signal, path } = options;
  const password = randomBytes(24).toString('hex');
  const cutOff: string[] = [];
  const server = await ServerProcess.start(
    {
      program: program.path,
      conf: {
        runDir: join(directory, 'run'),
        scratchDir: join(directory, 'data'),
        agentPassword: password,
      },
      setpriv: await findSetpriv(),
      startMsMax: START_MS_MAX,
      onLine: (line) => {
        if (CUT_OFF.test(line)) cutOff.push(wordsOf(line));
      },
      onExit: () => undefined,
    },
    signal,
  ).catch((error: Error) => {
    throw unsound(path, error.message, error);
  });
  try {
    await loaded(server, options);
    return ScratchServer.of(server, { directory, password, lock }, cutOff);
  } catch (error) {
    await server.kill();
    throw error;
  }
}

/** `41:M 28 Nov 2026 05:00:00.000 # Words` without what is before the words. */
function wordsOf(line: string): string {
  return line.replace(/^\d+:\S \d+ \S+ \d+ \S+ [#*.-] /, '');
}

async function loaded(server: ServerProcess, options: ScratchOptions): Promise<void> {
  for (;;) {
    options.signal.throwIfAborted();
    if (server.exit !== null) throw unsound(options.path, server.exit.text);
    const admin = await server.admin().catch(() => null);
    const info = await admin?.info('persistence').catch(() => null);
    admin?.close();
    if (info?.isLoading === false) return;
    options.onLoading(Number(info?.fields.get('loading_loaded_perc') ?? 0));
    await sleep(LOOK_MS);
  }
}

function unsound(path: string, text: string, cause?: Error): DatasetError {
  const words = text
    .split(' | ')
    .map(wordsOf)
    .filter((line) => UNSOUND.test(line))
    .join(' | ');
  const why = words === '' ? text : words;
  return new DatasetError('SOURCE_DAMAGED', `${path} cannot be loaded: ${why}`, { cause });
}
