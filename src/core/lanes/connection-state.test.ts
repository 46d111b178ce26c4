import { deepEqual, equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConnectionState } from './connection-state.ts';
import type { Credentials, Effect } from './effect.ts';

const CREDENTIALS: Credentials = { words: [Buffer.from('u'), Buffer.from('p')] };
const SELECT: Effect = { kind: 'select', db: 2 };
const AUTH: Effect = { kind: 'auth', credentials: CREDENTIALS };
const HELLO: Effect = { kind: 'hello', protocol: 3, credentials: CREDENTIALS, name: null };
const NAME: Effect = { kind: 'name', name: Buffer.from('n') };
const MULTI: Effect = { kind: 'multi' };
const EXEC: Effect = { kind: 'exec' };

function after(...told: readonly (readonly [Effect | null, string])[]): ConnectionState {
  const state = new ConnectionState();
  for (const [effect] of told) state.sent(effect, 1);
  for (const [, reply] of told) state.read(Buffer.from(reply));
  return state;
}

const replayOf = (state: ConnectionState): string => Buffer.concat(state.replay()).toString();

describe('the state of a connection', () => {
  test('is what the server said yes to, in the order of its replies', () => {
    const state = after(
      [AUTH, '+OK\r\n'],
      [SELECT, '+OK\r\n'],
      [NAME, '+OK\r\n'],
      [null, '+x\r\n'],
    );
    equal(state.key, '2/2/=dQ=cA');
    equal(
      replayOf(state),
      '*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n' +
        '*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1\r\nn\r\n',
    );
    equal(state.isFree, true);
    equal(after([HELLO, '%0\r\n']).key, '3/0/=dQ=cA');
    const old: Effect = {
      kind: 'auth',
      credentials: { words: [Buffer.from('u'), Buffer.from('o')] },
    };
    equal(after([old, '+OK\r\n']).key, '2/0/=dQ=bw');
    equal(after([AUTH, '+OK\r\n'], [{ kind: 'reset' }, '+RESET\r\n']).key, '2/0/');
  });

  test('does not change by what was refused', () => {
    const state = after([AUTH, '-WRONGPASS\r\n'], [SELECT, '-ERR\r\n'], [NAME, '-ERR\r\n']);
    deepEqual([state.key, replayOf(state), state.isFree], ['2/0/', '', true]);
  });

  test('is not known when a greeting of several parts was refused', () => {
    equal(after([HELLO, '-WRONGPASS\r\n']).isBound, true);
    const bare: Effect = { kind: 'hello', protocol: 3, credentials: null, name: null };
    equal(after([bare, '-NOPROTO\r\n']).isBound, false);
  });

  test('is free again when the transaction is over, and bound when it changed within', () => {
    equal(after([MULTI, '+OK\r\n']).isFree, false);
    equal(after([MULTI, '+OK\r\n'], [null, '+QUEUED\r\n'], [EXEC, '*1\r\n+OK\r\n']).isFree, true);
    equal(
      after([MULTI, '+OK\r\n'], [SELECT, '+QUEUED\r\n'], [EXEC, '*1\r\n+OK\r\n']).isBound,
      true,
    );
    equal(after([MULTI, '+OK\r\n'], [EXEC, '-NOPERM\r\n']).isBound, true);
    equal(after([MULTI, '-NOAUTH\r\n']).isFree, true);
    equal(after([{ kind: 'watch' }, '+OK\r\n']).isFree, false);
    equal(after([{ kind: 'watch' }, '+OK\r\n'], [{ kind: 'unwatch' }, '+OK\r\n']).isFree, true);
  });

  test('is not known after a push, a reply too many, or bytes that are no reply', () => {
    for (const bytes of ['>1\r\n+x\r\n', '+1\r\n+2\r\n', '!\n'])
      equal(after([null, bytes]).isBound, true, bytes);
  });

  test('without its connection is what it is, and in the middle of nothing', () => {
    const state = after([SELECT, '+OK\r\n'], [MULTI, '+OK\r\n'], [null, '$9\r\nhalf']);
    equal(state.isFree, false);
    state.lost();
    deepEqual([state.isFree, state.key, state.owed], [true, '2/2/', 0]);
    state.sent(null, 1);
    equal(state.read(Buffer.from('+whole\r\n')), 1);
  });
});
