/**
 * The server as a replica: the connection to its primary, what it asks for, and the stream that it
 * executes.
 *
 * The position moves at the end of a command outside MULTI only, so that a transaction that was
 * cut off is asked for again from before its MULTI (`facts/engine.md` §6.3).
 */
import { Client } from './client.ts';
import type { Engine } from './engine.ts';
import { loadRdb } from './rdb.ts';
import { bulks } from './resp.ts';

/** A connection that the server made. */
export interface Outgoing {
  write(bytes: Buffer): void;
  close(): void;
}

export type Dial = (
  port: number,
  onBytes: (bytes: Buffer) => void,
  onClosed: () => void,
) => Outgoing;

type Step = 'connect' | 'ping' | 'setup' | 'psync' | 'header' | 'payload' | 'stream';

/** What a primary was, to be continued after a break. */
interface Past {
  readonly replid: string;
  readonly offset: number;
  readonly db: number;
}

const LINE_BYTES_MAX = 1024;

export class PrimaryLink {
  readonly #engine: Engine;
  readonly #dial: Dial;
  #address: { readonly host: string; readonly port: number } | null = null;
  #step: Step = 'connect';
  #wire: Outgoing | null = null;
  /** Counts connections: what an earlier one brings is late. */
  #attempt = 0;
  #past: Past | null = null;
  #text = '';
  #answersLeft = 0;
  #announced: { readonly replid: string; readonly offset: number } | null = null;
  #payload: Buffer[] = [];
  #payloadLeft = 0;
  #mark: Buffer | null = null;
  #client: Client;
  /** Read, and not applied: what is inside an open MULTI, and what is no whole command. */
  #unapplied: Buffer = Buffer.alloc(0);
  #appliedBytes = 0;
  #heardAtMs = 0;

  constructor(engine: Engine, dial: Dial) {
    this.#engine = engine;
    this.#dial = dial;
    this.#client = this.#newClient(0);
  }

  get isOn(): boolean {
    return this.#address !== null;
  }

  get isConnected(): boolean {
    return this.#step === 'stream';
  }

  get host(): string {
    return this.#address?.host ?? '';
  }

  get port(): number {
    return this.#address?.port ?? 0;
  }

  /** As ROLE says it. */
  get state(): 'connect' | 'handshake' | 'sync' | 'connected' {
    switch (this.#step) {
      case 'connect':
        return 'connect';
      case 'stream':
        return 'connected';
      case 'header':
      case 'payload':
        return 'sync';
      default:
        return 'handshake';
    }
  }

  /** The database that the primary's stream is in. */
  get streamDb(): number {
    return this.isConnected ? this.#client.db : (this.#past?.db ?? 0);
  }

  /** By the configuration file: it has made nothing that it could continue. */
  startWith(port: number): void {
    this.#address = { host: '127.0.0.1', port };
  }

  /** Follow this primary. Call `dial` for the first connection; the cron makes the others. */
  follow(host: string, port: number): void {
    const { stream } = this.#engine;
    const wasPrimary = this.#address === null;
    this.#drop();
    this.#engine.unblockAll();
    this.#address = { host, port };
    if (!wasPrimary) return;
    // It continues what it has made itself, if the other knows it.
    this.#past = { replid: stream.replid, offset: stream.offset, db: 0 };
    stream.openBacklog();
  }

  /** Become a primary. */
  leave(): void {
    if (this.#address === null) return;
    this.#drop();
    this.#address = null;
    this.#past = null;
    this.#engine.stream.shift();
    this.#engine.replicas.disconnectAll();
  }

  dial(): void {
    const address = this.#address;
    if (address === null || this.#step !== 'connect') return;
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#step = 'ping';
    this.#text = '';
    this.#heardAtMs = this.#engine.nowMs();
    const isLate = (): boolean => attempt !== this.#attempt;
    this.#wire = this.#dial(
      address.port,
      (bytes) => {
        if (!isLate()) this.#receive(bytes);
      },
      () => {
        if (!isLate()) this.#broken();
      },
    );
    this.#say(['PING']);
  }

  /** Once a second. */
  cron(nowMs: number): void {
    const timeoutMs = this.#engine.settings.number('repl-timeout') * 1000;
    if (this.#step !== 'connect' && nowMs - this.#heardAtMs > timeoutMs) this.#hangUp();
    this.dial();
    if (this.isConnected) this.acknowledge();
  }

  /** Without a word: the process is gone. */
  kill(): void {
    this.#attempt += 1;
    this.#wire?.close();
    this.#wire = null;
  }

  #drop(): void {
    this.#keepPast();
    this.kill();
    this.#step = 'connect';
  }

  #keepPast(): void {
    if (!this.isConnected) return;
    const { replid, offset } = this.#engine.stream;
    this.#past = { replid, offset, db: this.#client.db };
  }

  #hangUp(): void {
    this.#drop();
  }

  /** The connection is over: at once again after a stream, by the cron after anything less. */
  #broken(): void {
    const wasConnected = this.isConnected;
    this.#drop();
    if (wasConnected) this.dial();
  }

  #say(words: readonly string[]): void {
    this.#wire?.write(Buffer.from(bulks(words), 'latin1'));
  }

  acknowledge(): void {
    this.#say(['REPLCONF', 'ACK', String(this.#engine.stream.offset)]);
  }

  #receive(bytes: Buffer): void {
    this.#heardAtMs = this.#engine.nowMs();
    let rest = bytes;
    while (rest.length > 0 && this.#wire !== null) {
      if (this.#step === 'stream') {
        this.#stream(rest);
        return;
      }
      rest = this.#step === 'payload' ? this.#load(rest) : this.#line(rest);
    }
  }

  /** Takes a line of the dialogue, and gives back what follows it. */
  #line(bytes: Buffer): Buffer {
    const end = bytes.indexOf(10);
    this.#text += bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
    if (end < 0) {
      if (this.#text.length > LINE_BYTES_MAX) this.#hangUp();
      return Buffer.alloc(0);
    }
    const line = this.#text.replace(/\r$/, '');
    this.#text = '';
    // A primary that prepares its answer sends empty lines.
    if (line !== '') this.#answered(line);
    return bytes.subarray(end + 1);
  }

  #answered(line: string): void {
    switch (this.#step) {
      case 'ping':
        if (line.startsWith('+') || /^-(NOAUTH|NOPERM)/.test(line)) this.#setUp();
        else this.#hangUp();
        return;
      case 'setup':
        this.#answersLeft -= 1;
        if (this.#answersLeft === 0) this.#ask();
        return;
      case 'psync':
        this.#synced(line);
        return;
      case 'header':
        this.#header(line);
        return;
      default:
        this.#hangUp();
    }
  }

  #setUp(): void {
    const { settings, flavor } = this.#engine;
    const user = settings.text('masteruser');
    const password = settings.text('masterauth');
    const said: string[][] = [];
    if (password !== '') said.push(['AUTH', ...(user === '' ? [] : [user]), password]);
    said.push(['REPLCONF', 'listening-port', settings.text('port')]);
    said.push(['REPLCONF', 'capa', 'eof', 'capa', 'psync2']);
    if (flavor.knowsVersion) said.push(['REPLCONF', 'version', flavor.version]);
    this.#step = 'setup';
    this.#answersLeft = said.length;
    for (const words of said) this.#say(words);
  }

  #ask(): void {
    const past = this.#past;
    this.#step = 'psync';
    if (past === null) this.#say(['PSYNC', '?', '-1']);
    else this.#say(['PSYNC', past.replid, String(past.offset + 1)]);
  }

  #synced(line: string): void {
    const [word, replid, offset] = line.split(' ');
    if (word === '+CONTINUE' && this.#past !== null) {
      this.#continue(this.#past, replid);
    } else if (word === '+FULLRESYNC' && replid?.length === 40) {
      this.#announced = { replid, offset: Number(offset) };
      this.#step = 'header';
    } else {
      this.#hangUp();
    }
  }

  #continue(past: Past, replid: string | undefined): void {
    const { stream, replicas } = this.#engine;
    if (replid?.length === 40 && replid !== past.replid) {
      stream.adopt(replid);
      replicas.disconnectAll();
    }
    stream.openBacklog();
    this.#begin(past.db);
  }

  #begin(db: number): void {
    this.#past = null;
    this.#client = this.#newClient(db);
    this.#unapplied = Buffer.alloc(0);
    this.#appliedBytes = 0;
    this.#step = 'stream';
  }

  #newClient(db: number): Client {
    const nobody = { onBytes: () => undefined, onClosed: () => undefined };
    const client = new Client(0, nobody, true, true);
    client.db = db;
    return client;
  }

  #header(line: string): void {
    const mark = /^\$EOF:(.{40})$/.exec(line)?.[1];
    const length = /^\$([0-9]+)$/.exec(line)?.[1];
    if (mark === undefined && length === undefined) {
      this.#hangUp();
      return;
    }
    this.#step = 'payload';
    this.#payload = [];
    this.#mark = mark === undefined ? null : Buffer.from(mark, 'latin1');
    this.#payloadLeft = Number(length ?? Number.POSITIVE_INFINITY);
  }

  /** Takes the RDB's bytes, and gives back what follows them. */
  #load(bytes: Buffer): Buffer {
    const mark = this.#mark;
    if (mark !== null) {
      // As the server: the mark has to be at the end of what was read.
      this.#payload.push(bytes);
      const all = Buffer.concat(this.#payload);
      this.#payload = [all];
      if (!all.subarray(-mark.length).equals(mark)) return Buffer.alloc(0);
      this.#loaded(all.subarray(0, -mark.length));
      return Buffer.alloc(0);
    }
    const taken = bytes.subarray(0, this.#payloadLeft);
    this.#payload.push(taken);
    this.#payloadLeft -= taken.length;
    if (this.#payloadLeft === 0) this.#loaded(Buffer.concat(this.#payload));
    return bytes.subarray(taken.length);
  }

  #loaded(bytes: Buffer): void {
    const { stream, replicas, keyspace, flavor } = this.#engine;
    this.#payload = [];
    // While it empties itself and loads, it keeps its primary's patience up.
    if (this.#engine.entropy() % 2 === 0) this.#wire?.write(Buffer.from('\n'));
    // Only now: a transfer that breaks leaves the data, and what can be continued.
    this.#past = null;
    replicas.disconnectAll();
    stream.dropBacklog();
    keyspace.clear();
    const rdb = loadRdb(flavor, bytes);
    if ('why' in rdb) {
      if (rdb.kind === 'damaged') this.#engine.exit(`cannot load its primary's RDB: ${rdb.why}`);
      else this.#hangUp();
      return;
    }
    for (const { db, key, value, expireAt } of rdb.keys) {
      const entry = keyspace.put(db, key, value);
      if (expireAt !== null) keyspace.setExpiry(entry, expireAt);
    }
    stream.replid = this.#announced?.replid ?? '';
    stream.offset = this.#announced?.offset ?? 0;
    stream.forgetSecond();
    stream.openBacklog();
    this.#begin(rdb.streamDb);
    this.#engine.loaded();
    this.acknowledge();
  }

  #stream(bytes: Buffer): void {
    const client = this.#client;
    const { reader } = client;
    this.#unapplied =
      this.#unapplied.length === 0 ? bytes : Buffer.concat([this.#unapplied, bytes]);
    reader.push(bytes);
    for (let words = reader.next(); words !== 'starved'; words = reader.next()) {
      if (typeof words === 'string') {
        this.#broken();
        return;
      }
      this.#engine.execute(client, words);
      if (this.#engine.exitWhy !== null || this.#client !== client || !this.isConnected) return;
      if (client.transaction === null) this.#applied(reader.consumed);
    }
  }

  /** Everything up to here has been executed: it counts, and goes on to replicas of our own. */
  #applied(consumed: number): void {
    const count = consumed - this.#appliedBytes;
    this.#appliedBytes = consumed;
    const bytes = this.#unapplied.subarray(0, count);
    this.#unapplied = this.#unapplied.subarray(count);
    this.#engine.feed(bytes);
  }
}
