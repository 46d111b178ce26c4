/** One connection per node, made when it is asked for and made anew when it is over. */
import { type Access, type Address, Connection } from './connection.ts';

export class Connections {
  readonly access: Access;
  readonly #open = new Map<string, Promise<Connection>>();

  constructor(access: Access) {
    this.access = access;
  }

  async to(address: Address): Promise<Connection> {
    const key = `${address.host} ${address.port}`;
    const known = this.#open.get(key);
    if (known !== undefined) {
      const connection = await known.catch(() => null);
      if (connection !== null && !connection.isOver) return connection;
    }
    const made = Connection.open(address, this.access);
    this.#open.set(key, made);
    return made;
  }

  async close(): Promise<void> {
    const all = await Promise.allSettled(this.#open.values());
    for (const result of all) if (result.status === 'fulfilled') result.value.close();
    this.#open.clear();
  }
}
