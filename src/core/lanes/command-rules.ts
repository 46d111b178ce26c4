/**
 * Which commands bind a session to its server connection, which are answered in another way, and
 * which are refused.
 *
 * A command that must not reach the server as it is goes there as an EVAL in its place, so that its
 * reply keeps its turn, is queued inside MULTI, speaks the session's protocol, and is the server's
 * own NOAUTH for a client that has not authenticated. The server's ACL is a second wall.
 *
 * Limit: `set_repl` (of `redis` and of Valkey's `server`) is found by its text, in EVAL, SCRIPT
 * LOAD and FUNCTION LOAD; by the latter two comes all code that EVALSHA and FCALL run, since
 * FUNCTION RESTORE is denied. A script that builds the name at run time is not found
 * (`facts/holes.md` H3).
 */

import { CommandNames } from '../resp/command-names.ts';
import { encodeCommand } from '../resp/writer.ts';
import {
  authEffect,
  clientEffect,
  helloEffect,
  selectEffect,
  streamReadEffect,
} from './connection-rules.ts';
import type { Effect } from './effect.ts';

/** What the agent says about single commands. */
export interface CommandRules {
  /** `REPLICAOF` or `CLIENT PAUSE`, in upper case, to the reason that the client is told. */
  readonly denied: ReadonlyMap<string, string>;
  /** Parameters, in lower case, that a client may `CONFIG SET`. */
  readonly configAllowed: ReadonlySet<string>;
  /** How many replicas hold what was written before a `WAIT asked …`, from agreed state. */
  waitReply(asked: number): number;
}

/** Null is a plain command, and a `read` one too; of a `judged` one the arguments decide. */
export type Trait = Effect | 'judged' | 'read' | null;

export type Verdict =
  | { readonly kind: 'pass'; readonly effect: Effect | null }
  | { readonly kind: 'replace'; readonly bytes: Buffer; readonly effect: Effect | null };

/** A command as the scanner tells it; `argument` is null for what is not there. */
export interface JudgedCommand {
  readonly name: string;
  readonly argc: number;
  readonly isWhole: boolean;
  argument(index: number): Buffer | null;
}

/** What a server's COMMAND says of one command. */
export interface ListedCommand {
  readonly name: string;
  readonly flags: ReadonlySet<string>;
}

const BINDING = [
  'QUIT',
  // The server takes them for the work of a web browser, and hangs up.
  ...['POST', 'HOST:'],
  // What they add to a connection comes unasked, or counts no replies.
  ...['SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE'],
  // Refused by every sensible table; without one they would not get one reply each.
  ...['SYNC', 'PSYNC', 'REPLCONF', 'SHUTDOWN', 'FAILOVER', 'DEBUG'],
];
const BLOCKING = [
  ...['BLPOP', 'BRPOP', 'BRPOPLPUSH', 'BLMOVE', 'BLMPOP', 'BZPOPMIN', 'BZPOPMAX', 'BZMPOP'], //
];
/**
 * Code of clients, with EVAL. Valkey 8.0 sends the text of an error that it raises as it is, line
 * ends and whole replies in it: to others on a lane they would be theirs.
 */
const RUNNING_CODE = ['EVALSHA', 'EVALSHA_RO', 'FCALL', 'FCALL_RO'];
const SIMPLE: readonly (readonly [string, Effect])[] = [
  ['MULTI', { kind: 'multi' }],
  ['EXEC', { kind: 'exec' }],
  ['DISCARD', { kind: 'exec' }],
  ['WATCH', { kind: 'watch' }],
  ['UNWATCH', { kind: 'unwatch' }],
  ['RESET', { kind: 'reset' }],
  ['MONITOR', { kind: 'monitors' }],
];
const JUDGED = [
  ...['WAIT', 'WAITAOF', 'CONFIG', 'CLIENT', 'EVAL', 'EVAL_RO', 'SCRIPT', 'FUNCTION', 'ACL'],
  ...['XREAD', 'XREADGROUP', 'SELECT', 'AUTH', 'HELLO', 'READONLY', 'READWRITE'],
];
/**
 * Noted by the server as unfit for scripts, and fit for a lane all the same: one reply each, and
 * nothing left in the connection.
 */
const PLAIN = new Set([
  ...['ASKING', 'SAVE', 'BGSAVE', 'BGREWRITEAOF', 'LASTSAVE', 'MODULE'],
  ...['REPLICAOF', 'SLAVEOF', 'ROLE', 'CLUSTER', 'SLOWLOG', 'LATENCY', 'MEMORY', 'COMMAND'],
  ...['MIGRATE', 'PFSELFTEST', 'PFDEBUG'],
  ...['RANDOMKEY', 'SPUBLISH', 'PUBLISH', 'RESTORE-ASKING', 'KEYS', 'INFO'],
]);

/**
 * What makes a read one that any copy may answer: it changes nothing, waits for nothing, and is
 * answered from the data alone. (PFCOUNT writes down what it has counted.)
 */
const READ_FLAG = 'readonly';
const NO_READ_FLAGS = ['write', 'blocking', 'noscript', 'may_replicate', 'pubsub', 'admin'];
/** A cursor is of one server: the next call may go to another. */
const ON_ONE_SERVER = new Set(['SCAN', 'SSCAN', 'HSCAN', 'ZSCAN']);

/** Asked behind a script on the same connection they would be read when it has ended (H6). */
const BESIDE_SCRIPTS = new Set(['SCRIPT KILL', 'FUNCTION KILL', 'FUNCTION STATS', 'SCRIPT DEBUG']);
const SET_REPL = Buffer.from('set_repl');
const SET_REPL_REASON =
  'redis.set_repl is not available: it would keep writes from being replicated';
const SET_ELSEWHERE =
  'is set by the deployment: a change on one server would be lost at a failover';
const TOO_LONG_REASON = 'this command is too long to be checked';

const OWN: Effect = { kind: 'own' };
const BLOCKS: Effect = { kind: 'blocks' };
const BINDS: Effect = { kind: 'binds' };
const GOVERNS: Effect = { kind: 'governs' };
const PASS: Verdict = { kind: 'pass', effect: null };
const PASS_OWN: Verdict = { kind: 'pass', effect: OWN };

export class CommandJudge {
  /** One table for the scanners of all sessions. */
  readonly names = new CommandNames();
  readonly isJudged = (name: string): boolean => this.#traits.get(name) === 'judged';
  readonly #rules: CommandRules;
  readonly #traits = new Map<string, Trait>();

  constructor(rules: CommandRules) {
    this.#rules = rules;
    for (const name of BINDING) this.#traits.set(name, BINDS);
    for (const name of BLOCKING) this.#traits.set(name, BLOCKS);
    for (const name of RUNNING_CODE) this.#traits.set(name, OWN);
    for (const [name, effect] of SIMPLE) this.#traits.set(name, effect);
    for (const name of JUDGED) this.#traits.set(name, 'judged');
    for (const command of rules.denied.keys()) {
      this.#traits.set(command.split(' ', 1)[0] as string, 'judged');
    }
  }

  /**
   * What the server says of its commands. What our tables do not know, and the server says may wait
   * or is not for scripts, does not ride a lane.
   */
  learn(commands: readonly ListedCommand[]): void {
    for (const { name, flags } of commands) {
      const upper = name.toUpperCase();
      const known = this.#traits.get(upper) ?? null;
      if (known !== null && known !== 'read') continue;
      if (isRead(upper, flags)) this.#traits.set(upper, 'read');
      else if (PLAIN.has(upper)) continue;
      else if (flags.has('blocking')) this.#traits.set(upper, BLOCKS);
      else if (flags.has('noscript')) this.#traits.set(upper, BINDS);
    }
  }

  /** Null for what is passed on, gets one reply and leaves nothing. `name` is in upper case. */
  traitOf(name: string): Trait {
    return this.#traits.get(name) ?? null;
  }

  /** Decides about a command whose trait is `judged`. */
  judge(command: JudgedCommand): Verdict {
    const { name } = command;
    const reason = this.#rules.denied.get(name);
    if (reason !== undefined) return refusal(name, reason);
    if (!command.isWhole) return judgeLong(command);
    const subcommand = subcommandOf(command);
    const subreason = this.#rules.denied.get(`${name} ${subcommand}`);
    if (subreason !== undefined) return refusal(`${name} ${subcommand}`, subreason);
    switch (name) {
      case 'EVAL':
      case 'EVAL_RO':
        return judgeScript(command, 1, PASS_OWN);
      case 'READONLY':
      case 'READWRITE':
        return judgeReads(command);
      case 'WAIT':
        return this.#judgeWait(command);
      case 'WAITAOF':
        return this.#judgeWaitAof(command);
      case 'CONFIG':
        return subcommand === 'SET' ? this.#judgeConfigSet(command) : PASS;
      case 'SCRIPT':
      case 'FUNCTION':
        return judgeCode(command, subcommand);
      default:
        return { kind: 'pass', effect: effectOf(command, subcommand) };
    }
  }

  #judgeConfigSet(command: JudgedCommand): Verdict {
    for (let index = 2; index < command.argc; index += 2) {
      const parameter = (command.argument(index) ?? EMPTY).toString('latin1').toLowerCase();
      if (!this.#rules.configAllowed.has(parameter)) {
        const shown = parameter.replace(/[^\x21-\x7e]/g, '?').slice(0, 64);
        return refusal('CONFIG SET', `'${shown}' ${SET_ELSEWHERE}`);
      }
    }
    return PASS;
  }

  /** What is no valid WAIT goes to the server, which knows how to say so and waits for nothing. */
  #judgeWait(command: JudgedCommand): Verdict {
    if (command.argc !== 3) return PASS;
    const asked = integerOf(command.argument(1));
    const timeout = integerOf(command.argument(2));
    if (asked === null || timeout === null || timeout < 0) return PASS;
    const bytes = evalOf(INTEGER_SCRIPT, this.#rules.waitReply(asked));
    return { kind: 'replace', bytes, effect: null };
  }

  /** The reply leaves when it is on a majority of disks: better than a local AOF. */
  #judgeWaitAof(command: JudgedCommand): Verdict {
    if (command.argc !== 4) return PASS;
    const local = integerOf(command.argument(1));
    const asked = integerOf(command.argument(2));
    const timeout = integerOf(command.argument(3));
    if (local === null || local < 0 || local > 1 || asked === null || timeout === null) return PASS;
    if (timeout < 0) return PASS;
    const bytes = evalOf(PAIR_SCRIPT, 1, this.#rules.waitReply(asked));
    return { kind: 'replace', bytes, effect: null };
  }
}

function effectOf(command: JudgedCommand, subcommand: string): Effect | null {
  switch (command.name) {
    case 'CLIENT':
      return clientEffect(command, subcommand);
    case 'SELECT':
      return selectEffect(command);
    case 'AUTH':
      return authEffect(command);
    case 'HELLO':
      return helloEffect(command);
    case 'XREAD':
    case 'XREADGROUP':
      return streamReadEffect(command);
    case 'ACL':
      return subcommand === 'WHOAMI' || subcommand === 'CAT' || subcommand === 'GENPASS'
        ? null
        : GOVERNS;
    default:
      return untouched(command.name);
  }
}

/** A command that is judged only because something else of its name is denied. */
function untouched(name: string): Effect | null {
  if (BINDING.includes(name)) return BINDS;
  if (BLOCKING.includes(name)) return BLOCKS;
  if (RUNNING_CODE.includes(name)) return OWN;
  return SIMPLE.find(([simple]) => simple === name)?.[1] ?? null;
}

/** Too long to be looked at as a whole. */
function judgeLong(command: JudgedCommand): Verdict {
  switch (command.name) {
    case 'EVAL':
    case 'EVAL_RO':
      return judgeScript(command, 1, PASS_OWN);
    case 'XREAD':
    case 'XREADGROUP':
      return { kind: 'pass', effect: BLOCKS };
    case 'AUTH':
    case 'HELLO':
    case 'SELECT':
      return { kind: 'pass', effect: BINDS };
    default:
      return refusal(command.name, TOO_LONG_REASON);
  }
}

/**
 * Of a server that is no cluster node they would be an error. Here they say who answers this
 * connection's reads: the node that it is connected to, or the leader.
 */
function judgeReads({ name, argc }: JudgedCommand): Verdict {
  if (argc !== 1) return PASS;
  const reads = name === 'READONLY' ? 'local' : 'leader';
  return { kind: 'replace', bytes: evalOf(OK_SCRIPT), effect: { kind: 'reads', reads } };
}

function isRead(name: string, flags: ReadonlySet<string>): boolean {
  if (!flags.has(READ_FLAG) || ON_ONE_SERVER.has(name)) return false;
  return !NO_READ_FLAGS.some((flag) => flags.has(flag));
}

function judgeCode(command: JudgedCommand, subcommand: string): Verdict {
  if (subcommand === 'LOAD' || subcommand === 'RESTORE') return judgeScript(command, 2, PASS);
  const isBeside = BESIDE_SCRIPTS.has(`${command.name} ${subcommand}`);
  return { kind: 'pass', effect: isBeside ? OWN : null };
}

function subcommandOf(command: JudgedCommand): string {
  const word = command.argument(1);
  return word === null ? '' : upperCase(word);
}

const EMPTY = Buffer.alloc(0);
// Constant scripts with the answer as an argument: the server caches every script it has seen.
const ERROR_SCRIPT = 'return redis.error_reply(ARGV[1])';
const INTEGER_SCRIPT = 'return tonumber(ARGV[1])';
const OK_SCRIPT = "return redis.status_reply('OK')";
const PAIR_SCRIPT = 'return {tonumber(ARGV[1]), tonumber(ARGV[2])}';

function refusal(command: string, reason: string): Verdict {
  const bytes = evalOf(ERROR_SCRIPT, `NOPERM ${command}: ${reason}`);
  return { kind: 'replace', bytes, effect: null };
}

/** `from` is the first argument that may hold script text. */
function judgeScript(command: JudgedCommand, from: number, verdict: Verdict): Verdict {
  const to = from === 1 ? 2 : command.argc;
  for (let index = from; index < to; index++) {
    const text = command.argument(index);
    if (text === null && !command.isWhole) return refusal(command.name, TOO_LONG_REASON);
    if (text?.includes(SET_REPL)) return refusal(command.name, SET_REPL_REASON);
  }
  return verdict;
}

function evalOf(script: string, ...values: readonly (string | number)[]): Buffer {
  return encodeCommand(['EVAL', script, '0', ...values.map(String)]);
}

/** Up to a NUL byte, as the server compares (`CommandNames`). */
function upperCase(word: Buffer): string {
  const nul = word.indexOf(0);
  const text = nul < 0 ? word : word.subarray(0, nul);
  // Longer than any subcommand is none; the server will say so.
  return text.length > 64 ? '' : text.toString('latin1').toUpperCase();
}

/** As the server reads integers: no plus sign, no leading zeros. */
function integerOf(word: Buffer | null): number | null {
  if (word === null || word.length > 20) return null;
  const text = word.toString('latin1');
  return /^(0|-?[1-9][0-9]*)$/.test(text) ? Number(text) : null;
}
