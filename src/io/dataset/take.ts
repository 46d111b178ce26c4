/**
 * A server's RDB into a file, as a replica gets it: the server says at which offset of which
 * history it is, and makes it while clients go on. It is asked for the RDB alone, so that the
 * server does not count us as a replica.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AsReplica, type ReplicaEvent } from '../../core/psync/as-replica.ts';
import { DatasetError } from './errors.ts';
import type { Access } from './pipe.ts';
import { type Address, nameOf } from './target.ts';

/** A server forks and writes before it sends: with much data it says nothing but newlines. */
const SILENT_MS_MAX = 120_000;
/** Shown in the server's own lists. */
const LISTENING_PORT = 0;

export interface Taken {
  readonly replid: string;
  readonly offset: number;
  readonly bytes: number;
  readonly sha256: string;
}

export interface TakeOptions {
  readonly from: Address;
  readonly access: Access;
  /** Made anew, and on disk when it is done. */
  readonly path: string;
  /** Of who will load it: `7.0.15`. */
  readonly version: string;
  readonly signal: AbortSignal;
}

/** Rejects with `DatasetError`, and leaves a part of the file. */
export async function takeRdb(options: TakeOptions): Promise<Taken> {
  const file = await open(options.path, 'wx', 0o600);
  const { from, access, signal } = options;
  const { host, port } = from;
  const socket =
    access.tls === null ? connect(port, host) : connectTls({ ...access.tls, host, port });
  const stop = (): void => void socket.destroy(new Error('interrupted'));
  signal.addEventListener('abort', stop, { once: true });
  socket.setTimeout(SILENT_MS_MAX, () => socket.destroy(new Error('it says nothing more')));
  try {
    return await new Taking(options, file).run(socket);
  } catch (cause) {
    if (cause instanceof DatasetError) throw cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new DatasetError('TARGET_UNREACHABLE', `${nameOf(from)}: ${text}`, { cause });
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
    await file.close();
  }
}

class Taking {
  readonly #options: TakeOptions;
  readonly #file: FileHandle;
  readonly #sum = createHash('sha256');
  #bytes = 0;
  #place: { readonly replid: string; readonly offset: number } | null = null;
  #isWhole = false;

  constructor(options: TakeOptions, file: FileHandle) {
    this.#options = options;
    this.#file = file;
  }

  async run(socket: Socket): Promise<Taken> {
    const { access, version } = this.#options;
    const auth =
      access.password === '' ? null : { user: access.user || 'default', password: access.password };
    const replica = new AsReplica({
      ...{ auth, version, listeningPort: LISTENING_PORT, rdbOnly: true, after: null },
    });
    await once(socket, access.tls === null ? 'connect' : 'secureConnect');
    const send = (events: readonly ReplicaEvent[]): void => {
      for (const event of events) if (event.kind === 'send') socket.write(event.bytes);
    };
    send(replica.start());
    // One chunk at a time: what the disk has not taken yet is not read.
    for await (const chunk of socket) {
      const events = replica.push(chunk as Buffer);
      send(events);
      for (const event of events) await this.#take(event);
      if (this.#isWhole) break;
    }
    const place = this.#place;
    if (place === null || !this.#isWhole)
      throw new DatasetError('TARGET_REFUSED', `${this.#where} hung up before all had come`);
    await this.#file.sync();
    return { ...place, bytes: this.#bytes, sha256: this.#sum.digest('hex') };
  }

  get #where(): string {
    return nameOf(this.#options.from);
  }

  async #take(event: ReplicaEvent): Promise<void> {
    switch (event.kind) {
      case 'send':
        return;
      case 'fullResync':
        this.#place = { replid: event.replid, offset: event.offset };
        return;
      case 'rdbBytes':
        this.#sum.update(event.bytes);
        await this.#file.writeFile(event.bytes);
        this.#bytes += event.bytes.length;
        return;
      case 'rdbEnd':
        this.#isWhole = true;
        return;
      case 'refused':
        throw new DatasetError('TARGET_REFUSED', `${this.#where}: ${event.text}`);
      default:
        throw new DatasetError('TARGET_REFUSED', `${this.#where} answers with ${event.kind}`);
    }
  }
}
