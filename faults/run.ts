/** One run of one cell, from founding to the last comparison. */

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Operation, Recorder } from '../sim/check/history.ts';
import { Chance } from '../sim/time.ts';
import type { ReadsMode } from '../src/core/reads-mode.ts';
import { until } from '../test/system/processes.ts';
import { CELLS, type Cell, SHIMMED } from './cells.ts';
import { Client, type Notebook } from './client.ts';
import { comparedData } from './compare.ts';
import type { Hosts } from './hosts.ts';
import { LiveNode, portFlags } from './live-node.ts';
import { panicsIn } from './logs.ts';
import { type Band, Nemesis } from './nemesis.ts';
import { NodeShim } from './node-shim.ts';
import { type FaultKind, planOf } from './plan.ts';
import { QueueLog, type QueueVerdict } from './queue.ts';
import { Oddities, type Seen } from './tally.ts';
import { type Reign, Watch } from './watch.ts';
import { Appends, Registers, Structures, type Workload } from './workloads.ts';

export interface RunOptions {
  readonly cell: string;
  readonly seconds: number;
  readonly seed: number;
  readonly hosts: Hosts;
  readonly dir: string;
  readonly server: string | null;
  /** Null: the agents' own default. */
  readonly relayThreads: number | null;
  readonly reads: ReadsMode | null;
  /** The library before disk and clock; null: faults that need it are left out. */
  readonly shim: string | null;
  readonly say: (line: string) => void;
}

/** Something that should not be, in words. */
export interface Finding {
  readonly what: 'crash' | 'log' | 'data' | 'liveness' | 'queue' | 'reply' | 'order' | 'history';
  readonly words: string;
}

export interface RunRecord {
  readonly operations: readonly Operation[];
  readonly seen: readonly Seen[];
  readonly bands: readonly Band[];
  readonly reigns: readonly Reign[];
  readonly queue: QueueVerdict;
  readonly findings: readonly Finding[];
  /** Until when clients asked, final reads apart. */
  readonly untilMs: number;
  /** From the end of the faults until every node served again. */
  readonly healMs: number;
  /** Keys that every server held at the end. */
  readonly keys: number;
  /** Of the servers, as the first node says. */
  readonly version: string;
  /** Changes that power cuts took back. */
  readonly lostWrites: number;
}

const READY_MS = 60_000;
/** After the faults clients go on for a moment: what broke shows only then. */
const AFTER_MS = 3_000;
/** The longest patience of a client, and a little. */
const LAST_ANSWER_MS = 12_000;
const APPENDERS = 7;
const REGISTERS = 3;
const STRUCTURES = 3;
const CONSUMERS = 2;
/** For the reads at the end. */
const READERS = 8;
const QUEUES = ['queue:a', 'queue:b'];

export class Run {
  readonly #options: RunOptions;
  readonly #cell: Cell;
  readonly #kinds: readonly FaultKind[];
  readonly #shims: NodeShim[];
  readonly #nodes: LiveNode[];
  readonly #findings: Finding[] = [];
  readonly #book: Notebook;
  readonly #watch: Watch;
  readonly #nemesis: Nemesis;
  readonly #clients: Client[] = [];
  readonly #workloads: readonly Workload[] = [new Appends(), new Registers(), new Structures()];
  #processes = 0;
  #begin = performance.now();

  constructor(options: RunOptions) {
    this.#options = options;
    this.#cell = CELLS[options.cell] as Cell;
    const now = (): number => performance.now() - this.#begin;
    const { shim } = options;
    this.#kinds = this.#cell.kinds.filter((kind) => shim !== null || !SHIMMED.has(kind));
    this.#shims =
      shim !== null && this.#kinds.some((kind) => SHIMMED.has(kind)) ? this.#makeShims(shim) : [];
    this.#nodes = this.#makeNodes();
    this.#book = {
      recorder: new Recorder(),
      seen: [],
      oddities: new Oddities(),
      queue: new QueueLog(),
      now,
      nextProcess: () => this.#processes++,
    };
    this.#watch = new Watch(this.#nodes, now);
    this.#nemesis = new Nemesis({
      nodes: this.#nodes,
      shims: this.#shims,
      chance: new Chance(options.seed, 'power'),
      hosts: options.hosts,
      leader: () => this.#watch.leader,
      now,
      onFinding: (words) => this.#find('order', words),
    });
  }

  async run(): Promise<RunRecord> {
    const { say, seconds } = this.#options;
    for (const node of this.#nodes) node.start();
    await this.#allReady();
    say('every node serves; clients begin');
    this.#begin = performance.now();
    this.#watch.forget();
    const watching = this.#watch.run();
    const asking = this.#startClients();
    await this.#disturb();
    await sleep(Math.max(0, seconds * 1_000 - this.#book.now()));
    const { healMs, untilMs } = await this.#settle(asking);
    say(`healed after ${Math.round(healMs)} ms; final reads`);
    const queue = await this.#finalReads();
    const keys = await this.#compare();
    this.#watch.stop();
    await watching;
    this.#readLogs();
    for (const text of this.#book.oddities.list()) this.#find('reply', text);
    for (const problem of queue.problems) this.#find('queue', problem);
    const { seen } = this.#book;
    const { bands } = this.#nemesis;
    const { reigns } = this.#watch;
    const operations = this.#book.recorder.operations();
    const findings = this.#findings;
    const version = this.#watch.answers[0]?.status?.server.version ?? '';
    const { lostWrites } = this.#nemesis;
    const ends = { untilMs, healMs, keys, version, lostWrites };
    return { operations, seen, bands, reigns, queue, findings, ...ends };
  }

  async close(): Promise<void> {
    this.#watch.stop();
    for (const client of this.#clients) client.abort();
    await Promise.all(this.#nodes.map((node) => node.close()));
  }

  #makeNodes(): LiveNode[] {
    const { hosts, dir, server, relayThreads, reads } = this.#options;
    const secret = join(dir, 'secret');
    writeFileSync(secret, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    const flags = [
      ...['--name', 'faults', '--secret-file', secret],
      ...portFlags(hosts.indices.map((i) => hosts.addressOf(i))),
      ...(server === null ? [] : ['--server', server]),
      ...(relayThreads === null ? [] : ['--relay-threads', String(relayThreads)]),
      ...(reads === null ? [] : ['--reads', reads]),
      ...(this.#cell.logLimit === undefined ? [] : ['--log-limit', this.#cell.logLimit]),
    ];
    return hosts.indices.map(
      (index) =>
        new LiveNode({
          index,
          dir: this.#nodeDir(index),
          logPath: this.#logPath(index),
          on: hosts.on(index),
          flags,
          environment: this.#shims[index]?.environment ?? {},
          onSurprise: (how) =>
            this.#find('crash', `node${index + 1}'s agent ended by itself: ${how}`),
        }),
    );
  }

  #makeShims(library: string): NodeShim[] {
    const { hosts, dir } = this.#options;
    const hasPowerCuts = this.#kinds.includes('disk-unsynced');
    return hosts.indices.map((i) => {
      const shim = new NodeShim(library, this.#nodeDir(i), join(dir, `shim${i + 1}`));
      shim.control.journal(hasPowerCuts);
      return shim;
    });
  }

  #nodeDir(index: number): string {
    return join(this.#options.dir, `n${index + 1}`);
  }

  #logPath(index: number): string {
    return join(this.#options.dir, `node${index + 1}.log`);
  }

  #startClients(): Promise<unknown> {
    const [appends, registers, structures] = this.#workloads as [Workload, Workload, Workload];
    const asking: Promise<void>[] = [];
    const start = (count: number, what: (client: Client, i: number) => Promise<void>): void => {
      for (let i = 0; i < count; i++) asking.push(what(this.#newClient(), i));
    };
    start(APPENDERS, (client) => client.run(appends));
    start(REGISTERS, (client) => client.run(registers));
    start(STRUCTURES, (client) => client.run(structures));
    // One for every node: clients go to node after node.
    start(this.#nodes.length, (client) => client.keepReading([appends, registers, structures]));
    start(1, (client, i) => client.produce(QUEUES, `p${i}`));
    start(CONSUMERS, (client) => client.consume(QUEUES));
    return Promise.all(asking);
  }

  #newClient(): Client {
    const number = this.#clients.length;
    const client = new Client({
      nodes: this.#nodes,
      home: number,
      // Every node gets both, whatever their number is.
      style: Math.floor(number / this.#nodes.length) % 2 === 0 ? 'raw' : 'library',
      chance: new Chance(this.#options.seed, `client ${number}`),
      notebook: this.#book,
    });
    this.#clients.push(client);
    return client;
  }

  async #disturb(): Promise<void> {
    const { seed, seconds, hosts } = this.#options;
    const chance = new Chance(seed, 'nemesis');
    await this.#nemesis.run(planOf(this.#kinds, { chance, nodes: hosts.count, seconds }));
  }

  /** Heals, waits until all serve again, and lets the clients finish. */
  async #settle(asking: Promise<unknown>): Promise<{ healMs: number; untilMs: number }> {
    await this.#nemesis.heal();
    const healedAt = this.#book.now();
    await this.#allReady().catch((error: Error) => this.#find('liveness', error.message));
    const healMs = this.#book.now() - healedAt;
    await sleep(AFTER_MS);
    const untilMs = this.#book.now();
    for (const client of this.#clients) client.stop();
    const late = setTimeout(() => {
      for (const client of this.#clients) client.abort();
    }, LAST_ANSWER_MS);
    await asking;
    clearTimeout(late);
    return { healMs, untilMs };
  }

  async #allReady(): Promise<void> {
    await until('every node serves', READY_MS, async () => {
      const answers = await this.#watch.look();
      return answers.every(({ ready }) => ready);
    }).catch((error: Error) => {
      const states = this.#watch.answers.map(({ ready, status }, i) => {
        const problems = status?.problems.map(({ code }) => code).join(',') ?? '';
        return `node${i + 1} ${status?.role ?? 'silent'} ready=${ready} ${problems}`;
      });
      throw new Error(`${error.message}: ${states.join('; ')}`);
    });
  }

  /** Every key through some node, as one more history of reads; and what lies in the queues. */
  async #finalReads(): Promise<QueueVerdict> {
    const steps = this.#workloads.flatMap((workload) => workload.finalReads());
    const readers = Array.from({ length: READERS }, () => this.#newClient());
    let at = 0;
    const misses: string[] = [];
    await Promise.all(
      readers.map(async (reader) => {
        for (let step = steps[at++]; step !== undefined; step = steps[at++]) {
          const outcome = await reader.ask('final', { manner: 'one', steps: [step] });
          if (outcome !== 'ok') misses.push(step.key);
        }
      }),
    );
    if (misses.length > 0)
      this.#find('liveness', `${misses.length} final reads were not answered: ${misses[0]}`);
    const remaining: string[] = [];
    for (const queue of QUEUES)
      await this.#newClient()
        .list(queue)
        .then((elements) => remaining.push(...elements))
        .catch((error: Error) => this.#find('liveness', error.message));
    for (const client of this.#clients) client.abort();
    return this.#book.queue.verdict(remaining);
  }

  async #compare(): Promise<number> {
    try {
      const { keys, differences } = await comparedData(this.#nodes);
      for (const words of differences) this.#find('data', words);
      return keys;
    } catch (error) {
      this.#find('data', (error as Error).message);
      return 0;
    }
  }

  #readLogs(): void {
    for (const { index, name } of this.#nodes)
      for (const line of panicsIn(readFileSync(this.#logPath(index), 'utf8')))
        this.#find('log', `${name}: ${line}`);
  }

  #find(what: Finding['what'], words: string): void {
    this.#findings.push({ what, words });
    this.#options.say(`FOUND ${what}: ${words}`);
  }
}
