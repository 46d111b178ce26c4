/** What this process remembers of its peers' runs, by directory, and their connections. */
import type { Connection } from './connection.ts';
import { type Greeting, type Hello, judgeIncarnation, type Refusal } from './hello.ts';

interface Record {
  hello: Hello;
  revision: number;
  readonly connections: Set<Connection>;
}

export class KnownPeers {
  readonly #ask: (hello: Hello, done: (refusal: Refusal | null) => void) => void;
  readonly #recordsMax: number;
  readonly #records = new Map<string, Record>();

  constructor(
    ask: (hello: Hello, done: (refusal: Refusal | null) => void) => void,
    recordsMax: number,
  ) {
    this.#ask = ask;
    this.#recordsMax = recordsMax;
  }

  /** One run is asked about once; the answer is judged again when it comes. */
  admit(hello: Hello, done: (refusal: Refusal | null) => void): void {
    const refusal = this.#judge(hello);
    if (refusal !== null || this.#isKnown(hello)) {
      done(refusal);
      return;
    }
    this.#ask(hello, (answer) => {
      const late = answer ?? this.#judge(hello);
      if (late === null && !this.#isKnown(hello)) this.#replace(hello);
      done(late);
    });
  }

  connected(connection: Connection, { hello, revision }: Greeting): void {
    const record = this.#records.get(hello.directory);
    if (record === undefined || record.hello.run !== hello.run) return;
    record.connections.add(connection);
    if (revision > record.revision) Object.assign(record, { hello, revision });
  }

  disconnected(connection: Connection): void {
    this.#records.get(connection.hello.directory)?.connections.delete(connection);
  }

  /** True when it is newer than what was known. */
  update({ hello, revision }: Greeting): boolean {
    const record = this.#records.get(hello.directory);
    if (record === undefined || record.hello.run !== hello.run) return false;
    if (revision <= record.revision) return false;
    const isNews = JSON.stringify(record.hello) !== JSON.stringify(hello);
    Object.assign(record, { hello, revision });
    return isNews;
  }

  newest(hello: Hello): Hello {
    const record = this.#records.get(hello.directory);
    return record !== undefined && record.hello.run === hello.run ? record.hello : hello;
  }

  #isKnown(hello: Hello): boolean {
    return this.#records.get(hello.directory)?.hello.run === hello.run;
  }

  #judge(hello: Hello): Refusal | null {
    const record = this.#records.get(hello.directory);
    if (record === undefined) return null;
    return judgeIncarnation(record.hello, hello);
  }

  /** A newer start of the same directory: what the older one still has open is closed. */
  #replace(hello: Hello): void {
    const before = this.#records.get(hello.directory);
    this.#records.delete(hello.directory);
    for (const [directory, record] of this.#records) {
      if (this.#records.size < this.#recordsMax) break;
      if (record.connections.size === 0) this.#records.delete(directory);
    }
    this.#records.set(hello.directory, { hello, revision: 0, connections: new Set() });
    for (const connection of [...(before?.connections ?? [])])
      connection.close('a newer start of the node has come');
  }
}
