/**
 * Structured log lines on stdout: JSON, or text for a person when stdout is a terminal.
 *
 * An event is `room.verb` with facts, never prose: `raft.elected term=7 tookMs=41`. The same
 * warning said again within a while is counted, and the count goes with the next one.
 */
import { type DestinationStream, pino } from 'pino';
import pretty from 'pino-pretty';

export type Facts = Readonly<Record<string, unknown>>;

export interface Journal {
  debug(event: string, facts?: Facts): void;
  info(event: string, facts?: Facts): void;
  warn(event: string, facts?: Facts): void;
  error(event: string, facts?: Facts): void;
  /** Writes out what is still in memory; before the process leaves by itself. */
  flush(): void;
}

export type JournalLevel = 'debug' | 'info' | 'warn' | 'error';

export interface JournalOptions {
  /** The deployment's. */
  readonly name: string;
  readonly node: string;
  readonly level?: JournalLevel;
  /** Instead of stdout. */
  readonly destination?: DestinationStream;
  readonly nowMs?: () => number;
}

/** The wall clock, for what people read: nothing is decided by it. */
export function timeForPeopleMs(): number {
  return Date.now();
}

/** Long enough that a loop which fails twice a second does not fill a disk. */
const REPEAT_WINDOW_MS = 10_000;
/** Different warnings remembered; beyond it the oldest is forgotten and may be said again. */
const REPEATS_REMEMBERED_MAX = 256;
/** Lines wait here when nobody reads stdout; then they are dropped, so that the agent never is. */
const BUFFER_BYTES_MAX = 4 * 1024 * 1024;

export function createJournal(options: JournalOptions): Journal {
  const { destination, flush } = options.destination
    ? { destination: options.destination, flush: () => {} }
    : stdoutDestination();
  const logger = pino(
    {
      base: { name: options.name, node: options.node },
      level: options.level ?? 'info',
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const repeats = new Repeats(options.nowMs ?? Date.now);
  return {
    debug: (event, facts = {}) => logger.debug(plain(facts), event),
    info: (event, facts = {}) => logger.info(plain(facts), event),
    warn: (event, facts = {}) => {
      const said = repeats.admit(event, plain(facts));
      if (said !== null) logger.warn(said, event);
    },
    error: (event, facts = {}) => {
      const said = repeats.admit(event, plain(facts));
      if (said !== null) logger.error(said, event);
    },
    flush,
  };
}

function stdoutDestination(): { destination: DestinationStream; flush: () => void } {
  if (process.stdout.isTTY) {
    const options = { messageKey: 'event', ignore: 'pid,hostname,name', sync: true };
    const colorize = process.env['NO_COLOR'] === undefined;
    return { destination: pretty({ ...options, colorize }), flush: () => {} };
  }
  const stream = pino.destination({ fd: 1, sync: false, maxLength: BUFFER_BYTES_MAX });
  // Whoever read our lines is gone. What then happens to the agent is not the journal's to decide.
  stream.on('error', () => {});
  const flush = () => {
    try {
      stream.flushSync();
    } catch {
      // Not open yet, or nobody reads any more: there is no other place to say so.
    }
  };
  return { destination: stream, flush };
}

/** An Error has no enumerable facts; its message, code and causes are what a reader needs. */
function plain(facts: Facts): Facts {
  const shown: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(facts))
    shown[key] = value instanceof Error ? errorFacts(value) : value;
  return shown;
}

function errorFacts(error: Error): Facts {
  const { message, stack, cause } = error;
  const code = 'code' in error ? { code: error.code } : {};
  return {
    message,
    ...code,
    ...(cause instanceof Error ? { cause: cause.message } : {}),
    stack,
  };
}

/** Invariant: at most REPEATS_REMEMBERED_MAX entries, oldest first. */
class Repeats {
  readonly #seen = new Map<string, { saidAtMs: number; held: number }>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** The facts to say, with the number of repeats held back, or null when it was said just now. */
  admit(event: string, facts: Facts): Facts | null {
    const key = `${event} ${JSON.stringify(facts, bigintAsText)}`;
    const nowMs = this.#nowMs();
    const seen = this.#seen.get(key);
    if (seen !== undefined && nowMs - seen.saidAtMs < REPEAT_WINDOW_MS) {
      seen.held++;
      return null;
    }
    this.#seen.delete(key);
    this.#seen.set(key, { saidAtMs: nowMs, held: 0 });
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > REPEATS_REMEMBERED_MAX && oldest !== undefined) this.#seen.delete(oldest);
    return seen !== undefined && seen.held > 0 ? { ...facts, repeated: seen.held } : facts;
  }
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
