/**
 * Commands of the Sentinel door to replies: the words are Sentinel's, and so are the errors.
 *
 * Reading is open to whoever reaches the port, as over HTTP; where clients have a password, whoever
 * orders something must have given it.
 */
import { failure, OK, type ReplyValue } from '../../core/resp/reply-value.ts';
import { type Caller, SUBSCRIPTIONS_MAX } from './caller.ts';
import { COMMANDS, commandInfo, unknownCommand } from './command-table.ts';
import type { Scene } from './fields.ts';
import { type DoorStats, infoText } from './info-text.ts';
import { answerSentinel, type SentinelDesk } from './subcommands.ts';

export interface Desk extends SentinelDesk {
  /** Of the clients; null: there is none. */
  readonly password: string | null;
  stats(): DoorStats;
  callers(): Iterable<Caller>;
  nowMs(): number;
}

interface Call {
  readonly words: readonly string[];
  readonly rest: readonly string[];
  readonly caller: Caller;
  readonly desk: Desk;
}

/** Replies in order: subscribing to two channels has two. */
export type Replies = readonly ReplyValue[];
export type Answer = ReplyValue | Promise<ReplyValue> | { readonly kind: 'several'; all: Replies };

const ANSWERS: Readonly<Record<string, (call: Call) => Answer>> = {
  ping,
  hello,
  auth,
  client,
  command,
  acl,
  info: ({ rest, desk }) => {
    const scene = desk.scene();
    return infoText(rest, scene, desk.names(scene), desk.stats());
  },
  role: ({ desk }) => ['sentinel', mastersOf(desk, desk.scene())],
  sentinel: ({ rest, caller, desk }) =>
    answerSentinel(rest, { desk, mayChange: desk.password === null || caller.isKnown }),
  subscribe: (call) => subscribe(call, 'subscribe', call.caller.channels),
  psubscribe: (call) => subscribe(call, 'psubscribe', call.caller.patterns),
  unsubscribe: (call) => unsubscribe(call, 'unsubscribe', call.caller.channels),
  punsubscribe: (call) => unsubscribe(call, 'punsubscribe', call.caller.patterns),
  publish: ({ rest }) =>
    failure(
      rest[0] === '__sentinel__:hello'
        ? 'ERR HELLO messages are refused: the nodes of a deployment know one another'
        : 'ERR Only HELLO messages are accepted by Sentinel instances.',
    ),
  shutdown: () => failure('ERR SHUTDOWN is refused: it is the agent that would have to stop'),
};
/** RESP2 cannot tell a reply from a message, so that a subscriber may ask for little. */
const AMID_MESSAGES = ['subscribe', 'unsubscribe', 'psubscribe', 'punsubscribe', 'ping'];

/** `words` is not empty. */
export function answer(words: readonly string[], caller: Caller, desk: Desk): Answer {
  const [given = '', ...rest] = words;
  const name = given.toLowerCase();
  const facts = COMMANDS.get(name);
  const run = ANSWERS[name];
  if (facts === undefined || run === undefined) return failure(unknownCommand(words));
  const { arity } = facts;
  if (arity < 0 ? words.length < -arity : words.length !== arity) return wrongArity(name);
  if (caller.protocol === 2 && caller.subscriptions > 0 && !AMID_MESSAGES.includes(name))
    return failure(
      `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET ` +
        'are allowed in this context',
    );
  caller.command = name;
  return run({ words, rest, caller, desk });
}

function wrongArity(name: string): ReplyValue {
  return failure(`ERR wrong number of arguments for '${name}' command`);
}

function unknownSubcommand(command: string, given: string): ReplyValue {
  const shown = given.slice(0, 128);
  return failure(`ERR unknown subcommand '${shown}'. Try ${command} HELP.`);
}

function mastersOf(desk: Desk, scene: Scene): readonly string[] {
  return scene.topology.primary === null ? [] : desk.names(scene);
}

function ping({ rest, caller }: Call): ReplyValue {
  if (rest.length > 1) return wrongArity('ping');
  const [text] = rest;
  if (caller.protocol === 2 && caller.subscriptions > 0) return ['pong', text ?? ''];
  return text ?? { kind: 'simple', text: 'PONG' };
}

function hello({ rest, caller, desk }: Call): ReplyValue {
  const [version, ...options] = rest;
  if (version !== undefined && !/^-?\d{1,15}$/.test(version))
    return failure('ERR Protocol version is not an integer or out of range');
  if (version !== undefined && version !== '2' && version !== '3')
    return failure('NOPROTO unsupported protocol version');
  let name: string | null = null;
  for (let i = 0; i < options.length; ) {
    const [option = '', first, second] = options.slice(i);
    const word = option.toUpperCase();
    if (word === 'AUTH' && first !== undefined && second !== undefined) {
      const refused = caller.authenticate(first, second, desk.password);
      if (refused !== null) return failure(refused);
      i += 3;
    } else if (word === 'SETNAME' && first !== undefined) {
      if (!isClientName(first)) return BAD_NAME;
      name = first;
      i += 2;
    } else return failure(`ERR Syntax error in HELLO option '${option.slice(0, 128)}'`);
  }
  if (name !== null) caller.name = name;
  if (version !== undefined) caller.protocol = version === '3' ? 3 : 2;
  return {
    kind: 'map',
    pairs: [
      ['server', 'redis'],
      ['version', desk.scene().topology.serverVersion],
      ['proto', caller.protocol],
      ['id', caller.id],
      ['mode', 'sentinel'],
      ['modules', []],
    ],
  };
}

function auth({ rest, caller, desk }: Call): ReplyValue {
  if (rest.length > 2) return failure('ERR syntax error');
  const [first = '', second] = rest;
  if (second === undefined && desk.password === null)
    return failure(
      'ERR AUTH <password> called without any password configured for the default user. ' +
        'Are you sure your configuration is correct?',
    );
  const [user, given] = second === undefined ? ['default', first] : [first, second];
  const refused = caller.authenticate(user, given, desk.password);
  return refused === null ? OK : failure(refused);
}

const BAD_NAME = failure('ERR Client names cannot contain spaces, newlines or special characters.');

function isClientName(name: string): boolean {
  return /^[!-~]*$/.test(name);
}

function client({ rest, caller, desk }: Call): ReplyValue {
  const [given = '', value = ''] = rest;
  switch (given.toLowerCase()) {
    case 'id':
      return caller.id;
    case 'getname':
      return caller.name === '' ? null : caller.name;
    case 'setname':
      if (rest.length !== 2) return wrongArity('client|setname');
      if (!isClientName(value)) return BAD_NAME;
      caller.name = value;
      return OK;
    // Not in 7.0.15: libraries that tell their names are answered as newer servers do.
    case 'setinfo':
      return rest.length === 3 ? OK : wrongArity('client|setinfo');
    case 'info':
      return caller.line(desk.nowMs());
    case 'list':
      return [...desk.callers()].map((each) => each.line(desk.nowMs())).join('');
    case 'reply': {
      const wanted = value.toLowerCase();
      if (wanted !== 'on' && wanted !== 'off' && wanted !== 'skip')
        return failure('ERR syntax error');
      caller.replies = wanted;
      return OK;
    }
    case 'no-evict':
    case 'no-touch':
      return /^(on|off)$/i.test(value) ? OK : failure('ERR syntax error');
    default:
      return unknownSubcommand('CLIENT', given);
  }
}

function command({ rest }: Call): ReplyValue {
  const [given, ...names] = rest;
  const all = [...COMMANDS.keys()];
  switch (given?.toLowerCase()) {
    case undefined:
      return all.map(commandInfo);
    case 'count':
      return all.length;
    case 'list':
      return all;
    case 'info':
      return (names.length === 0 ? all : names).map((name) => commandInfo(name.toLowerCase()));
    case 'docs':
      return { kind: 'map', pairs: [] };
    default:
      return unknownSubcommand('COMMAND', given ?? '');
  }
}

function acl({ rest }: Call): ReplyValue {
  const [given = ''] = rest;
  switch (given.toLowerCase()) {
    case 'whoami':
      return 'default';
    case 'users':
      return ['default'];
    default:
      return unknownSubcommand('ACL', given);
  }
}

function subscribe({ rest, caller }: Call, word: string, set: Set<string>): Answer {
  const added = rest.filter((each) => !set.has(each));
  if (caller.subscriptions + new Set(added).size > SUBSCRIPTIONS_MAX)
    return failure(`ERR a connection has ${SUBSCRIPTIONS_MAX} subscriptions at most here`);
  const all = rest.map((each): ReplyValue => {
    set.add(each);
    return { kind: 'push', items: [word, each, caller.subscriptions] };
  });
  return { kind: 'several', all };
}

function unsubscribe({ rest, caller }: Call, word: string, set: Set<string>): Answer {
  const named = rest.length > 0 ? rest : [...set];
  const all = named.map((each): ReplyValue => {
    set.delete(each);
    return { kind: 'push', items: [word, each, caller.subscriptions] };
  });
  const none: ReplyValue = { kind: 'push', items: [word, null, caller.subscriptions] };
  return { kind: 'several', all: all.length > 0 ? all : [none] };
}
