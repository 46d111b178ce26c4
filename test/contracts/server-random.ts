/** Commands at random, for what nobody thought of: a server and its model must tell the same. */
import { Chance } from '../../sim/time.ts';

const KEYS = ['k1', 'k2', 'k3', 'k4', 'k5'];
const VALUES = ['v', '1', '-7', 'x y', '', '9223372036854775807'];
const CLIENTS = ['a', 'b', 'c'];
/** Of a script: enough that keys change their kind often. */
const STEPS = 150;

type Make = (chance: Chance) => readonly string[];

const COMMANDS: readonly Make[] = [
  (chance) => ['SET', key(chance), value(chance)],
  (chance) => ['SET', key(chance), value(chance), chance.pick(['NX', 'XX', 'GET', 'KEEPTTL'])],
  (chance) => ['SET', key(chance), value(chance), 'PX', '500000'],
  (chance) => ['GET', key(chance)],
  (chance) => ['APPEND', key(chance), value(chance)],
  (chance) => ['INCR', key(chance)],
  (chance) => ['INCRBY', key(chance), chance.pick(['5', '-5', 'x', '9223372036854775807'])],
  (chance) => ['DEL', key(chance), key(chance)],
  (chance) => ['EXISTS', key(chance), key(chance)],
  (chance) => ['PEXPIRE', key(chance), chance.pick(['600000', '-1', '0', 'x'])],
  (chance) => ['PERSIST', key(chance)],
  (chance) => ['RPUSH', key(chance), value(chance), value(chance)],
  (chance) => ['LPUSH', key(chance), value(chance)],
  (chance) => ['LPOP', key(chance), ...chance.pick([[], ['2'], ['0'], ['-1']])],
  (chance) => ['RPOP', key(chance)],
  (chance) => ['LRANGE', key(chance), '0', '-1'],
  (chance) => ['LLEN', key(chance)],
  (chance) => ['BLPOP', key(chance), key(chance), '0.02'],
  (chance) => ['SADD', key(chance), chance.pick(['p', 'q']), chance.pick(['p', 'r'])],
  (chance) => ['SREM', key(chance), chance.pick(['p', 'q']), chance.pick(['p', 'r'])],
  (chance) => ['SISMEMBER', key(chance), 'p'],
  (chance) => ['SCARD', key(chance)],
  (chance) => ['HSET', key(chance), chance.pick(['f', 'g']), value(chance)],
  (chance) => ['HDEL', key(chance), chance.pick(['f', 'g'])],
  (chance) => ['HGET', key(chance), 'f'],
  (chance) => ['HLEN', key(chance)],
  (chance) => ['HINCRBY', key(chance), 'f', '3'],
  (chance) => ['SELECT', chance.pick(['0', '1', '9', '99'])],
  (chance) => ['PUBLISH', 'c', value(chance)],
  (chance) => ['WATCH', key(chance)],
  () => ['UNWATCH'],
  () => ['MULTI'],
  () => ['MULTI'],
  () => ['EXEC'],
  () => ['EXEC'],
  () => ['DISCARD'],
  () => ['DBSIZE'],
  (chance) => [chance.pick(['FLUSHALL', 'flushall', 'NOSUCH', 'GET', 'EXEC', 'PING', 'TYPE'])],
  (chance) => ['TYPE', key(chance)],
];

function key(chance: Chance): string {
  return chance.pick(KEYS);
}

function value(chance: Chance): string {
  return chance.pick(VALUES);
}

/** Steps as `play` takes them. */
export function randomSteps(seed: number): string[] {
  const chance = new Chance(seed, 'commands');
  return Array.from({ length: STEPS }, () => {
    const words = chance.pick(COMMANDS)(chance);
    const said = words.map((word) => (/^\S+$/.test(word) ? word : `"${word}"`));
    return `${chance.pick(CLIENTS)} ${said.join(' ')}`;
  });
}
