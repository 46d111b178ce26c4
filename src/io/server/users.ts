/**
 * Users of clients with fewer rights than the one that all have who give no name: lines as in an
 * ACL file of the server. Whatever a line gives, what would break the guarantees stays denied: of
 * `@admin` and `@dangerous` a user gets only harmless commands, and only those that it names.
 */
import { createHash } from 'node:crypto';
import {
  ALLOWED,
  DENIED,
  DENIED_BEYOND_CATEGORIES,
  DENIED_CATEGORIES,
  EVENTUAL_DENIED,
  FOLLOWER_DENIED,
} from './acl.ts';

export interface ClientUser {
  readonly name: string;
  /** `#` and the SHA-256 of a password each, in hex, or `nopass`. */
  readonly credentials: readonly string[];
  /** As the line has them, in its order. */
  readonly rules: readonly string[];
}

export type UsersResult =
  | { readonly ok: true; readonly users: readonly ClientUser[] }
  | { readonly ok: false; readonly text: string; readonly todo: string };

/** Every one of them is set anew at each change of the server's role. */
export const USERS_MAX = 100;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** The clients' own, and whatever the agent calls its users. */
const OURS = /^(default|althing.*)$/;
const KEYS = /^(~|%(R|W|RW|WR)~|&)[^\s"']+$/i;
const WHOLE = ['allkeys', 'allchannels', 'allcommands', 'nocommands', 'resetkeys', 'resetchannels'];
const CATEGORY = /^[+-]@[a-z]+$/;
const COMMAND = /^[+-][a-z][a-z0-9_.-]*(\|[a-z0-9_.-]+)?$/;
/** What the agent itself says on a client's connection: the fence, and its protocol again. */
const NEEDED = ['+role', '+hello'];

/** Denied beside what all are denied, by what the server is to its clients. */
const BEYOND = { leader: {}, follower: FOLLOWER_DENIED, eventual: EVENTUAL_DENIED } as const;

/** Never quotes a word that may hold a password. */
export function parseUsers(text: string): UsersResult {
  const users: ClientUser[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const words = line.trim().split(/\s+/);
    if (words[0] === '' || words[0]?.startsWith('#')) continue;
    const user = userOf(words);
    if ('text' in user) return { ok: false, ...user, text: `line ${at + 1} ${user.text}` };
    if (users.some(({ name }) => name === user.name))
      return refused(`line ${at + 1} is the second one of ${user.name}`, 'write one line for each');
    users.push(user);
  }
  if (users.length <= USERS_MAX) return { ok: true, users };
  return refused(`${users.length} users are too many`, `give at most ${USERS_MAX}`);
}

function userOf([word, name = '', ...rest]: readonly string[]): ClientUser | Wrong {
  if (word !== 'user' || !NAME.test(name) || OURS.test(name))
    return {
      text: 'begins no user of yours',
      todo: 'write: user NAME on >PASSWORD RULES…, not "default" and not "althing…"',
    };
  const credentials: string[] = [];
  const rules: string[] = [];
  for (const given of rest) {
    if (given === 'on') continue;
    if (given.startsWith('>')) credentials.push(`#${sha256(given.slice(1))}`);
    else if (/^#[0-9a-f]{64}$/.test(given) || given === 'nopass') credentials.push(given);
    else {
      const rule = KEYS.test(given) ? given : given.toLowerCase();
      const wrong = wrongRule(rule);
      if (wrong !== null) return { text: `(user ${name}) ${wrong.text}`, todo: wrong.todo };
      rules.push(rule);
    }
  }
  if (credentials.length > 0) return { name, credentials, rules };
  return { text: `gives user ${name} no password`, todo: 'give >PASSWORD, #SHA256 or nopass' };
}

interface Wrong {
  readonly text: string;
  readonly todo: string;
}

function wrongRule(rule: string): Wrong | null {
  if (KEYS.test(rule) || WHOLE.includes(rule)) return null;
  const what = rule.slice(1);
  if (rule.startsWith('+') && DENIED_CATEGORIES.some((each) => what === `@${each}`))
    return {
      text: `gives ${what}, which breaks guarantees`,
      todo: 'name the commands of it that it is to have, for example +info +keys',
    };
  const reason = rule.startsWith('+') ? DENIED[what] : undefined;
  if (reason !== undefined)
    return { text: `gives ${what}, which nobody has: ${reason}`, todo: 'leave it out' };
  if (CATEGORY.test(rule) || COMMAND.test(rule)) return null;
  return {
    text: 'has a word that is no rule for keys, channels or commands',
    todo: 'give ~KEYS, %R~KEYS, %W~KEYS, &CHANNELS, +@CATEGORY, +COMMAND and the like with -',
  };
}

/** For ACL SETUSER, after the name, or for a line of the server's configuration. */
export function userRules(user: ClientUser, as: keyof typeof BEYOND): string[] {
  const { credentials, rules } = user;
  const named = Object.keys(ALLOWED).filter((command) => isNamed(command, rules));
  const beyond = Object.keys(BEYOND[as]);
  return [
    ...['reset', 'on', ...credentials, ...rules],
    ...DENIED_CATEGORIES.map((category) => `-@${category}`),
    ...named.map((command) => `+${command}`),
    ...[...DENIED_BEYOND_CATEGORIES, ...beyond].map((command) => `-${command}`),
    ...NEEDED,
  ];
}

/**
 * By the last rule that says so. Which commands a category has only the server knows: one that is
 * taken away takes all of these.
 */
function isNamed(command: string, rules: readonly string[]): boolean {
  const [parent] = command.split('|');
  let isGiven = false;
  for (const rule of rules) {
    const what = rule.slice(1);
    if (rule === '+@all' || rule === 'allcommands') isGiven = true;
    else if (rule === 'nocommands' || rule.startsWith('-@')) isGiven = false;
    else if (what === command || what === parent) isGiven = rule.startsWith('+');
  }
  return isGiven;
}

function refused(text: string, todo: string): UsersResult {
  return { ok: false, text, todo };
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
