/**
 * The commands that there are in Sentinel mode (redis-server 7.0.15): all others are unknown, as
 * clients expect it of a Sentinel. What `COMMAND` says of them, without subcommands.
 */
import type { ReplyValue } from '../../core/resp/reply-value.ts';

export interface CommandFacts {
  /** With the name itself, negative for "or more". */
  readonly arity: number;
  readonly flags: readonly string[];
  readonly categories: readonly string[];
}

const PUBSUB = {
  flags: ['pubsub', 'noscript', 'loading', 'stale'],
  categories: ['pubsub', 'slow'],
};
const ANYTIME = ['noscript', 'loading', 'stale'];
const CONTAINER = { flags: [], categories: ['slow'] };

export const COMMANDS: ReadonlyMap<string, CommandFacts> = new Map<string, CommandFacts>([
  ['acl', { arity: -2, ...CONTAINER }],
  [
    'auth',
    {
      arity: -2,
      flags: [...ANYTIME, 'fast', 'no_auth', 'allow_busy'],
      categories: ['fast', 'connection'],
    },
  ],
  ['client', { arity: -2, ...CONTAINER }],
  ['command', { arity: -1, flags: ['loading', 'stale'], categories: ['slow', 'connection'] }],
  [
    'hello',
    {
      arity: -1,
      flags: [...ANYTIME, 'fast', 'no_auth', 'allow_busy'],
      categories: ['fast', 'connection'],
    },
  ],
  ['info', { arity: -1, flags: ['loading', 'stale'], categories: ['slow', 'dangerous'] }],
  ['ping', { arity: -1, flags: ['fast'], categories: ['fast', 'connection'] }],
  ['psubscribe', { arity: -2, ...PUBSUB }],
  [
    'publish',
    { arity: 3, flags: ['pubsub', 'loading', 'stale', 'fast'], categories: ['pubsub', 'fast'] },
  ],
  ['punsubscribe', { arity: -1, ...PUBSUB }],
  ['role', { arity: 1, flags: [...ANYTIME, 'fast'], categories: ['admin', 'fast', 'dangerous'] }],
  [
    'sentinel',
    { arity: -2, flags: ['admin', 'only_sentinel'], categories: ['admin', 'slow', 'dangerous'] },
  ],
  [
    'shutdown',
    {
      arity: -1,
      flags: ['admin', ...ANYTIME, 'no_multi', 'allow_busy'],
      categories: ['admin', 'slow', 'dangerous'],
    },
  ],
  ['subscribe', { arity: -2, ...PUBSUB }],
  ['unsubscribe', { arity: -1, ...PUBSUB }],
]);

export function commandInfo(name: string): ReplyValue {
  const facts = COMMANDS.get(name);
  if (facts === undefined) return null;
  const words = (all: readonly string[], sign: string) =>
    all.map((text): ReplyValue => ({ kind: 'simple', text: sign + text }));
  const { arity, flags, categories } = facts;
  return [name, arity, words(flags, ''), 0, 0, 0, words(categories, '@'), [], [], []];
}

const SHOWN_MAX = 128;

/** Word for word what servers say of a command that they do not know. */
export function unknownCommand(words: readonly string[]): string {
  const [name = '', ...rest] = words;
  let shown = '';
  for (const word of rest) {
    if (shown.length >= SHOWN_MAX) break;
    shown += `'${word.slice(0, SHOWN_MAX - shown.length)}' `;
  }
  return `ERR unknown command '${name.slice(0, SHOWN_MAX)}', with args beginning with: ${shown}`;
}
