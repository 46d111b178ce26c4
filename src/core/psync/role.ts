/**
 * What the server answers to ROLE: the commit fence (`facts/engine.md` §6.4), and the only honest
 * source of a follower's applied position, which is the offset in state `connected`
 * (`facts/holes.md` H3).
 */
import { ErrorReply, type Reply } from '../resp/reply-reader.ts';
import { type ReplOffset, replOffset } from '../scalars.ts';

export interface SeenReplica {
  readonly address: string;
  readonly port: number;
  readonly offset: ReplOffset;
}

export type LinkState = 'handshake' | 'connect' | 'connecting' | 'sync' | 'connected' | 'other';

export type Role =
  | {
      readonly kind: 'primary';
      readonly offset: ReplOffset;
      readonly replicas: readonly SeenReplica[];
    }
  | {
      readonly kind: 'replica';
      readonly primaryAddress: string;
      readonly primaryPort: number;
      readonly link: LinkState;
      /** Means something only when `link` is `connected`; null when the server says -1. */
      readonly offset: ReplOffset | null;
    }
  /** A script runs and does not yield. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'loading' }
  | { readonly kind: 'unreadable'; readonly text: string };

const LINK_STATES: readonly string[] = ['handshake', 'connect', 'connecting', 'sync', 'connected'];

export function parseRole(reply: Reply): Role {
  if (reply instanceof ErrorReply) {
    if (reply.code === 'BUSY') return { kind: 'busy' };
    if (reply.code === 'LOADING') return { kind: 'loading' };
    return { kind: 'unreadable', text: reply.text };
  }
  if (!Array.isArray(reply)) return { kind: 'unreadable', text: 'no list' };
  const fields: readonly Reply[] = reply;
  return parsePrimary(fields) ?? parseReplica(fields) ?? { kind: 'unreadable', text: 'no role' };
}

/** How every primary's answer begins; the offset follows. */
const PRIMARY_HEAD: readonly number[] = [...'*3\r\n$6\r\nmaster\r\n:'].map((c) => c.charCodeAt(0));
/** More digits than these may be no safe integer. */
const OFFSET_DIGITS_MAX = 15;
const CR = 13;
const STAR = 0x2a;
const ZERO = 0x30;

/**
 * The offset of a primary that has replicas, from one whole answer in RESP2 or RESP3, and null for
 * every other answer: `parseRole` then says what it is. For fences, of which there are thousands a
 * second: a tenth of what reading all of the answer costs.
 */
export function fedPrimaryOffset(answer: Uint8Array): ReplOffset | null {
  let at = 0;
  for (const byte of PRIMARY_HEAD) {
    if (answer[at] !== byte) return null;
    at += 1;
  }
  const from = at;
  let offset = 0;
  for (let digit = answer[at]; digit !== CR; digit = answer[at]) {
    if (digit === undefined || digit < ZERO || digit > ZERO + 9) return null;
    offset = offset * 10 + digit - ZERO;
    at += 1;
  }
  // Behind CR and LF the list of replicas begins, with its length.
  const count = answer[at + 3] ?? 0;
  const isFed = answer[at + 2] === STAR && count > ZERO && count <= ZERO + 9;
  return isFed && at > from && at - from <= OFFSET_DIGITS_MAX ? replOffset(offset) : null;
}

function parsePrimary(fields: readonly Reply[]): Role | null {
  const [word, at, list] = fields;
  const offset = parseOffset(at);
  if (word !== 'master' || offset === null || !Array.isArray(list)) return null;
  const replicas: SeenReplica[] = [];
  for (const seen of list as readonly Reply[]) {
    if (!Array.isArray(seen)) return null;
    const [address, port, acknowledged] = seen as readonly Reply[];
    const replicaOffset = parseOffset(acknowledged);
    if (typeof address !== 'string' || replicaOffset === null) return null;
    replicas.push({ address, port: Number(port), offset: replicaOffset });
  }
  return { kind: 'primary', offset, replicas };
}

function parseReplica(fields: readonly Reply[]): Role | null {
  const [word, address, port, link, at] = fields;
  if (word !== 'slave' || typeof address !== 'string' || typeof link !== 'string') return null;
  return {
    kind: 'replica',
    primaryAddress: address,
    primaryPort: Number(port),
    link: LINK_STATES.includes(link) ? (link as LinkState) : 'other',
    offset: parseOffset(at),
  };
}

function parseOffset(value: Reply | undefined): ReplOffset | null {
  const offset = typeof value === 'string' ? Number(value) : value;
  return typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0
    ? replOffset(offset)
    : null;
}
