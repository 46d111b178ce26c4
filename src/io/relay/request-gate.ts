/**
 * Turns what a client sends into segments to forward: mostly the chunk as it came, with the number
 * of commands in it and what they mean for the session.
 *
 * Invariant: the segments' bytes laid end to end are the client's bytes, but for the commands that
 * were replaced. What the scanner calls malformed is passed on as it is: the server answers its own
 * protocol error and hangs up.
 */
import { RequestScanner } from '../../core/resp/request-scanner.ts';
import type { CommandJudge, Trait } from './command-rules.ts';
import type { RelayBounds } from './options.ts';

export interface Segment {
  readonly bytes: Buffer;
  /** Commands that begin, and that end, in `bytes`. */
  readonly begun: number;
  readonly ended: number;
  /** The bytes that belong to a command begun in an earlier segment. */
  readonly tailBytes: number;
  readonly binds: boolean;
  readonly monitors: boolean;
  readonly blocks: boolean;
}

export class RequestGate {
  readonly #judge: CommandJudge;
  readonly #scanner: RequestScanner;
  readonly #forward: (segment: Segment) => void;
  /** Set once the bytes are no protocol any more. */
  #isOpaque = false;
  /** The rest of a replaced command is still coming, and goes nowhere. */
  #isSwallowing = false;

  /** The segment being put together: `bytes[from, to)` of the scanner. */
  #from = 0;
  #to = 0;
  #begun = 0;
  #ended = 0;
  #tailBytes = 0;
  #binds = false;
  #monitors = false;
  #blocks = false;

  constructor(judge: CommandJudge, bounds: RelayBounds, forward: (segment: Segment) => void) {
    this.#judge = judge;
    this.#scanner = new RequestScanner((name) => judge.traitOf(name) === 'judged', bounds);
    this.#forward = forward;
  }

  /** Bytes of a command that is not known well enough to be forwarded. */
  get unfinishedBytes(): number {
    return this.#scanner.pendingBytes;
  }

  /** Whether the client has sent what is no protocol: only the server's answer can follow. */
  get isOpaque(): boolean {
    return this.#isOpaque;
  }

  /** Calls `forward` for each segment, before it returns. */
  feed(chunk: Buffer): void {
    if (this.#isOpaque) {
      this.#forward(opaque(chunk));
      return;
    }
    const scanner = this.#scanner;
    scanner.push(chunk);
    for (let found = scanner.next(); found !== 'starved'; found = scanner.next()) {
      if (found === 'malformed') {
        this.#flush();
        this.#isOpaque = true;
        this.#forward(opaque(viewOf(scanner.bytes, scanner.start, scanner.end)));
        return;
      }
      if (found === 'command') this.#takeCommand();
      else if (found === 'part') this.#takePart();
      else this.#extend();
    }
    this.#flush();
  }

  #takeCommand(): void {
    const scanner = this.#scanner;
    let trait: Trait | undefined = this.#judge.traitOf(scanner.name);
    if (trait === 'judged') {
      const verdict = this.#judge.judge(scanner);
      if (verdict.kind === 'replace') {
        this.#flush();
        this.#isSwallowing = !scanner.isWhole;
        this.#forward({ ...NOTHING, bytes: verdict.bytes, begun: 1, ended: 1 });
        return;
      }
      trait = verdict.trait;
    }
    if (trait !== undefined) {
      if (trait === 'blocks') this.#blocks = true;
      else this.#binds = true;
      if (trait === 'monitors') this.#monitors = true;
    }
    this.#extend();
    this.#begun += 1;
    if (scanner.isWhole) this.#ended += 1;
  }

  #takePart(): void {
    const scanner = this.#scanner;
    if (this.#isSwallowing) {
      this.#isSwallowing = !scanner.isLast;
      return;
    }
    this.#extend();
    if (this.#begun === 0) this.#tailBytes += scanner.end - scanner.start;
    if (scanner.isLast) this.#ended += 1;
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
      tailBytes: this.#tailBytes,
      binds: this.#binds,
      monitors: this.#monitors,
      blocks: this.#blocks,
    };
    this.#from = 0;
    this.#to = 0;
    this.#begun = 0;
    this.#ended = 0;
    this.#tailBytes = 0;
    this.#binds = false;
    this.#monitors = false;
    this.#blocks = false;
    this.#forward(segment);
  }
}

const NOTHING = {
  begun: 0,
  ended: 0,
  tailBytes: 0,
  binds: false,
  monitors: false,
  blocks: false,
};

/** Bytes in which no commands can be told apart; the server will send one error for them. */
function opaque(bytes: Buffer): Segment {
  return { ...NOTHING, bytes, begun: 1, ended: 1, binds: true };
}

function viewOf(bytes: Uint8Array, from: number, to: number): Buffer {
  if (from === 0 && to === bytes.length && Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from);
}
