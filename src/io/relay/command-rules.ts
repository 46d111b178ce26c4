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
import { CommandNames } from '../../core/resp/command-names.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import type { CommandRules } from './options.ts';

/**
 * - `binds`: leaves state in the connection, or does not get exactly one reply.
 * - `monitors`: binds, and its replies show the agent's own fence.
 * - `blocks`: its reply may come much later; the server must learn when the client hangs up.
 * - `judged`: the arguments decide.
 */
export type Trait = 'binds' | 'monitors' | 'blocks' | 'judged';

export type Verdict =
  | { readonly kind: 'pass'; readonly trait: Trait | undefined }
  | { readonly kind: 'replace'; readonly bytes: Buffer };

/** A command as the scanner tells it; `argument` is null for what is not there. */
export interface JudgedCommand {
  readonly name: string;
  readonly argc: number;
  readonly isWhole: boolean;
  argument(index: number): Buffer | null;
}

const BINDING = [
  ...['AUTH', 'HELLO', 'SELECT', 'MULTI', 'WATCH', 'RESET', 'QUIT'],
  ...['READONLY', 'READWRITE', 'ASKING'],
  ...['SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE'],
  // Refused by every sensible table; without one they would not get one reply each.
  ...['SYNC', 'PSYNC', 'REPLCONF', 'SHUTDOWN'],
];
const BLOCKING = [
  ...['BLPOP', 'BRPOP', 'BRPOPLPUSH', 'BLMOVE', 'BLMPOP', 'BZPOPMIN', 'BZPOPMAX', 'BZMPOP'],
  ...['XREAD', 'XREADGROUP'],
];
const JUDGED = ['WAIT', 'WAITAOF', 'CONFIG', 'CLIENT', 'EVAL', 'EVAL_RO', 'SCRIPT', 'FUNCTION'];

/** Subcommands of CLIENT that leave nothing behind, or nothing that changes an answer. */
const CLIENT_PLAIN = new Set(
  ['SETNAME', 'SETINFO', 'ID', 'INFO', 'LIST', 'GETNAME', 'GETREDIR', 'TRACKINGINFO'], //
);

const SET_REPL = Buffer.from('set_repl');
const SET_REPL_REASON =
  'redis.set_repl is not available: it would keep writes from being replicated';
const SET_ELSEWHERE =
  'is set by the deployment: a change on one server would be lost at a failover';
const TOO_LONG_REASON = 'this command is too long to be checked';

const PASS: Verdict = { kind: 'pass', trait: undefined };
const BINDS: Verdict = { kind: 'pass', trait: 'binds' };

export class CommandJudge {
  /** One table for the scanners of all sessions. */
  readonly names = new CommandNames();
  readonly isJudged = (name: string): boolean => this.#traits.get(name) === 'judged';
  readonly #rules: CommandRules;
  readonly #traits = new Map<string, Trait>();
  /** What a judged command is when nothing speaks against it. */
  readonly #defaults = new Map<string, Verdict>();

  constructor(rules: CommandRules) {
    this.#rules = rules;
    for (const name of BINDING) this.#traits.set(name, 'binds');
    for (const name of BLOCKING) this.#traits.set(name, 'blocks');
    this.#traits.set('MONITOR', 'monitors');
    for (const [name, trait] of this.#traits) this.#defaults.set(name, { kind: 'pass', trait });
    for (const name of JUDGED) this.#traits.set(name, 'judged');
    for (const command of rules.denied.keys()) {
      this.#traits.set(command.split(' ', 1)[0] as string, 'judged');
    }
  }

  /** Undefined for what is passed on and gets one reply. `name` is in upper case. */
  traitOf(name: string): Trait | undefined {
    return this.#traits.get(name);
  }

  /** Decides about a command whose trait is `judged`. */
  judge(command: JudgedCommand): Verdict {
    const { name } = command;
    const reason = this.#rules.denied.get(name);
    if (reason !== undefined) return refusal(name, reason);
    if (!command.isWhole && name !== 'EVAL' && name !== 'EVAL_RO') {
      return refusal(name, TOO_LONG_REASON);
    }
    const first = command.argument(1);
    if (name === 'EVAL' || name === 'EVAL_RO') return judgeScript(command, 1);
    if (name === 'WAIT') return this.#judgeWait(command);
    if (name === 'WAITAOF') return this.#judgeWaitAof(command);
    if (first === null) return name === 'CLIENT' ? BINDS : this.#defaultOf(name);
    const subcommand = upperCase(first);
    const subreason = this.#rules.denied.get(`${name} ${subcommand}`);
    if (subreason !== undefined) return refusal(`${name} ${subcommand}`, subreason);
    return this.#judgeSubcommand(command, subcommand);
  }

  #judgeSubcommand(command: JudgedCommand, subcommand: string): Verdict {
    switch (`${command.name} ${subcommand}`) {
      case 'CONFIG SET':
        return this.#judgeConfigSet(command);
      case 'SCRIPT LOAD':
      case 'FUNCTION LOAD':
      case 'FUNCTION RESTORE':
        return judgeScript(command, 2);
      default:
        if (command.name !== 'CLIENT') return this.#defaultOf(command.name);
        return CLIENT_PLAIN.has(subcommand) ? PASS : BINDS;
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
    return { kind: 'replace', bytes: evalOf(INTEGER_SCRIPT, this.#rules.waitReply(asked)) };
  }

  /** The reply leaves when it is on a majority of disks: better than a local AOF. */
  #judgeWaitAof(command: JudgedCommand): Verdict {
    if (command.argc !== 4) return PASS;
    const local = integerOf(command.argument(1));
    const asked = integerOf(command.argument(2));
    const timeout = integerOf(command.argument(3));
    if (local === null || local < 0 || local > 1 || asked === null || timeout === null) return PASS;
    if (timeout < 0) return PASS;
    return { kind: 'replace', bytes: evalOf(PAIR_SCRIPT, 1, this.#rules.waitReply(asked)) };
  }

  #defaultOf(name: string): Verdict {
    return this.#defaults.get(name) ?? PASS;
  }
}

const EMPTY = Buffer.alloc(0);
// Constant scripts with the answer as an argument: the server caches every script it has seen.
const ERROR_SCRIPT = 'return redis.error_reply(ARGV[1])';
const INTEGER_SCRIPT = 'return tonumber(ARGV[1])';
const PAIR_SCRIPT = 'return {tonumber(ARGV[1]), tonumber(ARGV[2])}';

function refusal(command: string, reason: string): Verdict {
  return { kind: 'replace', bytes: evalOf(ERROR_SCRIPT, `NOPERM ${command}: ${reason}`) };
}

/** `from` is the first argument that may hold script text. */
function judgeScript(command: JudgedCommand, from: number): Verdict {
  const to = from === 1 ? 2 : command.argc;
  for (let index = from; index < to; index++) {
    const text = command.argument(index);
    if (text === null && !command.isWhole) return refusal(command.name, TOO_LONG_REASON);
    if (text?.includes(SET_REPL)) return refusal(command.name, SET_REPL_REASON);
  }
  return PASS;
}

function evalOf(script: string, ...values: readonly (string | number)[]): Buffer {
  return encodeCommand(['EVAL', script, '0', ...values.map(String)]);
}

function upperCase(word: Buffer): string {
  // Longer than any subcommand is none; the server will say so.
  return word.length > 64 ? '' : word.toString('latin1').toUpperCase();
}

/** As the server reads integers: no plus sign, no leading zeros. */
function integerOf(word: Buffer | null): number | null {
  if (word === null || word.length > 20) return null;
  const text = word.toString('latin1');
  return /^(0|-?[1-9][0-9]*)$/.test(text) ? Number(text) : null;
}
