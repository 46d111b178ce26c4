/**
 * Reads the deployment's secret, the clients' password and their users from their files. No secret
 * ever appears in a message: not in full, not in part, not by its length.
 */
import { readFileSync, statSync } from 'node:fs';
import { withoutLineEnd } from '../doors/access.ts';
import { type ClientUser, parseUsers } from '../io/server/users.ts';

/** What a person could carry; a larger file is the wrong file. */
const FILE_BYTES_MAX = 4096;
/** A hundred users with a kilobyte of rules each. */
const USERS_BYTES_MAX = 128 * 1024;
/** TLS 1.3 with a pre-shared key is only as strong as the key. */
const SECRET_BITS_MIN = 128;
/** Sixteen random bytes have fewer different values than this about once in 10^12 times. */
const SECRET_DIFFERENT_BYTES_MIN = 8;

export type SecretResult<T> =
  | { readonly ok: true; readonly value: T; readonly warning: string | null }
  | { readonly ok: false; readonly text: string; readonly todo: string };

export function readSecret(path: string): SecretResult<Buffer> {
  const read = readPrivateFile(path);
  if (!read.ok) return read;
  const weakness = weaknessOf(read.value);
  if (weakness === null) return read;
  return {
    ok: false,
    text: `the secret in ${path} ${weakness}`,
    todo: 'make one with: openssl rand -hex 32',
  };
}

export function readPassword(path: string): SecretResult<string> {
  const read = readPrivateFile(path);
  if (!read.ok) return read;
  const value = read.value.toString('utf8');
  if (value === '' || /[\r\n\0]/.test(value) || !Buffer.from(value).equals(read.value))
    return {
      ok: false,
      text: `the password in ${path} is not one line of text`,
      todo: 'write one line of UTF-8 into the file',
    };
  return { ok: true, value, warning: read.warning };
}

export function readUsers(path: string): SecretResult<readonly ClientUser[]> {
  const read = readPrivateFile(path, USERS_BYTES_MAX);
  if (!read.ok) return read;
  const parsed = parseUsers(read.value.toString('utf8'));
  if (!parsed.ok) return { ...parsed, text: `${path}: ${parsed.text}` };
  return { ok: true, value: parsed.users, warning: read.warning };
}

/**
 * Why a secret cannot have 128 bits, or null. The alphabet it is written in bounds the bits per
 * character; text that repeats counts once.
 */
export function weaknessOf(secret: Buffer): string | null {
  const text = secret.toString('latin1');
  const once = text.slice(0, periodOf(text));
  if (new Set(once).size < SECRET_DIFFERENT_BYTES_MIN)
    return `repeats itself: it has fewer than ${SECRET_BITS_MIN} bits`;
  if (once.length * bitsPerCharacter(once) >= SECRET_BITS_MIN) return null;
  return `has fewer than ${SECRET_BITS_MIN} bits`;
}

function bitsPerCharacter(text: string): number {
  if (/^[0-9]*$/.test(text)) return Math.log2(10);
  if (/^[0-9a-f]*$/i.test(text)) return 4;
  if (/^[\w+/=-]*$/.test(text)) return 6;
  if (/^[\x20-\x7e]*$/.test(text)) return Math.log2(95);
  return 8;
}

/** The length of the shortest block that `text` is made of. */
function periodOf(text: string): number {
  const at = (text + text).indexOf(text, 1);
  return at === -1 ? text.length : at;
}

function readPrivateFile(path: string, bytesMax = FILE_BYTES_MAX): SecretResult<Buffer> {
  try {
    const { mode, size } = statSync(path);
    if (size > bytesMax)
      return {
        ok: false,
        text: `${path} is too large`,
        todo: `give one of at most ${bytesMax} bytes`,
      };
    const value = withoutLineEnd(readFileSync(path));
    const isOpen = (mode & 0o007) !== 0;
    const warning = isOpen ? `${path} can be read by every user; chmod 600 it` : null;
    return { ok: true, value, warning };
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return {
      ok: false,
      text: `${path} cannot be read (${code})`,
      todo: 'check the path and its permissions',
    };
  }
}
