/**
 * Clients: each asks for one thing after the other, of any node, over connections that are slow,
 * lose patience, and are kept or dropped; what it was told goes into the history.
 */

import type { Reply } from '../src/core/resp/reply-reader.ts';
import { Recorder } from './check/history.ts';
import { Connection, type ConnectionOptions, type Door, NOBODY } from './client-connection.ts';
import { type Call, readFrom, select, writes } from './requests.ts';
import type { Workload } from './workload.ts';

/** Who only follows hints never meets a deposed leader that thinks it still leads. */
const STRAY_PERMILLE = 150;
const BURST_PERMILLE = 200;
const BURST_MAX = 3;
/** Before a client that was refused asks again: events are better spent on what is executed. */
const REFUSED_MAX_US = 300_000;
const READ_BACK_PERMILLE = 500;
const FINAL_PATIENCE_US = 10_000_000;
const FLOOD_MAX_US = 500_000;
const FLOOD_CALLS = 40;
const PROBE_PATIENCE_US = 300_000;
const FINAL_PAUSE_US = 20_000;
/** Of the clients, so many work in a database other than the first. */
const OTHER_DB_PERMILLE = 350;
const DB_MAX = 3;

export interface ClientsOptions extends ConnectionOptions {
  readonly workload: Workload;
  readonly doors: () => readonly Door[];
}

export class Clients {
  readonly #o: ClientsOptions;
  readonly recorder = new Recorder();
  #processes = 0;
  #connections = 0;
  #isStopped = false;
  answered = 0;

  constructor(options: ClientsOptions) {
    this.#o = options;
  }

  get options(): ClientsOptions {
    return this.#o;
  }

  get localOptions(): ClientsOptions {
    return { ...this.#o, asked: () => ({ ...this.#o.asked(), isLocal: true }) };
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  begin(): void {
    const { plan, doors } = this.#o;
    for (let at = 0; at < plan.clients; at += 1)
      new Client(this, plan.patienceUs, null, at < plan.localClients).think();
    // One that asks everybody again and again: who was deposed and does not know it has little time
    // to be caught.
    if (plan.probes)
      for (const { host } of doors()) new Client(this, PROBE_PATIENCE_US, host).probe();
    for (let at = 0; at < plan.floods; at += 1) new Client(this, plan.patienceUs).flood();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Asks for each until it is answered. */
  finally(calls: readonly Call[], done: () => void): void {
    new Client(this, FINAL_PATIENCE_US).askAll([...calls], done);
  }

  newProcess(): number {
    this.#processes += 1;
    return this.#processes;
  }

  newSource(): string {
    this.#connections += 1;
    return `client ${this.#connections}`;
  }
}

class Client {
  readonly #all: Clients;
  readonly #patienceUs: number;
  /** The only one that it goes to. */
  readonly #host: string | null;
  /** It asks for local reads on every connection, where others' are linearizable. */
  readonly #asksLocally: boolean;
  /** One for each call that it may have under way. */
  readonly #processes: number[];
  /** Where its keys are: what its connections are told first. */
  readonly #db: number;
  #connection: Connection | null = null;
  #hint: string | null = null;

  constructor(all: Clients, patienceUs: number, host: string | null = null, asksLocally = false) {
    this.#all = all;
    this.#host = host;
    this.#asksLocally = asksLocally;
    this.#patienceUs = patienceUs;
    const { chance } = all.options;
    this.#db = chance.permille(OTHER_DB_PERMILLE) ? chance.between(1, DB_MAX) : 0;
    this.#processes = Array.from({ length: BURST_MAX }, () => all.newProcess());
  }

  think(hasFailed = false): void {
    const { timeline, chance, plan } = this.#all.options;
    timeline.after(chance.between(1, hasFailed ? REFUSED_MAX_US : plan.thinkMaxUs), () => {
      if (this.#all.isStopped) this.#drop();
      else this.#askSome();
    });
  }

  /** One call, or several at once, whose answers can be told apart. */
  #askSome(): void {
    const { chance, workload, plan } = this.#all.options;
    if (!chance.permille(plan.writePermille)) {
      this.#ask(this.#probe(), (isOk) => this.think(!isOk && this.#hint === null));
      return;
    }
    const isBurst = chance.permille(BURST_PERMILLE);
    const calls = Array.from({ length: isBurst ? chance.between(2, BURST_MAX) : 1 }, () =>
      isBurst ? workload.tagged(this.#db) : workload.next(this.#db),
    );
    let left = calls.length;
    let hasFailed = false;
    for (const [lane, call] of calls.entries())
      this.#ask(
        call,
        (isOk) => {
          left -= 1;
          hasFailed ||= !isOk && this.#hint === null;
          if (left === 0) this.#readBack(() => this.think(hasFailed));
        },
        lane,
      );
  }

  /** Where followers answer reads: who was told of a write may read at once, and must see it. */
  #readBack(then: () => void): void {
    const { chance, plan } = this.#all.options;
    if (plan.reads !== 'leader' && chance.permille(READ_BACK_PERMILLE))
      this.#ask(this.#probe(), then);
    else then();
  }

  #probe(): Call {
    const { workload, plan } = this.#all.options;
    return plan.reads === 'leader' ? workload.probe() : workload.plainProbe();
  }

  /** Reads, and goes on reading. */
  probe(): void {
    const { timeline, chance, plan } = this.#all.options;
    timeline.after(chance.between(1, plan.probeMaxUs), () => {
      if (this.#all.isStopped) this.#drop();
      else this.#ask(this.#probe(), () => this.probe());
    });
  }

  /** Writes much at once: more than a leader may have under way. */
  flood(): void {
    const { timeline, chance, workload } = this.#all.options;
    timeline.after(chance.between(1, FLOOD_MAX_US), () => {
      if (this.#all.isStopped) {
        this.#drop();
        return;
      }
      let left = FLOOD_CALLS;
      for (let call = 0; call < FLOOD_CALLS; call += 1)
        this.#ask(workload.flood(), () => {
          left -= 1;
          if (left === 0) this.flood();
        });
    });
  }

  askAll(calls: Call[], done: () => void): void {
    const [call] = calls;
    if (call === undefined) {
      this.#drop();
      done();
      return;
    }
    this.#ask(call, (isOk) => {
      if (isOk) calls.shift();
      // Not at once: a node that refuses refuses at once.
      this.#all.options.timeline.after(FINAL_PAUSE_US, () => this.askAll(calls, done));
    });
  }

  /** `then` is called once: true when it was answered. */
  #ask(call: Call, then: (isOk: boolean) => void, lane = 0): void {
    const { timeline, chance } = this.#all.options;
    const { recorder } = this.#all;
    const connection = this.#connect();
    const id = this.#isJudged(call)
      ? recorder.begin(this.#processes[lane] as number, timeline.nowUs, call.steps)
      : null;
    const end = (outcome: 'fail' | 'unknown' | readonly Reply[]): void => {
      const at = timeline.nowUs;
      const answer = typeof outcome === 'string' ? { kind: outcome } : call.read(outcome);
      if (id !== null && answer.kind === 'ok') recorder.ok(id, at, answer.results);
      else if (id !== null && answer.kind === 'fail') recorder.fail(id, at);
      else if (id !== null && answer.kind === 'unknown') recorder.unknown(id, at);
      if (answer.kind === 'ok') this.#all.answered += 1;
      // Whoever does not know what became of it goes on as somebody else.
      if (answer.kind === 'unknown') this.#processes[lane] = this.#all.newProcess();
      const next = typeof outcome === 'string' ? null : (call.follow?.(outcome) ?? null);
      if (next !== null && this.#connection === connection) this.#ask(next, then, lane);
      else then(answer.kind === 'ok');
    };
    if (connection === null) {
      timeline.after(chance.between(1, 1_000), () => end('fail'));
      return;
    }
    connection.ask(call, this.#patienceUs, end, this.#isLast);
  }

  /** A local read may be as old as its node is behind: no history can say how old. */
  #isJudged({ steps }: Call): boolean {
    const isLocal =
      this.#asksLocally || (this.#all.options.plan.reads === 'local' && !this.#isLast);
    return isLocal ? steps.some(writes) : steps.length > 0;
  }

  /** Who asks until it is answered, and must be told how all has ended. */
  get #isLast(): boolean {
    return this.#patienceUs === FINAL_PATIENCE_US;
  }

  /** Somebody who leads, as far as known, or, where all answer, anybody; null: nobody is there. */
  #connect(): Connection | null {
    if (this.#connection?.isOpen === true) return this.#connection;
    const { chance, doors, plan } = this.#all.options;
    const all = doors();
    const own = all.find(({ host }) => host === this.#host);
    const isPassedOn = plan.reads !== 'leader';
    const isStray = isPassedOn || this.#hint === null || chance.permille(STRAY_PERMILLE);
    const door = own ?? all.find(({ host }) => !isStray && host === this.#hint) ?? chance.pick(all);
    const options = this.#asksLocally ? this.#all.localOptions : this.#all.options;
    this.#connection = Connection.open(options, this.#all.newSource(), door, {
      onRefused: (host) => {
        // One that names itself is on its way to a reign, or in trouble.
        this.#hint = host === door.host || host === NOBODY ? null : host;
        this.#drop();
      },
      onLost: () => {
        this.#connection = null;
        this.#hint = null;
      },
    });
    if (this.#isLast && plan.reads === 'local')
      this.#connection?.ask(readFrom('READWRITE'), this.#patienceUs, () => undefined);
    if (this.#db > 0) this.#connection?.ask(select(this.#db), this.#patienceUs, () => undefined);
    if (this.#asksLocally)
      this.#connection?.ask(readFrom('READONLY'), this.#patienceUs, () => undefined);
    return this.#connection;
  }

  #drop(): void {
    this.#connection?.close();
    this.#connection = null;
  }
}
