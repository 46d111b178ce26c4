/**
 * The generator's process: reads a job from its standard input, connects, warms up, says that it
 * is ready, waits for a line, makes the load, tells the outcome, and ends.
 */
import { createInterface } from 'node:readline';
import { EtcdWire } from './etcd-wire.ts';
import type { Job, Outcome, Told } from './job.ts';
import { LoadPhase } from './phase.ts';
import { RespWire } from './resp-wire.ts';
import { Tally } from './tally.ts';
import type { Wire, WireEvents } from './wire.ts';

/** So many connections are opened at a time: more would overrun a listener's backlog. */
const OPENING_MAX = 50;

function tell(told: Told): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(`${JSON.stringify(told)}\n`, () => resolve());
  });
}

async function fail(error: unknown): Promise<never> {
  await tell({ kind: 'failed', why: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}

class Generator {
  readonly #job: Job;
  readonly #wires: Wire[];
  #phase: LoadPhase | null = null;

  constructor(job: Job) {
    this.#job = job;
    this.#wires = Array.from({ length: job.connections }, (_, connection) => {
      const events: WireEvents = {
        answered: (place, kind) => this.#phase?.answered(connection, place, kind),
        failed: (error) => void fail(error),
      };
      return job.protocol === 'etcd' ? new EtcdWire(job, events) : new RespWire(job, events);
    });
  }

  async open(): Promise<void> {
    for (let at = 0; at < this.#wires.length; at += OPENING_MAX)
      await Promise.all(this.#wires.slice(at, at + OPENING_MAX).map((wire) => wire.open()));
    const { warmUpMs } = this.#job;
    if (warmUpMs > 0) await this.#run({ kind: 'closed', ms: warmUpMs }, new Tally(false));
  }

  async measure(): Promise<Outcome> {
    const { phase, keepSamples } = this.#job;
    const tally = new Tally(keepSamples);
    const before = process.cpuUsage();
    const seconds = await this.#run(phase, tally);
    const { user, system } = process.cpuUsage(before);
    return tally.outcome({
      seconds,
      firstRefusal: this.#wires.find((wire) => wire.firstRefusal !== '')?.firstRefusal ?? '',
      cpuMicros: user + system,
      isOpenLoop: phase.kind === 'open',
    });
  }

  close(): void {
    for (const wire of this.#wires) wire.close();
  }

  async #run(phase: Job['phase'], tally: Tally): Promise<number> {
    const running = new LoadPhase(this.#job, phase, this.#wires, tally);
    this.#phase = running;
    return await running.run();
  }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
try {
  const job = JSON.parse((await lines.next()).value ?? '') as Job;
  const generator = new Generator(job);
  await generator.open();
  await tell({ kind: 'ready' });
  // The parent that is gone closes the pipe: then nobody wants the outcome.
  if (!(await lines.next()).done) {
    const outcome = await generator.measure();
    await tell({ kind: 'done', outcome });
  }
  generator.close();
  process.exit(0);
} catch (error) {
  await fail(error);
}
