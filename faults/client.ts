/**
 * One client: asks, waits for the answer, writes down what it heard, and asks again.
 *
 * It stays on its node while it can, and tries another when it is sent away, as people's programs
 * do. After an answer that never came it is another process in the history.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome, Recorder, Step, StepResult } from '../sim/check/history.ts';
import type { Chance } from '../sim/time.ts';
import { Failure, type Value } from '../test/system/wire.ts';
import type { LiveNode } from './live-node.ts';
import { type Judgement, judge, type Said } from './outcomes.ts';
import type { QueueLog } from './queue.ts';
import { commandOf, POP_SECONDS, resultOf, scriptOf } from './requests.ts';
import { LibrarySession, RawSession, type Session } from './sessions.ts';
import type { Oddities, Seen } from './tally.ts';
import { isWrite, type Request, type Workload } from './workloads.ts';

/** Between two requests of one client. */
const REST_MS = { least: 5, most: 45 };
/** After a connection that failed; Jepsen's 5 s would leave short runs without clients. */
const AGAIN_MS = 150;
/** Half of the clients are patient; the others give up while a failover may still succeed. */
const PATIENCE_MS = [10_000, 2_500] as const;
/** A reader that waits no longer asks a node that is stopped or cut off again and again. */
const READER_PATIENCE_MS = 300;
/** Tries another node after a failed connection, so often of 1000. */
const WANDER_PERMILLE = 300;

const LIST_TRIES = 50;

/** What all clients of a run write to. */
export interface Notebook {
  readonly recorder: Recorder;
  readonly seen: Seen[];
  readonly oddities: Oddities;
  readonly queue: QueueLog;
  /** Milliseconds since the run began. */
  now(): number;
  /** A number that no process of the history had. */
  nextProcess(): number;
}

export interface ClientOptions {
  readonly nodes: readonly LiveNode[];
  readonly home: number;
  readonly style: 'raw' | 'library';
  readonly chance: Chance;
  readonly notebook: Notebook;
}

export class Client {
  readonly #nodes: readonly LiveNode[];
  readonly #style: 'raw' | 'library';
  readonly #chance: Chance;
  readonly #book: Notebook;
  #patienceMs: number;
  #wandersPermille = WANDER_PERMILLE;
  #node: number;
  #session: Session | null = null;
  #process: number;
  #isOn = true;

  constructor({ nodes, home, style, chance, notebook }: ClientOptions) {
    this.#nodes = nodes;
    this.#node = home % nodes.length;
    this.#style = style;
    this.#chance = chance;
    this.#book = notebook;
    this.#patienceMs = chance.pick(PATIENCE_MS);
    this.#process = notebook.nextProcess();
  }

  stop(): void {
    this.#isOn = false;
  }

  /** Whoever waits for an answer now will never have it. */
  abort(): void {
    this.stop();
    this.#session?.close();
  }

  async run(workload: Workload): Promise<void> {
    while (this.#isOn) {
      await this.ask(workload.name, workload.next(this.#chance));
      await sleep(this.#chance.between(REST_MS.least, REST_MS.most));
    }
    this.#session?.close();
  }

  /** Reads at its own node only, whatever happens to it: old values show there if anywhere. */
  async keepReading(workloads: readonly Workload[]): Promise<void> {
    this.#patienceMs = READER_PATIENCE_MS;
    this.#wandersPermille = 0;
    while (this.#isOn) {
      const steps = [this.#chance.pick(workloads).read(this.#chance)];
      await this.ask('reader', { manner: 'one', steps });
      await sleep(this.#chance.between(REST_MS.least, REST_MS.most));
    }
    this.#session?.close();
  }

  /** One request; resolves when its fate is known, with `ok` if it was answered. */
  async ask(what: string, request: Request): Promise<Outcome> {
    const session = await this.#connected();
    if (session === null) {
      const at = this.#book.now();
      this.#note(what, request, at, { outcome: 'fail', why: 'no connection', isOdd: false });
      await sleep(AGAIN_MS);
      return 'fail';
    }
    if (request.manner === 'watch') return this.#watch(session, what, request.steps);
    return this.#tell(session, what, request);
  }

  async produce(queues: readonly string[], name: string): Promise<void> {
    for (let n = 0; this.#isOn; n++) {
      const element = `${name}.${n}`;
      const said = await this.#queueCommand('push', ['RPUSH', this.#chance.pick(queues), element]);
      this.#book.queue.push(element, judge(said).outcome);
      await sleep(this.#chance.between(REST_MS.least, REST_MS.most));
    }
    this.#session?.close();
  }

  async consume(queues: readonly string[]): Promise<void> {
    while (this.#isOn) {
      const said = await this.#queueCommand('pop', ['BLPOP', ...queues, String(POP_SECONDS)]);
      const { outcome } = judge(said);
      if (outcome === 'unknown') this.#book.queue.unknownPop();
      if (said.is !== 'value' || said.value === null) continue;
      this.#book.queue.pop(String((said.value as readonly Value[])[1]));
    }
    this.#session?.close();
  }

  /** What a list holds at the end; throws when nobody says so. */
  async list(key: string): Promise<string[]> {
    for (let tries = 0; tries < LIST_TRIES; tries++) {
      const said = await (await this.#connected())?.one(['LRANGE', key, '0', '-1']);
      if (said?.is === 'value') return (said.value as readonly Value[]).map(String);
      await sleep(AGAIN_MS);
    }
    throw new Error(`nobody says what is in ${key}`);
  }

  async #queueCommand(what: string, words: readonly string[]): Promise<Said> {
    const session = await this.#connected();
    const call = this.#book.now();
    const said: Said =
      session === null
        ? { is: 'silence', why: 'no connection', sent: false }
        : await session.one(words);
    const judgement = judge(said);
    const isBlocking = what === 'pop';
    this.#see({ what: `queue ${what}`, isWrite: !isBlocking, isBlocking, call }, judgement);
    if (judgement.outcome !== 'ok') await sleep(AGAIN_MS);
    return said;
  }

  async #tell(session: Session, what: string, request: Request): Promise<Outcome> {
    const { steps, manner } = request;
    const call = this.#book.now();
    const id = this.#book.recorder.begin(this.#process, micros(call), steps);
    const [first] = steps as readonly [Step, ...Step[]];
    const said =
      manner === 'transaction'
        ? await session.transaction(steps.map(commandOf))
        : await session.one(manner === 'script' ? scriptOf(steps) : commandOf(first));
    const judgement = this.#judged(said, (value) => resultsOf(steps, manner, value));
    return this.#end(id, { what, request, call }, judgement);
  }

  /** Compare-and-set by WATCH: what was read is a read of its own. */
  async #watch(session: Session, what: string, steps: readonly Step[]): Promise<Outcome> {
    const [cas] = steps;
    if (cas?.f !== 'cas') throw new Error('only a compare-and-set is watched');
    const { key, to } = cas;
    const watched = await session.one(['WATCH', key]);
    if (watched.is !== 'value') return 'fail';
    const read: Request = { manner: 'one', steps: [{ f: 'read', key }] };
    let from: string | null = null;
    const call = this.#book.now();
    const id = this.#book.recorder.begin(this.#process, micros(call), read.steps);
    const said = await session.one(['GET', key]);
    const judgement = this.#judged(said, (value) => {
      from = value as string | null;
      return resultsOf(read.steps, 'one', value);
    });
    if (this.#end(id, { what, request: read, call }, judgement) !== 'ok') return 'fail';
    return this.#exec(session, what, { f: 'cas', key, from, to });
  }

  async #exec(session: Session, what: string, cas: Step & { f: 'cas' }): Promise<Outcome> {
    const request: Request = { manner: 'watch', steps: [cas] };
    const call = this.#book.now();
    const id = this.#book.recorder.begin(this.#process, micros(call), request.steps);
    const said = await session.transaction([['SET', cas.key, cas.to]]);
    if (said.is === 'value' && said.value === null) {
      this.#book.recorder.fail(id, micros(this.#book.now()));
      this.#note(what, request, call, {
        outcome: 'fail',
        why: 'watched key changed',
        isOdd: false,
      });
      return 'fail';
    }
    return this.#end(
      id,
      { what, request, call },
      this.#judged(said, (value) => {
        const [only] = value as readonly Value[];
        if (only !== 'OK') throw new Error(`EXEC of a SET was answered ${JSON.stringify(value)}`);
        return [true];
      }),
    );
  }

  #judged(said: Said, read: (value: Value) => readonly StepResult[]): Judged {
    const judgement = judge(said);
    if (said.is !== 'value') return { ...judgement, results: [] };
    try {
      return { ...judgement, results: read(said.value) };
    } catch (error) {
      const why = (error as Error).message;
      return { outcome: 'unknown', why, isOdd: true, results: [] };
    }
  }

  #end(
    id: number,
    { what, request, call }: { what: string; request: Request; call: number },
    judged: Judged,
  ): Outcome {
    const { recorder } = this.#book;
    const { outcome, results } = judged;
    const at = micros(this.#book.now());
    if (outcome === 'ok') recorder.ok(id, at, results);
    else if (outcome === 'fail') recorder.fail(id, at);
    else recorder.unknown(id, at);
    this.#note(what, request, call, judged);
    if (outcome === 'unknown') this.#leave();
    return outcome;
  }

  /** A reply that was not understood may be another one's: this connection is not used again. */
  #leave(): void {
    this.#process = this.#book.nextProcess();
    this.#session?.close();
    this.#session = null;
  }

  #note(what: string, request: Request, call: number, judgement: Judgement): void {
    this.#see({ what, isWrite: isWrite(request.steps), isBlocking: false, call }, judgement);
  }

  #see(
    what: Pick<Seen, 'what' | 'isWrite' | 'isBlocking' | 'call'>,
    { outcome, why, isOdd }: Judgement,
  ): void {
    const { seen, oddities } = this.#book;
    seen.push({ ...what, node: this.#node, end: this.#book.now(), outcome, why });
    if (isOdd) oddities.add(why);
  }

  async #connected(): Promise<Session | null> {
    if (this.#session !== null && !this.#session.isOver) return this.#session;
    this.#session?.close();
    this.#session = null;
    try {
      const socket = await (this.#nodes[this.#node] as LiveNode).connect();
      const pace = this.#chance.permille(500) ? 'at once' : 'step by step';
      this.#session =
        this.#style === 'raw'
          ? new RawSession(socket, this.#patienceMs, pace)
          : new LibrarySession(socket, this.#patienceMs);
    } catch {
      if (this.#chance.permille(this.#wandersPermille))
        this.#node = this.#chance.below(this.#nodes.length);
    }
    return this.#session;
  }
}

/** Times of a history are whole numbers. */
function micros(ms: number): number {
  return Math.round(ms * 1_000);
}

type Judged = Judgement & { readonly results: readonly StepResult[] };

function resultsOf(
  steps: readonly Step[],
  manner: Request['manner'],
  value: Value,
): readonly StepResult[] {
  const values = manner === 'one' ? [value] : value;
  if (!Array.isArray(values) || values.length !== steps.length)
    throw new Error(`${steps.length} steps were answered ${JSON.stringify(value)?.slice(0, 200)}`);
  return steps.map((step, i) => {
    const each = values[i] as Value;
    if (each instanceof Failure) throw new Error(`${step.f} in a transaction: ${each.text}`);
    return resultOf(step, each);
  });
}
