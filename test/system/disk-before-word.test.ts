/**
 * Disk before word, seen from outside: every vote, every acknowledgement to a peer and every reply
 * to a client leaves after the `fdatasync` that covers it has returned.
 *
 * All agents are traced by one strace, so that what they did has one order. Peers speak in the
 * clear here, so that their frames can be read.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message } from '../../src/core/raft/protocol.ts';
import { decodeRaft, FRAME_KIND } from '../../src/io/peers/codec.ts';
import { FrameAssembly, WIRE_FRAME_BYTES_MAX } from '../../src/io/peers/frame-pieces.ts';
import { FrameReader, ProtocolError } from '../../src/io/peers/frame-reader.ts';
import {
  ENTRY_RECORD,
  RECORD_HEADER_BYTES,
  RECORD_MARK,
  RECORD_TRAILER_BYTES,
  SEGMENT_HEADER_BYTES,
} from '../../src/io/storage/segment.ts';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { signal } from './processes.ts';
import { type Call, Strace } from './strace.ts';
import { Wire } from './wire.ts';

const WRITES = IS_FULL ? 2_000 : 150;

/** A record or a vote that was written to a file, and when it was safe there. */
interface Stored {
  readonly pid: number;
  /** Both groups have an entry 5, and a term 1. */
  readonly group: string;
  readonly written: number;
  /** Where the first `fdatasync` returned that was begun after the write had returned. */
  readonly safe: number;
  readonly payload: Buffer;
  readonly index: number;
  readonly term: number;
  readonly vote: string;
}

interface Said {
  readonly pid: number;
  readonly group: string;
  readonly at: number;
  readonly message: Message;
}

class Reading {
  readonly records: Stored[] = [];
  readonly votes: Stored[] = [];
  readonly said: Said[] = [];
  /** Replies to clients: process, and where each `+OK` was handed to the kernel. */
  readonly oks: { pid: number; at: number }[] = [];
  readonly #paths: Map<string, string>;
  readonly #streams = new Map<string, { push(bytes: Buffer, at: number): void }>();
  readonly #calls: readonly Call[];

  constructor(calls: readonly Call[], openFiles: ReadonlyMap<string, string>) {
    this.#calls = calls;
    this.#paths = new Map(openFiles);
    for (const call of calls) this.#read(call);
  }

  #read(call: Call): void {
    const key = `${call.pid}:${call.fd}`;
    if (call.name === 'openat' && call.result >= 0) this.#paths.set(key, call.path);
    if (call.name === 'close') {
      this.#paths.delete(key);
      this.#streams.delete(key);
    }
    if (call.bytes.length === 0) return;
    const path = this.#paths.get(key) ?? 'socket:';
    const [, group, file] = /([^/]+)\/(log-\d+|hard-state)$/.exec(path) ?? [];
    if (call.offset !== null && group !== undefined) {
      if (file === 'hard-state') this.#readVote(call, group);
      else this.#readRecords(call, group);
    }
    if (path.startsWith('socket:')) {
      const stream = this.#streams.get(key) ?? this.#stream(call.pid);
      this.#streams.set(key, stream);
      stream.push(call.bytes, call.entered);
    }
  }

  #safeAt(write: Call): number {
    const sync = this.#calls.find(
      ({ name, pid, fd, entered, result }) =>
        name === 'fdatasync' &&
        pid === write.pid &&
        fd === write.fd &&
        result === 0 &&
        entered > write.returned,
    );
    return sync?.returned ?? Number.POSITIVE_INFINITY;
  }

  #readRecords(call: Call, group: string): void {
    const { bytes, pid } = call;
    const safe = this.#safeAt(call);
    let at = call.offset === 0 ? SEGMENT_HEADER_BYTES : 0;
    while (at + RECORD_HEADER_BYTES < bytes.length) {
      assert.equal(bytes[at], RECORD_MARK, 'a write to the log begins with a record');
      const payloadBytes = bytes.readUInt32BE(at + 6);
      const from = at + RECORD_HEADER_BYTES;
      if (bytes[at + 5] === ENTRY_RECORD)
        this.records.push({
          pid,
          group,
          written: call.entered,
          safe,
          payload: bytes.subarray(from, from + payloadBytes),
          index: Number(bytes.readBigUInt64BE(at + 14)),
          term: Number(bytes.readBigUInt64BE(at + 22)),
          vote: '',
        });
      at = from + payloadBytes + RECORD_TRAILER_BYTES;
    }
  }

  #readVote(call: Call, group: string): void {
    const { bytes, pid } = call;
    const vote = bytes.toString('latin1', 45, 45 + (bytes[44] ?? 0));
    const term = Number(bytes.readBigUInt64BE(20));
    const place = { pid, group, written: call.entered, safe: this.#safeAt(call) };
    this.votes.push({ ...place, payload: bytes, index: 0, term, vote });
  }

  /** Frames of a peer connection, or a client's replies; anything else is not looked at. */
  #stream(pid: number): { push(bytes: Buffer, at: number): void } {
    let now = 0;
    let isFrames: boolean | null = null;
    const assembly = new FrameAssembly((kind, body) => {
      if (kind === FRAME_KIND.raft)
        this.said.push({ pid, at: now, ...decodeRaft(Buffer.from(body)) });
    });
    const reader = new FrameReader(WIRE_FRAME_BYTES_MAX, (kind, body, isOwn) =>
      assembly.take(kind, body, isOwn),
    );
    return {
      push: (bytes, at) => {
        now = at;
        if (isFrames === null) isFrames = bytes[0] === 0;
        if (!isFrames) {
          const oks = bytes.toString('latin1').match(/^(\+OK\r\n)+$/)?.[0].length ?? 0;
          for (let n = 0; n < oks / 5; n++) this.oks.push({ pid, at });
          return;
        }
        try {
          reader.push(bytes);
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
          isFrames = false;
        }
      },
    };
  }
}

/** Every `appendReply` that says yes names an index whose record was safe by then. */
function checkAcknowledgements({ said, records }: Reading): number {
  let checked = 0;
  for (const { pid, group, at, message } of said) {
    if (message.kind !== 'appendReply' || !message.ok) continue;
    const record = records.findLast(
      (each) =>
        each.pid === pid &&
        each.group === group &&
        each.index === message.index &&
        each.written < at,
    );
    // What was written before the trace began.
    if (record === undefined) continue;
    checked += 1;
    assert.ok(record.safe < at, `entry ${message.index} was acknowledged before it was synced`);
  }
  return checked;
}

/** A vote granted, or asked for, is on disk first: the term and whom it was given to. */
function checkVotes({ said, votes }: Reading): number {
  let checked = 0;
  for (const { pid, group, at, message } of said) {
    const isGrant = message.kind === 'voteReply' && message.granted && !message.pre;
    const isAsk = message.kind === 'requestVote' && !message.pre;
    if (!isGrant && !isAsk) continue;
    const saved = votes.find(
      (each) =>
        each.pid === pid &&
        each.group === group &&
        each.term === message.term &&
        each.vote !== '' &&
        each.safe < at,
    );
    checked += 1;
    assert.ok(saved, `${message.kind} of term ${message.term} left before the vote was synced`);
  }
  return checked;
}

/** The n-th reply leaves when the n-th write is safe on a majority of the three. */
function checkReplies({ oks, records }: Reading, leader: number, writes: number): number {
  const own = oks.filter(({ pid }) => pid === leader);
  assert.equal(own.length, writes, 'every reply was seen');
  for (const [n, { at }] of own.entries()) {
    const safe = new Set(
      records
        .filter(({ payload, safe }) => safe < at && payload.includes(`ack:${n}:`))
        .map(({ pid }) => pid),
    );
    assert.ok(safe.size >= 2, `write ${n} was acknowledged when it was safe on ${safe.size} nodes`);
  }
  return own.length;
}

const cannotTrace = spawnSync('strace', ['-V']).status !== 0 && 'strace is not installed';

test('no vote and no acknowledgement leaves before its fdatasync has returned', {
  skip: cannotTrace,
}, async (t) => {
  const deployment = await Deployment.agents(t, { isPlain: true });
  const leader = await deployment.leader();
  const pids = await Promise.all(deployment.indices.map((i) => deployment.agentPid(i)));
  const leaderPid = pids[leader] ?? 0;
  const wire = new Wire(deployment.port(leader));
  await wire.must('SET', 'before', 'the trace');
  const strace = await Strace.attach(pids, join(deployment.dir, 'strace.out'));
  for (let n = 0; n < WRITES; n++) assert.equal(await wire.must('SET', `ack:${n}:`, `v${n}`), 'OK');
  // Now several at once, so that entries share a sync; then an election under the same eyes.
  for (let n = 0; n < 200; n++) wire.command('GET', `ack:${n % WRITES}:`);
  for (let n = 0; n < 200; n++) await wire.reply();
  await sleep(200);
  signal(leaderPid, 'SIGKILL');
  const next = await deployment.leader();
  const other = new Wire(deployment.port(next));
  for (let n = 0; n < 20; n++) await other.must('INCR', 'after the election');
  wire.close();
  other.close();
  const reading = new Reading(await strace.detach(), strace.openFiles);
  const acknowledgements = checkAcknowledgements(reading);
  const votes = checkVotes(reading);
  const replies = checkReplies(reading, leaderPid, WRITES);
  assert.ok(acknowledgements >= WRITES, `${acknowledgements} acknowledgements were seen`);
  assert.ok(votes >= 2, `${votes} votes were seen`);
  figures('disk-before-word', { acknowledgements, votes, replies });
});
