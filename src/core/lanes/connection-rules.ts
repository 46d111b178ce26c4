/**
 * What the arguments of a command say about its effect on the connection it comes in on.
 *
 * What is not understood here is refused by the server too, and changes nothing; where that is not
 * certain the command binds.
 */

import type { JudgedCommand } from './command-rules.ts';
import type { Credentials, Effect } from './effect.ts';

const BINDS: Effect = { kind: 'binds' };
const BLOCKS: Effect = { kind: 'blocks' };
const OWN: Effect = { kind: 'own' };

/** About other connections: the reply is the same on any. */
const CLIENT_PLAIN = new Set(['UNBLOCK', 'HELP']);
/** About this connection or all, and nothing is left behind. */
const CLIENT_OWN = new Set(
  ['INFO', 'LIST', 'GETNAME', 'GETREDIR', 'TRACKINGINFO', 'KILL', 'PAUSE', 'UNPAUSE'], //
);
/** What sets a client apart may be as long as its server lets it; longer is not remembered. */
const REMEMBERED_BYTES_MAX = 1024;
/** Options of XREAD and XREADGROUP that do not make it wait, with the words that they take. */
const STREAM_OPTIONS: ReadonlyMap<string, number> = new Map([
  ['GROUP', 3],
  ['COUNT', 2],
  ['NOACK', 1],
]);

export function clientEffect(command: JudgedCommand, subcommand: string): Effect | null {
  if (CLIENT_PLAIN.has(subcommand)) return null;
  if (CLIENT_OWN.has(subcommand)) return OWN;
  if (subcommand === 'SETNAME') {
    const name = remembered(command, 2);
    return name === null ? BINDS : { kind: 'name', name };
  }
  if (subcommand === 'SETINFO') {
    const [attribute, value] = [remembered(command, 2), remembered(command, 3)];
    if (attribute === null || value === null) return BINDS;
    return { kind: 'info', attribute: attribute.toString('latin1').toUpperCase(), value };
  }
  // ID among them: who asks for it means to use it, and it must stay true.
  return BINDS;
}

export function selectEffect(command: JudgedCommand): Effect {
  const text = remembered(command, 1)?.toString('latin1') ?? '';
  return /^[0-9]{1,9}$/.test(text) ? { kind: 'select', db: Number(text) } : BINDS;
}

export function authEffect(command: JudgedCommand): Effect {
  const words: Buffer[] = [];
  for (let index = 1; index < command.argc && index < 3; index++) {
    const word = remembered(command, index);
    if (word === null) return BINDS;
    words.push(word);
  }
  return { kind: 'auth', credentials: { words } };
}

export function helloEffect(command: JudgedCommand): Effect {
  if (command.argc === 1) return OWN;
  const version = remembered(command, 1)?.toString('latin1');
  if (version !== '2' && version !== '3') return BINDS;
  let credentials: Credentials | null = null;
  let name: Buffer | null = null;
  for (let index = 2; index < command.argc; ) {
    const option = remembered(command, index)?.toString('latin1').toUpperCase();
    const [first, second] = [remembered(command, index + 1), remembered(command, index + 2)];
    if (option === 'AUTH' && first !== null && second !== null) {
      credentials = { words: [first, second] };
      index += 3;
    } else if (option === 'SETNAME' && first !== null) {
      name = first;
      index += 2;
    } else {
      return BINDS;
    }
  }
  return { kind: 'hello', protocol: version === '2' ? 2 : 3, credentials, name };
}

/** Without BLOCK it answers at once. What is not known here may wait. */
export function streamReadEffect(command: JudgedCommand): Effect | null {
  for (let index = 1; index < command.argc; ) {
    const word = command.argument(index);
    const text = word !== null && word.length < 8 ? word.toString('latin1').toUpperCase() : '';
    const words = STREAM_OPTIONS.get(text);
    if (text === 'STREAMS') return null;
    if (words === undefined) return BLOCKS;
    index += words;
  }
  return null;
}

/** A copy: what a command came in is not to be kept for it. */
function remembered(command: JudgedCommand, index: number): Buffer | null {
  const word = command.argument(index);
  return word === null || word.length > REMEMBERED_BYTES_MAX ? null : Buffer.from(word);
}
