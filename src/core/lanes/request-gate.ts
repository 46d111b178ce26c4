/**
 * Turns what a client sends into segments to forward: mostly the chunk as it came, with the number
 * of commands in it. A command that means something for the connection is a segment by itself, and
 * so is what continues one that was forwarded in part.
 *
 * Invariant: the segments' bytes laid end to end are the client's commands, but for those that were
 * replaced. No other byte of a client goes on: a blank line is dropped (after one Valkey 8.0 reads
 * an array as inline text, and so other commands than were judged), and what is malformed is
 * replaced by a malformed request of ours, so that the server says so in its turn and hangs up. In
 * its turn: only the server knows where that is in a bound session (MULTI, subscriptions, CLIENT
 * REPLY), and its answer passes through the hold behind all that are owed.
 */

import { INLINE_BYTES_MAX, RequestScanner, type ScannerLimits } from '../resp/request-scanner.ts';
import type { CommandJudge } from './command-rules.ts';
import type { Effect } from './effect.ts';
import type { Segment } from './segment.ts';

/** A segment goes one way as a whole: so many commands are let onto a lane without knowing more. */
const SEGMENT_COMMANDS_MAX = 64;

export class RequestGate {
  readonly #judge: CommandJudge;
  readonly #scanner: RequestScanner;
  readonly #forward: (segment: Segment) => void;
  /** Set once the bytes are no protocol any more. */
  #isOver = false;
  /** The rest of a replaced command is still coming, and goes nowhere. */
  #isSwallowing = false;
  /** A command was forwarded in part. */
  #isInside = false;

  /** The segment being put together: `bytes[from, to)` of the scanner. */
  #from = 0;
  #to = 0;
  #begun = 0;
  #ended = 0;
  #effect: Effect | null = null;
  #reads = 0;

  constructor(judge: CommandJudge, bounds: ScannerLimits, forward: (segment: Segment) => void) {
    this.#judge = judge;
    this.#scanner = new RequestScanner(judge.isJudged, bounds, judge.names);
    this.#forward = forward;
  }

  /** Bytes of a command that is not known well enough to be forwarded. */
  get unfinishedBytes(): number {
    return this.#scanner.pendingBytes;
  }

  /** The client has sent what is no protocol: nothing of it is looked at any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Calls `forward` for each segment, before it returns. */
  feed(chunk: Buffer): void {
    if (this.#isOver) return;
    const scanner = this.#scanner;
    scanner.push(chunk);
    for (let found = scanner.next(); found !== 'starved'; found = scanner.next()) {
      if (found === 'command') this.#takeCommand();
      else if (found === 'part') this.#takePart();
      else this.#flush();
      if (found === 'malformed') {
        this.#isOver = true;
        this.#forward(malformed(scanner.text, this.#isInside));
        return;
      }
    }
    this.#flush();
  }

  #takeCommand(): void {
    const scanner = this.#scanner;
    let effect = this.#judge.traitOf(scanner.name);
    if (effect === 'judged') {
      const verdict = this.#judge.judge(scanner);
      if (verdict.kind === 'replace') {
        this.#flush();
        this.#isSwallowing = !scanner.isWhole;
        const { bytes, effect: replaced } = verdict;
        this.#forward({ ...NOTHING, bytes, begun: 1, ended: 1, effect: replaced });
        return;
      }
      effect = verdict.effect;
    }
    const isRead = effect === 'read';
    if (effect === 'read') effect = null;
    // Such a command begins a segment, and so does what comes after it.
    if (effect !== null || this.#effect !== null || !scanner.isWhole) this.#flush();
    else if (this.#begun === SEGMENT_COMMANDS_MAX) this.#flush();
    this.#effect = effect;
    this.#extend();
    this.#begun += 1;
    if (isRead) this.#reads += 1;
    if (scanner.isWhole) this.#ended += 1;
    else this.#isInside = true;
  }

  #takePart(): void {
    const scanner = this.#scanner;
    if (this.#isSwallowing) {
      this.#isSwallowing = !scanner.isLast;
      return;
    }
    this.#extend();
    if (!scanner.isLast) return;
    this.#ended += 1;
    this.#isInside = false;
    if (this.#begun === 0) this.#flush();
  }

  /** The scanner's results follow one another in one buffer until it is starved. */
  #extend(): void {
    if (this.#from === this.#to) this.#from = this.#scanner.start;
    this.#to = this.#scanner.end;
  }

  #flush(): void {
    if (this.#from === this.#to) return;
    const segment = {
      bytes: viewOf(this.#scanner.bytes, this.#from, this.#to),
      begun: this.#begun,
      ended: this.#ended,
      effect: this.#effect,
      isRead: this.#begun > 0 && this.#reads === this.#begun && this.#begun === this.#ended,
      point: 0,
    };
    this.#from = 0;
    this.#to = 0;
    this.#begun = 0;
    this.#ended = 0;
    this.#effect = null;
    this.#reads = 0;
    this.#forward(segment);
  }
}

const NOTHING = {
  begun: 0,
  ended: 0,
  effect: null,
  isRead: false,
  point: 0,
};
const BINDS: Effect = { kind: 'binds' };

/**
 * A request that every server calls malformed, with the same words as far as a server has them.
 * `isInside` a command, where the header of an argument is expected, it is that command's end.
 */
function malformed(text: string, isInside: boolean): Segment {
  const bytes = Buffer.from(isInside ? malformedArgument(text) : malformedRequest(text), 'latin1');
  if (!isInside) return { ...NOTHING, bytes, begun: 1, ended: 1, effect: BINDS };
  return { ...NOTHING, bytes, ended: 1, effect: BINDS };
}

function malformedRequest(text: string): string {
  if (text.endsWith('unbalanced quotes in request')) return '"\r\n';
  if (text.endsWith('too big inline request')) return 'x'.repeat(INLINE_BYTES_MAX + 1);
  if (text.endsWith('invalid multibulk length')) return '*x\r\n';
  return `*1\r\n${malformedArgument(text)}`;
}

function malformedArgument(text: string): string {
  const got = /, got '([^$])'$/.exec(text);
  return `${got?.[1] ?? '$x'}\r\n`;
}

function viewOf(bytes: Uint8Array, from: number, to: number): Buffer {
  if (from === 0 && to === bytes.length && Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from);
}
