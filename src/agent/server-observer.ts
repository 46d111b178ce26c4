/**
 * Questions of doors and checks to the own server, on a connection of their own: one that is not
 * answered in time costs that connection, not the one on which the server is promoted and demoted.
 */
import type { Reply } from '../core/resp/reply-reader.ts';
import type { Admin } from '../io/server/admin.ts';
import { ServerError } from '../io/server/errors.ts';
import type { ServerProcess } from '../io/server/process.ts';

export class ServerObserver {
  readonly #server: Pick<ServerProcess, 'admin'>;
  #admin: Promise<Admin> | null = null;
  #isClosed = false;

  constructor(server: Pick<ServerProcess, 'admin'>) {
    this.#server = server;
  }

  /** Null when the server does not answer. */
  async call(words: readonly string[]): Promise<Reply | null> {
    if (this.#isClosed) return null;
    this.#admin ??= this.#server.admin();
    const opening = this.#admin;
    try {
      const admin = await opening;
      return await admin.call(words);
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      // The next question finds a new connection.
      if (this.#admin === opening) this.#admin = null;
      return null;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#admin?.then(
      (admin) => admin.close(),
      () => undefined,
    );
    this.#admin = null;
  }
}
