/**
 * Who may be at this node's server: its clients' users, and the port at which it listens itself
 * while it follows.
 */
import { ErrorReply } from '../core/resp/reply-reader.ts';
import type { Admin } from '../io/server/admin.ts';
import { clientUser } from '../io/server/conf.ts';
import { ServerError } from '../io/server/errors.ts';
import { type ClientUser, userRules } from '../io/server/users.ts';

export interface ServerClientsOptions {
  /** What clients give to AUTH; null for none. */
  readonly password: string | null;
  readonly users: readonly ClientUser[];
  /** Where the server listens itself while it follows; null: nowhere. */
  readonly local: { readonly host: string; readonly port: number } | null;
}

/** Promotion and demotion have a bound in ticks as well; this one frees the connection. */
const STEP_MS_MAX = 5_000;
/** Each kills what the one before has left. */
const EVICT_ATTEMPTS = 5;

export class ServerClients {
  readonly #o: ServerClientsOptions;
  /** Why the server does not listen where it should, for people. */
  problem: string | null = null;

  constructor(options: ServerClientsOptions) {
    this.#o = options;
  }

  get users(): readonly ClientUser[] {
    return this.#o.users;
  }

  get localHost(): string | null {
    return this.#o.local?.host ?? null;
  }

  /** Lets clients in at the server's own port. A port that is taken is told, and tried again. */
  async listen(admin: Admin): Promise<void> {
    const { local } = this.#o;
    if (local === null) return;
    const reply = await admin.call(['CONFIG', 'SET', 'port', String(local.port)], STEP_MS_MAX);
    const isOpen = !(reply instanceof ErrorReply);
    this.problem = isOpen ? null : `port ${local.port} of ${local.host}: ${reply.text}`;
  }

  /**
   * Closes that port first, so that nobody comes, and then ends what clients may have left: nothing
   * of theirs may run across a change of role (H4). A connection of ours that has not said who it
   * is yet looks like one of theirs.
   */
  async evict(admin: Admin): Promise<void> {
    if (this.#o.local !== null) await admin.must(['CONFIG', 'SET', 'port', '0'], STEP_MS_MAX);
    const names = ['default', ...this.users.map(({ name }) => name)];
    let left = 0;
    for (let attempt = 0; attempt < EVICT_ATTEMPTS; attempt++) {
      for (const name of names) await admin.must(['CLIENT', 'KILL', 'USER', name], STEP_MS_MAX);
      const list = String(await admin.must(['CLIENT', 'LIST'], STEP_MS_MAX));
      const users = list.split('\n').map((line) => / user=(\S+)/.exec(line)?.[1] ?? '');
      left = users.filter((user) => names.includes(user)).length;
      if (left === 0) return;
    }
    throw new ServerError('SERVER_FAILED', `${left} clients are still connected`);
  }

  /** What clients may run from now on. */
  async permit(admin: Admin, as: 'leader' | 'follower'): Promise<void> {
    const user = clientUser(this.#o.password, as);
    await admin.must(['ACL', 'SETUSER', 'default', ...user.split(' ')]);
    for (const each of this.users)
      await admin.must(['ACL', 'SETUSER', each.name, ...userRules(each, as)]);
  }
}
