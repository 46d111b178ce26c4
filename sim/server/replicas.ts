/** The server as a primary: who follows it, how far, and what each is sent. */
import type { Client, ReplicaState } from './client.ts';
import type { Engine } from './engine.ts';
import { saveRdb } from './rdb.ts';
import { array, bulk, Refusal } from './resp.ts';

const MARK_CHARACTERS = 40;

export class Replicas {
  readonly #engine: Engine;
  readonly #clients: Client[] = [];
  /** As counted last: a lag is noticed by the cron only. */
  goodCount = 0;
  #seconds = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get count(): number {
    return this.#clients.length;
  }

  get online(): readonly Client[] {
    return this.#clients.filter((client) => client.replica?.phase === 'online');
  }

  /** PSYNC: the answer goes out from here, as bytes follow it. */
  sync(client: Client, replid: string, next: number): void {
    const { stream, link } = this.#engine;
    if (client.replica !== null && client.replica.phase !== 'none') return;
    if (link.isOn && !link.isConnected) {
      throw new Refusal("NOMASTERLINK Can't SYNC while not connected with my master");
    }
    if (client.hasOutput) throw new Refusal('ERR SYNC and PSYNC are invalid with pending output');
    const state = this.stateOf(client);
    state.acknowledgedAtMs = this.#engine.nowMs();
    if (stream.covers(replid, next)) this.#continue(client, state, next);
    else this.#startOver(client, state);
  }

  /** What REPLCONF said of a connection, before or after it asked. */
  stateOf(client: Client): ReplicaState {
    client.replica ??= {
      port: 0,
      knowsEof: false,
      knowsPsync2: false,
      isRdbOnly: false,
      phase: 'none',
      rest: Buffer.alloc(0),
      held: [],
      startsOnAck: false,
      acknowledged: 0,
      acknowledgedAtMs: this.#engine.nowMs(),
    };
    return client.replica;
  }

  /** No reply: an ACK has none. */
  acknowledge(client: Client, offset: number): void {
    const state = client.replica;
    if (state === null || state.phase === 'none') return;
    state.acknowledged = Math.max(state.acknowledged, offset);
    state.acknowledgedAtMs = this.#engine.nowMs();
    if (state.phase !== 'online' || !state.startsOnAck) return;
    state.startsOnAck = false;
    for (const bytes of state.held) this.#engine.send(client, bytes);
    state.held = [];
  }

  feed(bytes: Buffer): void {
    for (const client of this.#clients) {
      const state = client.replica as ReplicaState;
      if (state.phase === 'online' && !state.startsOnAck) this.#engine.send(client, bytes);
      else if (!state.isRdbOnly) state.held.push(bytes);
    }
  }

  remove(client: Client): void {
    const at = this.#clients.indexOf(client);
    if (at < 0) return;
    this.#clients.splice(at, 1);
    this.countGood();
  }

  disconnectAll(): void {
    for (const client of [...this.#clients]) this.#engine.cut(client);
  }

  /** More of the RDBs that are on their way. */
  transfer(): void {
    for (const client of [...this.#clients]) {
      const state = client.replica as ReplicaState;
      if (state.phase === 'transfer') this.#transferTo(client, state);
    }
  }

  /** Once a second. */
  cron(nowMs: number): void {
    const timeoutMs = this.#engine.settings.number('repl-timeout') * 1000;
    for (const client of this.online) {
      const state = client.replica as ReplicaState;
      if (nowMs - state.acknowledgedAtMs > timeoutMs) this.#engine.cut(client);
    }
    this.countGood();
    this.#ping();
  }

  /** As ROLE lists them. */
  rows(): string {
    return array(
      this.online.map(({ replica }) =>
        array([
          bulk('127.0.0.1'),
          bulk(String(replica?.port)),
          bulk(String(replica?.acknowledged)),
        ]),
      ),
    );
  }

  #continue(client: Client, state: ReplicaState, next: number): void {
    const { stream } = this.#engine;
    state.phase = 'online';
    this.#clients.push(client);
    const id = state.knowsPsync2 ? ` ${stream.replid}` : '';
    this.#engine.send(client, `+CONTINUE${id}\r\n`);
    const bytes = stream.since(next);
    if (bytes.length > 0) this.#engine.send(client, bytes);
    this.countGood();
  }

  #startOver(client: Client, state: ReplicaState): void {
    const { stream, link, keyspace, flavor, settings } = this.#engine;
    this.#clients.push(client);
    if (this.#clients.length === 1 && !stream.hasBacklog) {
      // Nothing is known of what was before.
      stream.renew();
      stream.openBacklog();
    }
    this.#engine.send(client, `+FULLRESYNC ${stream.replid} ${stream.offset}\r\n`);
    const db = link.isOn ? link.streamDb : stream.streamDb;
    const rdb = saveRdb(flavor, keyspace, db);
    stream.forceSelect();
    state.phase = 'transfer';
    if (settings.flag('repl-diskless-sync') && state.knowsEof) {
      const mark = Buffer.from(this.#mark());
      state.rest = Buffer.concat([Buffer.from('$EOF:'), mark, Buffer.from('\r\n'), rdb, mark]);
      state.startsOnAck = true;
    } else {
      state.rest = Buffer.concat([Buffer.from(`$${rdb.length}\r\n`), rdb]);
    }
  }

  /** All of it, or half: a child that is slow. */
  #transferTo(client: Client, state: ReplicaState): void {
    const { rest } = state;
    const isAll = this.#engine.entropy() % 2 === 0;
    const count = isAll ? rest.length : Math.ceil(rest.length / 2);
    if (count > 0) this.#engine.send(client, rest.subarray(0, count));
    state.rest = rest.subarray(count);
    if (state.rest.length > 0) return;
    if (state.isRdbOnly) {
      this.#engine.hangUp(client);
      return;
    }
    state.phase = 'online';
    state.acknowledgedAtMs = this.#engine.nowMs();
    this.countGood();
    if (state.startsOnAck) return;
    for (const bytes of state.held) this.#engine.send(client, bytes);
    state.held = [];
  }

  countGood(): void {
    const lagMs = this.#engine.settings.number('min-replicas-max-lag') * 1000;
    const now = this.#engine.nowMs();
    this.goodCount = this.online.filter(
      ({ replica }) => now - (replica?.acknowledgedAtMs ?? 0) <= lagMs,
    ).length;
  }

  /** Part of the stream, and the only thing that moves it when nobody writes. */
  #ping(): void {
    const { link, settings, stream } = this.#engine;
    const period = settings.number('repl-ping-replica-period');
    const isDue = this.#seconds % period === 0;
    this.#seconds += 1;
    if (!isDue || link.isOn || this.#clients.length === 0) return;
    this.#engine.feed(stream.encode([{ db: -1, words: ['ping'] }]));
  }

  #mark(): string {
    let mark = '';
    while (mark.length < MARK_CHARACTERS) {
      mark += (this.#engine.entropy() >>> 0).toString(16).padStart(8, '0');
    }
    return mark;
  }
}
