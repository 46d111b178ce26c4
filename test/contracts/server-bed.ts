/** What the contract of a server is tested with: lives of it, connections, and a clock. */
import { equal, ok } from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { FlavorName } from '../../sim/server/flavor.ts';
import { emptyRdb } from '../../src/core/psync/empty-rdb.ts';
import { encodeCommand } from '../../src/core/resp/writer.ts';

/** One end of a connection; the other is the server's. */
export interface Wire {
  /** However they are cut on the way. */
  write(bytes: Buffer): void;
  /** In one piece, as far as that can be had. */
  writeWhole(bytes: Buffer): void;
  close(): void;
}

/** A server of one kind, real or model, within one test. */
export interface ServerBed {
  readonly flavor: FlavorName;
  /** Starts one as a replica of `feed`, or as a primary. */
  start(feed: Listening | null, options?: LifeOptions): Promise<Life>;
  /** Plays a primary: whoever dials is `take`n. */
  listen(): Promise<Listening>;
  sleep(ms: number): Promise<void>;
  /** Its clock. */
  readonly nowMs: number;
  /** Waits, with a bound, and fails then. */
  until(what: string, isTrue: () => boolean): Promise<void>;
}

export interface LifeOptions {
  readonly backlogBytes?: number;
}

export interface Life {
  /** A connection that has said nothing. */
  connect(): Promise<Talk>;
  readonly hasExited: boolean;
}

export interface Listening {
  readonly port: number;
  /** The next connection that a server makes. */
  take(): Promise<Talk>;
  /** Connections that were made and not taken. */
  readonly waiting: number;
}

export type MakeBed = (t: TestContext) => ServerBed;

export const AGENT = { user: 'althing', password: 'agent-password' };
export const FEEDER = { user: 'feeder', password: 'feed-password' };

/** Bytes out and bytes in, to be asked for piece by piece. */
export class Talk {
  readonly #bed: Pick<ServerBed, 'until' | 'sleep'>;
  readonly #wire: Wire;
  #text = '';
  isClosed = false;

  constructor(bed: Pick<ServerBed, 'until' | 'sleep'>, wire: Wire) {
    this.#bed = bed;
    this.#wire = wire;
  }

  /** For who carries the bytes. */
  received(bytes: Buffer): void {
    this.#text += bytes.toString('latin1');
  }

  send(...words: readonly (string | number)[]): void {
    this.sendBytes(encodeCommand(words.map(String)));
  }

  sendBytes(bytes: Uint8Array | string): void {
    this.#wire.write(Buffer.from(bytes as string));
  }

  sendWhole(bytes: Buffer): void {
    this.#wire.writeWhole(bytes);
  }

  close(): void {
    this.#wire.close();
  }

  /** What came and was not asked for. */
  get unread(): string {
    return this.#text;
  }

  takeAll(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }

  async line(): Promise<string> {
    await this.#bed.until('a line', () => this.#text.includes('\n'));
    const end = this.#text.indexOf('\n');
    return this.#take(end + 1).trimEnd();
  }

  async bytes(count: number): Promise<string> {
    await this.#bed.until(`${count} bytes`, () => this.#text.length >= count);
    return this.#take(count);
  }

  /** The next reply, as people read it. */
  async reply(): Promise<string> {
    await this.#bed.until('a reply', () => readValue(this.#text, 0) !== null);
    const value = readValue(this.#text, 0);
    this.#take(value?.end ?? 0);
    return value?.text ?? '';
  }

  async call(...words: readonly (string | number)[]): Promise<string> {
    this.send(...words);
    return this.reply();
  }

  async closed(): Promise<void> {
    await this.#bed.until('the end of the connection', () => this.isClosed);
  }

  /** Nothing comes for a while. */
  async silent(): Promise<void> {
    await this.#bed.sleep(60);
    equal(this.#text, '');
    ok(!this.isClosed, 'the connection stays');
  }

  #take(count: number): string {
    const taken = this.#text.slice(0, count);
    this.#text = this.#text.slice(count);
    return taken;
  }
}

interface ReadValue {
  readonly text: string;
  readonly end: number;
}

/** One RESP value as short text; null when it is not whole. */
function readValue(bytes: string, at: number): ReadValue | null {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return null;
  const line = bytes.slice(at, lineEnd);
  const end = lineEnd + 2;
  const count = Number(line.slice(1));
  if (line.startsWith('$')) {
    if (count < 0) return { text: 'nil', end };
    if (bytes.length < end + count + 2) return null;
    return { text: JSON.stringify(bytes.slice(end, end + count)), end: end + count + 2 };
  }
  if (!line.startsWith('*')) return { text: line, end };
  if (count < 0) return { text: 'nil list', end };
  const values: string[] = [];
  let from = end;
  while (values.length < count) {
    const value = readValue(bytes, from);
    if (value === null) return null;
    values.push(value.text);
    from = value.end;
  }
  return { text: `[${values.join(' ')}]`, end: from };
}

/** The commands of a stream, a line for each; what is no whole command is its last line. */
export function commandsOf(bytes: string): string[] {
  const found: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const value = readValue(bytes, at);
    if (value === null) return [...found, bytes.slice(at)];
    const words = /^\[(.*)\]$/s.exec(value.text)?.[1] ?? value.text;
    found.push(words.replaceAll('"', ''));
    at = value.end;
  }
  return found;
}

/** What differs between two runs. */
export function masked(text: string): string {
  return text
    .replace(/\b[0-9a-f]{40}\b/g, '<id>')
    .replace(/\b1[0-9]{12}\b/g, '<ms>')
    .replace(/\bm[0-9]\b/g, 'm?');
}

export async function agentOf(life: Life): Promise<Talk> {
  const talk = await life.connect();
  equal(await talk.call('AUTH', AGENT.user, AGENT.password), '+OK');
  return talk;
}

/** INFO's line of this name. */
export async function infoOf(agent: Talk, name: string): Promise<string> {
  const text = JSON.parse(await agent.call('INFO', 'everything')) as string;
  return new RegExp(`^${name}:(.*)\r$`, 'm').exec(text)?.[1] ?? '';
}

export interface Position {
  readonly role: string;
  readonly offset: number;
  readonly rest: string;
}

export async function roleOf(agent: Talk): Promise<Position> {
  const text = await agent.call('ROLE');
  const primary = /^\["master" :([0-9]+) (.*)\]$/.exec(text);
  if (primary) return { role: 'primary', offset: Number(primary[1]), rest: primary[2] ?? '' };
  const replica = /^\["slave" "[^"]*" :[0-9]+ "([a-z]+)" :(-?[0-9]+)\]$/.exec(text);
  ok(replica, text);
  return { role: 'replica', offset: Number(replica[2]), rest: replica[1] ?? '' };
}

export async function untilRole(
  bed: ServerBed,
  agent: Talk,
  what: string,
  isTrue: (position: Position) => boolean,
): Promise<Position> {
  for (let i = 0; i < 200; i++) {
    const position = await roleOf(agent);
    if (isTrue(position)) return position;
    await bed.sleep(i < 20 ? 5 : 25);
  }
  throw new Error(`never: ${what}`);
}

/** Answers a server's handshake up to its PSYNC; gives all that it said, the last being PSYNC. */
export async function shakeHands(wire: Talk): Promise<string[]> {
  const said: string[] = [];
  for (;;) {
    const words = commandsOf(await wireCommand(wire))[0] ?? '';
    if (/^REPLCONF ACK/i.test(words)) continue;
    said.push(words);
    if (words.startsWith('PSYNC')) return said;
    wire.sendBytes(words === 'PING' ? '+PONG\r\n' : '+OK\r\n');
  }
}

/** One command as its bytes. */
export async function wireCommand(wire: Talk): Promise<string> {
  const text = await wire.reply();
  const words = [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) =>
    String(JSON.parse(`"${match[1]}"`)),
  );
  return encodeCommand(words).toString('latin1');
}

export const HISTORY = 'f'.repeat(40);
export const START = 1000;

/** Answers with a dataset without keys, at `START` of `HISTORY`. */
export function sendEmpty(wire: Talk, replid = HISTORY, offset = START): void {
  const rdb = emptyRdb();
  wire.sendBytes(`+FULLRESYNC ${replid} ${offset}\r\n$${rdb.length}\r\n`);
  wire.sendBytes(rdb);
}

export interface Fed {
  readonly feed: Listening;
  readonly life: Life;
  readonly agent: Talk;
  /** The server's connection to its primary. */
  readonly wire: Talk;
}

/** A server that follows, and has applied nothing yet. */
export async function startFed(bed: ServerBed, options: LifeOptions = {}): Promise<Fed> {
  const feed = await bed.listen();
  const life = await bed.start(feed, options);
  const agent = await agentOf(life);
  const wire = await feed.take();
  await shakeHands(wire);
  sendEmpty(wire);
  await untilRole(bed, agent, 'it follows', ({ rest }) => rest === 'connected');
  return { feed, life, agent, wire };
}

/** A connection that asks to follow the server, after the usual handshake. */
export async function follow(
  life: Life,
  replid: string,
  next: number,
  extra: readonly string[] = [],
): Promise<Talk> {
  const talk = await agentOf(life);
  equal(await talk.call('REPLCONF', 'listening-port', 1), '+OK');
  equal(await talk.call('REPLCONF', 'capa', 'eof', 'capa', 'psync2'), '+OK');
  if (extra.length > 0) equal(await talk.call(...extra), '+OK');
  talk.send('PSYNC', replid, next);
  return talk;
}

export interface Reign extends Fed {
  readonly capture: Talk;
  readonly replid: string;
}

/** A server that was fed, then promoted, with a capture that continues. */
export async function startReign(bed: ServerBed, options: LifeOptions = {}): Promise<Reign> {
  const fed = await startFed(bed, options);
  const { agent, life } = fed;
  equal(await agent.call('CONFIG', 'SET', 'repl-ping-replica-period', 3600), '+OK');
  equal(await agent.call('REPLICAOF', 'NO', 'ONE'), '+OK');
  const capture = await follow(life, HISTORY, START + 1);
  const replid = await infoOf(agent, 'master_replid');
  equal(await capture.line(), `+CONTINUE ${replid}`);
  await untilRole(bed, agent, 'the capture is listed', ({ rest }) => rest !== '[]');
  return { ...fed, capture, replid };
}

/** What came in the stream since the last look. */
export async function streamOf({ agent, capture }: Reign, from: number): Promise<string[]> {
  const { offset } = await roleOf(agent);
  const bytes = await capture.bytes(offset - from);
  equal(capture.unread, '');
  return commandsOf(bytes);
}
