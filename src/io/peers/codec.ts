/**
 * Frames <-> what agents say to one another once they know each other. Pure.
 *
 * Encoding copies no payload: a frame is a list of buffers for one gathered write, and its payloads
 * must not change until they are written. Decoding gives payloads as views of one buffer that
 * belongs to the message alone, so that keeping an entry pins no more than its message.
 */
import { assert, unreachable } from '../../assert.ts';
import { configurationFrom, MEMBERS_MAX } from '../../core/raft/configuration.ts';
import type { TransferMessage } from '../../core/raft/fetch.ts';
import type { Entry, EntryId, Message, SnapshotMeta } from '../../core/raft/protocol.ts';
import { type GroupId, groupId, logIndex, term } from '../../core/scalars.ts';
import { FrameParser, FrameWriter } from './frame-bytes.ts';
import { ProtocolError } from './frame-reader.ts';

export const FRAME_KIND = {
  hello: 1,
  refused: 2,
  ping: 3,
  pong: 4,
  raft: 5,
  transfer: 6,
  note: 7,
  /** See frame-pieces.ts. */
  begin: 8,
  piece: 9,
} as const;

export interface Frame {
  readonly kind: number;
  readonly parts: readonly Uint8Array[];
  /** Sum of the parts. */
  readonly bytes: number;
}

/** Small JSON between agents. Who reads `body` checks it: it is what a peer sent. */
export interface Note {
  readonly topic: string;
  readonly body: unknown;
}

/** Notes are questions and announcements, not data. */
export const NOTE_BYTES_MAX = 1024 * 1024;
const GROUP_CHARS_MAX = 31;
const GROUP = /^[a-z][a-z0-9-]{0,30}$/;
const SNAPSHOT_ID_BYTES_MAX = 256;
const TOPIC_CHARS_MAX = 64;
const NODE_ID_CHARS_MAX = 72;
/** Below this, a buffer of its own costs more than what it might pin. */
const TINY_BYTES = 256;
/** Term and length of one entry, before the payloads. */
const ENTRY_HEAD_BYTES = 12;

const MESSAGE = {
  requestVote: 1,
  voteReply: 2,
  append: 3,
  appendReply: 4,
  offerSnapshot: 5,
  timeoutNow: 6,
  removed: 7,
} as const;
const TRANSFER = { chunkWanted: 1, chunk: 2, chunkGone: 3 } as const;

export function frameOf(kind: number, parts: readonly Uint8Array[]): Frame {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return { kind, parts, bytes };
}

export function encodeRaft(group: GroupId, message: Message): Frame {
  const w = new FrameWriter().text(group).u8(MESSAGE[message.kind]).count(message.term);
  const parts: Uint8Array[] = [];
  switch (message.kind) {
    case 'requestVote':
      w.flag(message.pre).flag(message.transfer);
      writeId(w, message.last);
      break;
    case 'voteReply':
      w.flag(message.pre).flag(message.granted);
      break;
    case 'append':
      writeId(w, message.after);
      w.count(message.commit).count(message.round);
      writeEntries(w, message.after, message.entries, parts);
      break;
    case 'appendReply':
      w.flag(message.ok).count(message.index);
      writeId(w, message.hint);
      w.count(message.round);
      break;
    case 'offerSnapshot':
      writeSnapshot(w, message.snapshot);
      w.count(message.round);
      break;
    case 'timeoutNow':
      break;
    case 'removed':
      w.count(message.index);
      break;
    default:
      return unreachable(message);
  }
  return frameOf(FRAME_KIND.raft, [w.done(), ...parts]);
}

/** `body` belongs to the message from here on: see `ownBytes`. */
export function decodeRaft(body: Buffer): { group: GroupId; message: Message } {
  const p = new FrameParser(body);
  const group = readGroup(p);
  const message = readMessage(p);
  p.end();
  return { group, message };
}

export function encodeTransfer(group: GroupId, message: TransferMessage): Frame {
  const w = new FrameWriter().text(group).u8(TRANSFER[message.kind]).text(message.id);
  switch (message.kind) {
    case 'chunkWanted':
      w.count(message.position).count(message.bytesMax);
      return frameOf(FRAME_KIND.transfer, [w.done()]);
    case 'chunk':
      w.count(message.position).count(message.total);
      return frameOf(FRAME_KIND.transfer, [w.done(), message.bytes]);
    case 'chunkGone':
      return frameOf(FRAME_KIND.transfer, [w.done()]);
    default:
      return unreachable(message);
  }
}

export function decodeTransfer(body: Buffer): { group: GroupId; message: TransferMessage } {
  const p = new FrameParser(body);
  const group = readGroup(p);
  const kind = p.u8();
  const id = p.text(SNAPSHOT_ID_BYTES_MAX);
  if (kind === TRANSFER.chunkWanted) {
    const message = { kind: 'chunkWanted' as const, id, position: p.count(), bytesMax: p.count() };
    p.end();
    return { group, message };
  }
  if (kind === TRANSFER.chunk) {
    const [position, total] = [p.count(), p.count()];
    return { group, message: { kind: 'chunk', id, position, total, bytes: p.view(p.bytesLeft) } };
  }
  if (kind !== TRANSFER.chunkGone) throw new ProtocolError(`a transfer of kind ${kind}`);
  p.end();
  return { group, message: { kind: 'chunkGone', id } };
}

export function encodeNote(note: Note): Frame {
  assert(note.topic.length > 0 && note.topic.length <= TOPIC_CHARS_MAX, 'a topic is one word');
  const bytes = Buffer.from(JSON.stringify({ topic: note.topic, body: note.body ?? null }));
  assert(bytes.length <= NOTE_BYTES_MAX, 'a note is small');
  return frameOf(FRAME_KIND.note, [bytes]);
}

export function decodeNote(body: Buffer): Note {
  if (body.length > NOTE_BYTES_MAX) throw new ProtocolError(`a note of ${body.length} bytes`);
  const value = parseJson(body);
  if (typeof value !== 'object' || value === null) throw new ProtocolError('a note is an object');
  const { topic, body: content } = value as { topic?: unknown; body?: unknown };
  if (typeof topic !== 'string' || topic.length === 0 || topic.length > TOPIC_CHARS_MAX)
    throw new ProtocolError('a note without a topic');
  return { topic, body: content ?? null };
}

export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new ProtocolError('not JSON', { cause: error });
  }
}

/**
 * Bytes that may be kept as long as one likes: a view of a received chunk is copied out once.
 * Tiny ones share Node's slab of 64 KiB with their neighbours, which come and go alike.
 */
export function ownBytes(body: Buffer, isOwn: boolean): Buffer {
  if (isOwn) return body;
  if (body.length < TINY_BYTES) return Buffer.from(body);
  const own = Buffer.allocUnsafeSlow(body.length);
  body.copy(own);
  return own;
}

function readGroup(p: FrameParser): GroupId {
  const group = p.text(GROUP_CHARS_MAX);
  if (!GROUP.test(group)) throw new ProtocolError('a group id that is none');
  return groupId(group);
}

function readMessage(p: FrameParser): Message {
  const kind = p.u8();
  const ofTerm = term(p.count());
  switch (kind) {
    case MESSAGE.requestVote: {
      const [pre, transfer] = [p.flag(), p.flag()];
      return { kind: 'requestVote', term: ofTerm, pre, transfer, last: readId(p) };
    }
    case MESSAGE.voteReply:
      return { kind: 'voteReply', term: ofTerm, pre: p.flag(), granted: p.flag() };
    case MESSAGE.append: {
      const after = readId(p);
      const [commit, round] = [logIndex(p.count()), p.count()];
      const entries = readEntries(p, after);
      return { kind: 'append', term: ofTerm, after, entries, commit, round };
    }
    case MESSAGE.appendReply: {
      const [ok, index] = [p.flag(), logIndex(p.count())];
      const hint = readId(p);
      return { kind: 'appendReply', term: ofTerm, ok, index, hint, round: p.count() };
    }
    case MESSAGE.offerSnapshot: {
      const snapshot = readSnapshot(p);
      return { kind: 'offerSnapshot', term: ofTerm, snapshot, round: p.count() };
    }
    case MESSAGE.timeoutNow:
      return { kind: 'timeoutNow', term: ofTerm };
    case MESSAGE.removed:
      return { kind: 'removed', term: ofTerm, index: logIndex(p.count()) };
    default:
      throw new ProtocolError(`a message of kind ${kind}`);
  }
}

function writeId(w: FrameWriter, id: EntryId): void {
  w.count(id.index).count(id.term);
}

function readId(p: FrameParser): EntryId {
  return { index: logIndex(p.count()), term: term(p.count()) };
}

/** Indexes are not written: entries follow `after` without a gap. */
function writeEntries(
  w: FrameWriter,
  after: EntryId,
  entries: readonly Entry[],
  parts: Uint8Array[],
): void {
  w.u32(entries.length);
  let index: number = after.index;
  for (const entry of entries) {
    index += 1;
    assert(entry.index === index, 'entries of an append follow one another');
    w.count(entry.term).u32(entry.payload.length);
    if (entry.payload.length > 0) parts.push(entry.payload);
  }
}

function readEntries(p: FrameParser, after: EntryId): Entry[] {
  const count = p.u32();
  if (count * ENTRY_HEAD_BYTES > p.bytesLeft) throw new ProtocolError(`${count} entries`);
  if (!Number.isSafeInteger(after.index + count)) throw new ProtocolError('an index too large');
  const heads: { term: EntryId['term']; bytes: number }[] = [];
  for (let i = 0; i < count; i++) heads.push({ term: term(p.count()), bytes: p.u32() });
  const entries = heads.map((head, i) => ({
    index: logIndex(after.index + i + 1),
    term: head.term,
    payload: p.view(head.bytes),
  }));
  return entries;
}

function writeSnapshot(w: FrameWriter, snapshot: SnapshotMeta): void {
  w.text(snapshot.id);
  writeId(w, snapshot.last);
  const { voters, learners, decision } = snapshot.configuration;
  w.count(snapshot.bytes).count(decision);
  for (const ids of [voters, learners]) {
    w.u32(ids.length);
    for (const id of ids) w.text(id);
  }
}

function readSnapshot(p: FrameParser): SnapshotMeta {
  const id = p.text(SNAPSHOT_ID_BYTES_MAX);
  const last = readId(p);
  const bytes = p.count();
  const decision = p.count();
  const [voters, learners] = [readNodeIds(p), readNodeIds(p)];
  const configuration = configurationFrom({ voters, learners, decision });
  if (configuration === null) throw new ProtocolError('a snapshot without members');
  return { id, last, bytes, configuration };
}

function readNodeIds(p: FrameParser): string[] {
  const count = p.u32();
  if (count > MEMBERS_MAX) throw new ProtocolError(`${count} members`);
  return Array.from({ length: count }, () => p.text(NODE_ID_CHARS_MAX));
}
