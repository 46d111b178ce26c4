/**
 * Clients: they propose values that nobody proposed before, ask for reads, and note what they
 * were told. What they were not told stays unknown: such a value may be there or not.
 */
import { PAYLOAD_MIN, payloadOf } from './application.ts';
import type { Plan } from './faults.ts';
import type { Chance, Timeline } from './time.ts';

/** What a client can do to a node that it reaches. */
export interface Server {
  readonly host: string;
  /** Where this node believes the leader is. */
  leaderHost(): string | null;
  propose(payloads: readonly Uint8Array[]): void;
  read(): void;
}

/** Who only follows hints never meets a deposed leader that thinks it still leads. */
const STRAY_PERMILLE = 200;
const READ_PERMILLE = 400;
const READER_MAX_US = 50_000;
const BATCH_MAX = 4;

export class Workload {
  readonly #servers: () => readonly Server[];
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #plan: Plan;
  readonly #payloads = new Map<number, number>();
  #values = 0;
  #stopped = false;

  constructor(servers: () => readonly Server[], timeline: Timeline, chance: Chance, plan: Plan) {
    this.#servers = servers;
    this.#timeline = timeline;
    this.#chance = chance;
    this.#plan = plan;
  }

  get proposed(): number {
    return this.#values;
  }

  /** The length that a value was proposed with; undefined for a value that nobody proposed. */
  lengthOf(value: number): number | undefined {
    return this.#payloads.get(value);
  }

  begin(): void {
    for (let client = 0; client < this.#plan.clients; client += 1) this.#think(null);
    this.#readAll();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** One value nobody has proposed yet. */
  fresh(): Uint8Array {
    this.#values += 1;
    const length = this.#chance.between(PAYLOAD_MIN, this.#plan.payloadMax);
    this.#payloads.set(this.#values, length);
    return payloadOf(this.#values, length);
  }

  #think(hint: string | null): void {
    this.#timeline.after(this.#chance.between(1, this.#plan.thinkMaxUs), () => {
      if (!this.#stopped) this.#think(this.#act(hint));
    });
  }

  /**
   * One reader asks everybody, again and again: nodes that do not lead refuse, and one that was
   * deposed and does not know it has little time to be caught.
   */
  #readAll(): void {
    this.#timeline.after(this.#chance.between(1, READER_MAX_US), () => {
      if (this.#stopped) return;
      for (const server of this.#servers()) server.read();
      this.#readAll();
    });
  }

  #act(hint: string | null): string | null {
    const servers = this.#servers();
    if (servers.length === 0) return null;
    const stray = hint === null || this.#chance.permille(STRAY_PERMILLE);
    const hinted = servers.find((each) => each.host === hint);
    const server = stray || hinted === undefined ? this.#chance.pick(servers) : hinted;
    if (this.#chance.permille(READ_PERMILLE)) server.read();
    else {
      const count = this.#chance.between(1, BATCH_MAX);
      server.propose(Array.from({ length: count }, () => this.fresh()));
    }
    return server.leaderHost();
  }
}
