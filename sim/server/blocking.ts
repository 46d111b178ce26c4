/** Pops that wait for a push. They are served in the order in which they came. */
import type { Client, Wait } from './client.ts';

interface Ready {
  readonly db: number;
  readonly key: string;
}

export class BlockedPops {
  readonly #waiting = new Map<string, Client[]>();
  #ready: Ready[] = [];

  add(client: Client, wait: Wait): void {
    client.wait = wait;
    for (const key of new Set(wait.keys)) {
      const name = nameOf(wait.db, key);
      const queue = this.#waiting.get(name);
      if (queue === undefined) this.#waiting.set(name, [client]);
      else queue.push(client);
    }
  }

  remove(client: Client): void {
    const { wait } = client;
    if (wait === null) return;
    client.wait = null;
    for (const key of wait.keys) {
      const name = nameOf(wait.db, key);
      const left = (this.#waiting.get(name) ?? []).filter((other) => other !== client);
      if (left.length === 0) this.#waiting.delete(name);
      else this.#waiting.set(name, left);
    }
  }

  /** There is something at `key` now. */
  signal(db: number, key: string): void {
    if (this.#waiting.size > 0 && this.#waiting.has(nameOf(db, key))) this.#ready.push({ db, key });
  }

  takeReady(): readonly Ready[] {
    const ready = this.#ready;
    if (ready.length > 0) this.#ready = [];
    return ready;
  }

  waitingFor(db: number, key: string): readonly Client[] {
    return this.#waiting.get(nameOf(db, key)) ?? [];
  }
}

function nameOf(db: number, key: string): string {
  return `${db} ${key}`;
}
