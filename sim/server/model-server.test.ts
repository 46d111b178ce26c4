import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { encodeCommand } from '../../src/core/resp/writer.ts';
import { testServer } from '../../test/contracts/server.ts';
import { modelBed } from '../../test/contracts/server-beds.ts';
import { randomSteps } from '../../test/contracts/server-random.ts';
import { Chance } from '../time.ts';
import type { Unit } from './engine.ts';
import { ModelServer, type ModelServerOptions } from './model-server.ts';

testServer('model of redis 7.0', modelBed('redis7', 1));
testServer('model of valkey 8.0', modelBed('valkey8', 2));

/** Servers that reach each other by port, in one clock. */
class Town {
  nowMs = 1_800_000_000_000;
  readonly #chance: Chance;
  readonly #servers = new Map<number, ModelServer>();

  constructor(seed = 1) {
    this.#chance = new Chance(seed, 'town');
  }

  server(port: number, primary: number | null, rest: Partial<ModelServerOptions> = {}) {
    const server = new ModelServer({
      flavor: 'redis7',
      entropy: () => this.#chance.uint32(),
      nowMs: () => this.nowMs,
      dial: (to, onBytes, onClosed) => {
        const primaryServer = this.#servers.get(to);
        if (primaryServer !== undefined) return primaryServer.connect(onBytes, onClosed);
        onClosed();
        return { write: () => undefined, close: () => undefined };
      },
      feed: primary === null ? null : { port: primary, user: 'agent', password: 'secret' },
      agent: { user: 'agent', password: 'secret' },
      clientPassword: null,
      ...rest,
    });
    this.#servers.set(port, server);
    return server;
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 100) {
      this.nowMs += 100;
      for (const server of this.#servers.values()) server.cron();
    }
  }
}

interface Said {
  text: string;
  isClosed: boolean;
  say(...words: readonly string[]): void;
}

function talkTo(server: ModelServer): Said {
  const said: Said = { text: '', isClosed: false, say: () => undefined };
  const wire = server.connect(
    (bytes) => {
      said.text += bytes.toString('latin1');
    },
    () => {
      said.isClosed = true;
    },
  );
  said.say = (...words) => wire.write(encodeCommand(words));
  return said;
}

/** The commands of a random script, over three connections. */
function sayAll(town: Town, server: ModelServer, seed: number): string {
  const talks = new Map([...'abc'].map((name) => [name, talkTo(server)]));
  for (const step of randomSteps(seed)) {
    const words = [...step.slice(2).matchAll(/"([^"]*)"|(\S+)/g)];
    talks.get(step[0] as string)?.say(...words.map(([, quoted, plain = '']) => quoted ?? plain));
    town.pass(100);
  }
  return [...talks.values()].map(({ text }) => text).join('');
}

test('whoever follows has the same digest at the same offset, also from a snapshot', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const town = new Town(seed);
    const primary = town.server(1, null);
    const first = town.server(2, 1);
    sayAll(town, primary, seed);
    const second = town.server(3, 1);
    town.pass(3_000);
    ok(first.isConnected && second.isConnected);
    deepEqual([first.offset, second.offset], [primary.offset, primary.offset]);
    deepEqual([first.digest, second.digest], [primary.digest, primary.digest]);
    // And when changes come on top of what has been summed up.
    sayAll(town, primary, seed + 1000);
    town.pass(300);
    deepEqual([first.digest, second.digest], [primary.digest, primary.digest]);
  }
});

test('the digest tells every kind of change, and does not depend on the way to it', () => {
  const town = new Town();
  const server = town.server(1, null);
  const { say } = talkTo(server);
  const empty = server.digest;
  const seen = new Set([empty]);
  const steps = [
    ['SET', 'a', '1'],
    ['SET', 'a', '2'],
    ['PEXPIREAT', 'a', '1900000000000'],
    ['PEXPIREAT', 'a', '1900000000001'],
    ['SELECT', '1'],
    ['RPUSH', 'l', 'x', 'y'],
    ['RPUSH', 'l', 'x'],
    ['SADD', 's', 'm', 'n'],
    ['SREM', 's', 'm'],
    ['HSET', 'h', 'f', 'v'],
    ['HSET', 'h', 'f', 'w'],
    ['SELECT', '2'],
    ['SET', 'a', '2'],
  ];
  for (const words of steps) {
    say(...words);
    if (words[0] !== 'SELECT') ok(!seen.has(server.digest), words.join(' '));
    seen.add(server.digest);
  }
  say('DEL', 'a');
  say('SELECT', '1');
  say('DEL', 'l', 's', 'h');
  say('SELECT', '0');
  notEqual(server.digest, empty);
  say('DEL', 'a');
  equal(server.digest, empty);
  say('SADD', 's', 'm', 'n');
  const one = server.digest;
  say('DEL', 's');
  say('SADD', 's', 'n', 'm');
  equal(server.digest, one);
  say('FLUSHALL');
  equal(server.digest, empty);
});

test('units follow each other without a gap, on both sides, and after a load from its offset', () => {
  const town = new Town();
  const units: Unit[] = [];
  const loads: number[] = [];
  const made: Unit[] = [];
  const primary = town.server(1, null, { onExecuted: (unit) => made.push(unit) });
  const follower = town.server(2, 1, {
    onExecuted: (unit) => units.push(unit),
    onLoaded: (offset) => loads.push(offset),
  });
  town.pass(3_000);
  deepEqual(loads, [0]);
  sayAll(town, primary, 7);
  for (const list of [made, units]) {
    for (const [i, unit] of list.entries()) {
      const next = list[i + 1]?.start ?? primary.offset;
      equal(unit.start + unit.bytes.length, next);
    }
  }
  ok(made.every(({ role }) => role === 'primary') && units.every(({ role }) => role === 'replica'));
  const whole = (list: readonly Unit[]): string =>
    Buffer.concat(list.map(({ bytes }) => bytes)).toString();
  equal(whole(units), whole(made));
  ok(units.some(({ bytes }) => bytes.toString().startsWith('*1\r\n$5\r\nMULTI')));
  equal(follower.offset, primary.offset);
});

test('the same chance and clock give the same bytes', () => {
  const run = (seed: number): string => {
    const town = new Town(seed);
    const primary = town.server(1, null);
    const follower = town.server(2, 1);
    const talk = talkTo(primary);
    talk.say('SADD', 's', ...'abcdefgh');
    town.pass(2_000);
    talk.say('SPOP', 's', '3');
    return `${sayAll(town, primary, 5)} ${talk.text} ${follower.replid} ${follower.digest}`;
  };
  equal(run(3), run(3));
  notEqual(run(3), run(4));
});

test('after a crash every connection is closed and nothing more is said', () => {
  const town = new Town();
  const units: Unit[] = [];
  const primary = town.server(1, null);
  const follower = town.server(2, 1, { onExecuted: (unit) => units.push(unit) });
  town.pass(3_000);
  const talk = talkTo(primary);
  const other = talkTo(follower);
  follower.crash();
  ok(other.isClosed);
  const heard = units.length;
  talk.say('SET', 'a', '1');
  other.say('ROLE');
  town.pass(3_000);
  equal(units.length, heard);
  equal(other.text, '');
  talk.say('ROLE');
  ok(talk.text.endsWith('*0\r\n'), 'the primary has lost its replica');
  const late = talkTo(follower);
  ok(late.isClosed);
});

test('what a callback writes runs after what is running', () => {
  const town = new Town();
  const server = town.server(1, null);
  const order: string[] = [];
  const wire = server.connect(
    (bytes) => {
      order.push(bytes.toString().trim());
      if (order.length > 1) return;
      wire.write(encodeCommand(['INCR', 'n']));
      order.push('written');
    },
    () => undefined,
  );
  wire.write(encodeCommand(['INCR', 'n']));
  deepEqual(order, [':1', 'written', ':2']);
});
