/**
 * The file that takes an agent's output: its JSON log, and what it says when it crashes.
 *
 * The agent writes to the descriptor itself, so nothing is lost when `up` is slow or gone. To keep
 * it within its bound the file is copied aside and cut; lines written in between may be missing
 * from both.
 */
import { closeSync, copyFileSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';

/** Two files of this size per node: hours of normal life, and no surprise on a small disk. */
const BYTES_MAX = 16 * 1024 * 1024;
/** Enough for the last line of a crash: a JSON line with a message and its stack. */
const TAIL_BYTES = 16 * 1024;
/** What Node prints below the message of an error. */
const STACK = /^\s*$|^\s+at |^[{}]$|^ {2}\w+: |^Node\.js v/;

export class AgentLog {
  readonly path: string;
  readonly descriptor: number;
  readonly #bytesMax: number;
  #isOpen = true;

  constructor(path: string, bytesMax = BYTES_MAX) {
    this.path = path;
    this.#bytesMax = bytesMax;
    this.descriptor = openSync(path, 'a+', 0o600);
  }

  /** Call now and then. */
  rotate(): void {
    if (fstatSync(this.descriptor).size <= this.#bytesMax) return;
    copyFileSync(this.path, `${this.path}.1`);
    ftruncateSync(this.descriptor, 0);
  }

  position(): number {
    return fstatSync(this.descriptor).size;
  }

  /** The last thing written after `from`: of a JSON line its event and reason, else the line. */
  lastWords(from: number): string {
    const size = this.position();
    const begin = Math.max(from, size - TAIL_BYTES);
    if (begin >= size) return '';
    const bytes = Buffer.alloc(size - begin);
    readSync(this.descriptor, bytes, 0, bytes.length, begin);
    const lines = bytes.toString('utf8').split('\n');
    return messageOf(lines.findLast((line) => !STACK.test(line)) ?? '');
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.descriptor);
  }
}

function messageOf(line: string): string {
  try {
    const facts = JSON.parse(line) as Record<string, unknown>;
    const told = ['event', 'error', 'text', 'why', 'todo'].map((key) => wordsOf(facts[key]));
    return told.filter((each) => each !== '').join(': ') || line;
  } catch {
    return line;
  }
}

/** An error is logged as an object with its message. */
function wordsOf(fact: unknown): string {
  if (typeof fact === 'string') return fact;
  if (typeof fact !== 'object' || fact === null || !('message' in fact)) return '';
  return typeof fact.message === 'string' ? fact.message : '';
}
