/**
 * Follows a server as its replica: the capture on a leader, and the taking of snapshots.
 *
 * The dialogue is `facts/engine.md` §6.1: PING, AUTH, REPLCONF, PSYNC, one at a time, since the
 * server refuses PSYNC while an answer is outstanding. Only the capabilities `eof` and `psync2` are
 * announced: with others the server may change the form of the stream.
 *
 * Pure: bytes in, events out. After an `$EOF:` transfer the server starts its stream only on a
 * `REPLCONF ACK` that it reads after it has reaped its child, so that whoever drives this must
 * `acknowledge` about once a second, and not only once.
 */
import { assert } from '../../assert.ts';
import { encodeCommand } from '../resp/writer.ts';
import { type ReplOffset, replOffset } from '../scalars.ts';
import { LineReader } from './line-reader.ts';
import { RdbPayload } from './rdb-payload.ts';

export interface ReplicaOptions {
  readonly auth: { readonly user: string; readonly password: string } | null;
  /** Shown in the server's ROLE and INFO; tells our connections apart. */
  readonly listeningPort: number;
  /** From Valkey 9 the server picks the RDB version by it. Older ones answer an error: harmless. */
  readonly version: string | null;
  /** Only the RDB is wanted: the server does not count us as a replica (`facts/holes.md` H2 C). */
  readonly rdbOnly: boolean;
  /** What we hold already; null asks for everything. */
  readonly after: { readonly replid: string; readonly offset: ReplOffset } | null;
}

export type ReplicaEvent =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'continued'; readonly replid: string }
  | { readonly kind: 'fullResync'; readonly replid: string; readonly offset: ReplOffset }
  | { readonly kind: 'rdbBytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'rdbEnd' }
  | { readonly kind: 'stream'; readonly bytes: Uint8Array }
  /** Final. `isTransient`: the same may succeed later, the server was not ready. */
  | { readonly kind: 'refused'; readonly text: string; readonly isTransient: boolean };

type Step = 'ping' | 'auth' | 'port' | 'capa' | 'version' | 'rdbOnly' | 'psync';

/** Errors that mean "not now". */
const TRANSIENT = new Set(['LOADING', 'BUSY', 'NOMASTERLINK', 'MASTERDOWN', 'TRYAGAIN']);
/** PING before AUTH may be answered so: AUTH then decides. */
const NOT_YET_KNOWN = new Set(['NOAUTH', 'NOPERM']);

export class AsReplica {
  readonly #options: ReplicaOptions;
  readonly #steps: Step[];
  readonly #lines = new LineReader();
  #phase: 'handshake' | 'payload' | 'stream' | 'over' = 'handshake';
  #payload: RdbPayload | null = null;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#steps = ['ping'];
    if (options.auth !== null) this.#steps.push('auth');
    this.#steps.push('port', 'capa');
    if (options.version !== null) this.#steps.push('version');
    if (options.rdbOnly) this.#steps.push('rdbOnly');
    this.#steps.push('psync');
  }

  /** What to send first, as soon as the connection is there. */
  start(): ReplicaEvent[] {
    return [this.#ask()];
  }

  push(chunk: Uint8Array): ReplicaEvent[] {
    const events: ReplicaEvent[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#phase === 'over') break;
      if (this.#phase === 'stream') {
        events.push({ kind: 'stream', bytes: rest });
        break;
      }
      rest = this.#phase === 'payload' ? this.#receive(rest, events) : this.#converse(rest, events);
    }
    return events;
  }

  /** The command that tells the server how far we hold its stream. */
  acknowledge(offset: ReplOffset): Uint8Array {
    return encodeCommand(['REPLCONF', 'ACK', String(offset)]);
  }

  #ask(): ReplicaEvent {
    const step = this.#steps[0];
    assert(step !== undefined, 'the handshake asks only while steps are left');
    return { kind: 'send', bytes: encodeCommand(this.#words(step)) };
  }

  #words(step: Step): string[] {
    const { auth, listeningPort, version, after } = this.#options;
    switch (step) {
      case 'ping':
        return ['PING'];
      case 'auth':
        return ['AUTH', auth?.user ?? '', auth?.password ?? ''];
      case 'port':
        return ['REPLCONF', 'listening-port', String(listeningPort)];
      case 'capa':
        return ['REPLCONF', 'capa', 'eof', 'capa', 'psync2'];
      case 'version':
        return ['REPLCONF', 'version', version ?? ''];
      case 'rdbOnly':
        return ['REPLCONF', 'rdb-only', '1'];
      case 'psync':
        return after === null
          ? ['PSYNC', '?', '-1']
          : ['PSYNC', after.replid, String(after.offset + 1)];
    }
  }

  #converse(chunk: Uint8Array, events: ReplicaEvent[]): Uint8Array {
    const read = this.#lines.push(chunk);
    if (read.line === null) {
      if (read.isTooLong) events.push(this.#refuse('an answer without end', false));
      return read.rest;
    }
    // The server may send bare newlines while it prepares its answer.
    if (read.line !== '') events.push(...this.#answered(read.line));
    return read.rest;
  }

  #answered(line: string): ReplicaEvent[] {
    const step = this.#steps[0];
    if (step === 'psync') return [this.#synced(line)];
    if (line.startsWith('-')) {
      const code = line.slice(1).split(' ', 1)[0] ?? '';
      const isHarmless = step === 'version' || (step === 'ping' && NOT_YET_KNOWN.has(code));
      if (!isHarmless) return [this.#refuseBy(step, line)];
    } else if (!line.startsWith('+')) {
      return [this.#refuse(`unexpected answer to ${step}`, false)];
    }
    this.#steps.shift();
    return [this.#ask()];
  }

  #synced(line: string): ReplicaEvent {
    const [word, replid, offset] = line.split(' ');
    if (word === '+CONTINUE') {
      const held = this.#options.after?.replid;
      const continued = replid ?? held;
      if (held === undefined || continued === undefined || !isReplid(continued)) {
        return this.#refuse('a CONTINUE that names no history', false);
      }
      this.#phase = 'stream';
      return { kind: 'continued', replid: continued };
    }
    if (word === '+FULLRESYNC') {
      const at = Number(offset);
      if (replid === undefined || !isReplid(replid) || !Number.isSafeInteger(at) || at < 0) {
        return this.#refuse('a FULLRESYNC without id or offset', false);
      }
      this.#phase = 'payload';
      this.#payload = new RdbPayload();
      return { kind: 'fullResync', replid, offset: replOffset(at) };
    }
    return this.#refuseBy('psync', line);
  }

  #receive(chunk: Uint8Array, events: ReplicaEvent[]): Uint8Array {
    assert(this.#payload !== null, 'a payload is read after FULLRESYNC only');
    const read = this.#payload.push(chunk);
    for (const bytes of read.bytes) events.push({ kind: 'rdbBytes', bytes });
    if (read.failure !== null) {
      const isTransient = TRANSIENT.has(read.failure.slice(1).split(' ', 1)[0] ?? '');
      events.push(this.#refuse(`instead of the RDB: ${read.failure}`, isTransient));
    } else if (read.isOver) {
      this.#phase = 'stream';
      this.#payload = null;
      events.push({ kind: 'rdbEnd' });
    }
    return read.rest;
  }

  #refuseBy(step: Step | undefined, line: string): ReplicaEvent {
    const code = line.slice(1).split(' ', 1)[0] ?? '';
    return this.#refuse(`${step} was answered: ${line.slice(1)}`, TRANSIENT.has(code));
  }

  #refuse(text: string, isTransient: boolean): ReplicaEvent {
    this.#phase = 'over';
    return { kind: 'refused', text, isTransient };
  }
}

/** 40 hex digits. */
export function isReplid(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}
