/** The few scripts that the model knows, by their text: a server would run any. */
import { writeRefusal } from './admission.ts';
import type { Client } from './client.ts';
import type { Engine } from './engine.ts';
import { integer, integerOf, OK, Refusal } from './resp.ts';

/** Sets KEYS[1] to ARGV[2] when it is ARGV[1]; 1 or 0. */
export const COMPARE_AND_SET =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then " +
  "redis.call('SET', KEYS[1], ARGV[2]) return 1 else return 0 end";
/** Two effects in one unit. */
export const SET_BOTH =
  "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[1]) return 1";
/** Appends to two lists at once. */
export const PUSH_BOTH =
  "redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('RPUSH', KEYS[2], ARGV[1]) return 1";
/** Fails, and what it has written stays (`facts/engine.md` §0, 4). */
export const SET_AND_FAIL =
  "redis.call('SET', KEYS[1], ARGV[1]) return redis.error_reply('FAILED on purpose')";

/** What the agent has the server run in place of READONLY and READWRITE. */
const SAY_OK = "return redis.status_reply('OK')";

type Call = (...words: readonly string[]) => string;
type Script = (call: Call, keys: readonly string[], args: readonly string[]) => string;

const SCRIPTS: ReadonlyMap<string, Script> = new Map<string, Script>([
  [
    COMPARE_AND_SET,
    (call, [key = ''], [wanted = '', next = '']) => {
      if (call('GET', key) !== `$${wanted.length}\r\n${wanted}\r\n`) return integer(0);
      call('SET', key, next);
      return integer(1);
    },
  ],
  [
    SET_BOTH,
    (call, [one = '', two = ''], [text = '']) => {
      call('SET', one, text);
      call('SET', two, text);
      return integer(1);
    },
  ],
  [
    PUSH_BOTH,
    (call, [one = '', two = ''], [text = '']) => {
      call('RPUSH', one, text);
      call('RPUSH', two, text);
      return integer(1);
    },
  ],
  [SAY_OK, () => OK],
  [
    SET_AND_FAIL,
    (call, [key = ''], [text = '']) => {
      call('SET', key, text);
      return '-FAILED on purpose\r\n';
    },
  ],
]);

/** The server names the script by its SHA-1 in errors; nobody reads it. */
const NAME = `script: ${'0'.repeat(40)}, on @user_script:1.`;

export function evaluate(engine: Engine, client: Client, words: readonly string[]): string {
  const script = SCRIPTS.get(words[1] as string);
  if (script === undefined) throw new Refusal('ERR the model does not know this script');
  const count = integerOf(words[2]);
  if (count > words.length - 3) {
    throw new Refusal("ERR Number of keys can't be greater than number of args");
  }
  const call: Call = (...called) => {
    const command = engine.commandOf(called);
    if (command === undefined) throw new Refusal(`ERR Unknown command called from script ${NAME}`);
    const refusal = command.isWrite ? writeRefusal(engine, client) : null;
    const reply = refusal === null ? engine.run(client, command, called) : `-${refusal}\r\n`;
    if (reply.startsWith('-')) throw new Refusal(`${reply.slice(1, -2)} ${NAME}`);
    return reply;
  };
  return script(call, words.slice(3, 3 + count), words.slice(3 + count));
}
