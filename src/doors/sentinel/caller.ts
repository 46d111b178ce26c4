/** One connection's state, as commands see and change it. */

import type { Protocol } from '../../core/resp/reply-value.ts';
import { isSameToken } from '../access.ts';

/** Clients ask for one or two, or for `*`. */
export const SUBSCRIPTIONS_MAX = 256;

export interface CallerOptions {
  readonly id: number;
  /** `host:port` each. */
  readonly remote: string;
  readonly local: string;
  readonly nowMs: number;
}

export class Caller {
  readonly id: number;
  readonly remote: string;
  readonly local: string;
  readonly sinceMs: number;
  lastMs: number;
  protocol: Protocol = 2;
  name = '';
  isKnown = false;
  /** `skip` silences itself, and the command after it. */
  replies: 'on' | 'off' | 'skip' | 'skipNext' = 'on';
  command = '';
  readonly channels = new Set<string>();
  readonly patterns = new Set<string>();

  constructor({ id, remote, local, nowMs }: CallerOptions) {
    this.id = id;
    this.remote = remote;
    this.local = local;
    this.sinceMs = nowMs;
    this.lastMs = nowMs;
  }

  get subscriptions(): number {
    return this.channels.size + this.patterns.size;
  }

  /** Null: well. Else the error, without its dash. */
  authenticate(user: string, given: string, password: string | null): string | null {
    const isRight = user === 'default' && (password === null || isSameToken(given, password));
    if (!isRight) return 'WRONGPASS invalid username-password pair or user is disabled.';
    this.isKnown = true;
    return null;
  }

  /** A line of CLIENT LIST, with the fields that say something here. */
  line(nowMs: number): string {
    const seconds = (ms: number) => String(Math.floor(ms / 1000));
    const fields = {
      id: this.id,
      addr: this.remote,
      laddr: this.local,
      name: this.name,
      age: seconds(nowMs - this.sinceMs),
      idle: seconds(nowMs - this.lastMs),
      flags: this.subscriptions > 0 ? 'P' : 'N',
      db: 0,
      sub: this.channels.size,
      psub: this.patterns.size,
      cmd: this.command,
      user: 'default',
      resp: this.protocol,
    };
    const texts = Object.entries(fields).map(([field, value]) => `${field}=${value}`);
    return `${texts.join(' ')}\n`;
  }
}
