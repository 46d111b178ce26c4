/** After the faults: a healthy majority must make progress, and everybody must get there. */
import type { Clients } from './clients.ts';
import type { Host } from './host.ts';
import type { Timeline } from './time.ts';
import type { Truth } from './truth.ts';
import { must } from './violation.ts';
import type { Workload } from './workload.ts';

/** Virtual time in which a healed deployment must have all nodes level: some forty elections. */
const HEALED_MAX_US = 60_000_000;
const PROBE_US = 100_000;

export interface HealingOptions {
  readonly timeline: Timeline;
  readonly hosts: () => readonly Host[];
  /** Who was removed, or never added, gets nothing. */
  readonly isFed: (host: Host) => boolean;
  readonly clients: Clients;
  readonly workload: Workload;
  readonly truth: Truth;
  readonly note: (what: string) => void;
}

export class Healing {
  readonly #o: HealingOptions;
  #longestUs = 0;

  constructor(options: HealingOptions) {
    this.#o = options;
  }

  /** Yields how long it took at most until all were level. */
  run(): number {
    this.#probe();
    this.#heal();
    this.#reopenRotten();
    return this.#longestUs;
  }

  /** Liveness, after safety: a leader, new answers, every node level, all servers the same. */
  #heal(): void {
    const begunUs = this.#o.timeline.nowUs;
    let isRead = false;
    this.#o.clients.finally(this.#o.workload.readAll(), () => {
      isRead = true;
    });
    while (!isRead || !this.#isLevel()) {
      this.#o.timeline.step();
      must(
        this.#o.timeline.nowUs - begunUs < HEALED_MAX_US,
        'a healed deployment is level in time',
        () => `${isRead ? 'read' : 'not read'}; ${this.#o.hosts().map(picture).join('; ')}`,
      );
    }
    this.#longestUs = Math.max(this.#longestUs, this.#o.timeline.nowUs - begunUs);
    this.#o.note('all level');
    const { truth } = this.#o;
    for (const { name, server } of this.#o.hosts().filter(this.#o.isFed)) {
      const model = server?.body?.model;
      if (model !== undefined) truth.stateAt(name, model.offset, model.digest);
    }
  }

  /** What rotted and was not read since must be noticed at the latest now. */
  #reopenRotten(): void {
    const rotten = this.#o.hosts().filter((host) => host.disk.isRotten);
    if (rotten.length === 0) return;
    for (const host of rotten) {
      host.crash(false);
      host.start();
    }
    this.#heal();
  }

  #probe(): void {
    // A disk that was full until now may still end its node.
    for (const host of this.#o.hosts()) host.start();
    this.#o.timeline.after(PROBE_US, () => this.#probe());
  }

  #isLevel(): boolean {
    const goal = this.#o.truth.length;
    for (const { life, server } of this.#o.hosts().filter(this.#o.isFed)) {
      const model = server?.body?.model;
      if (life === null || life.group.index.endOffset !== goal) return false;
      if (life.data === null) continue;
      if (model === undefined || model.offset !== goal) return false;
      if (!life.isOpen && !model.isConnected) return false;
    }
    return true;
  }
}

function picture(host: Host): string {
  const { life, server } = host;
  if (life === null) return `${host.id} down`;
  const { raft, index } = life.group;
  const stage = life.data?.strong.stage.kind ?? 'witness';
  const log = `last ${raft.last.index} commit ${raft.committed} ends ${index.endOffset}`;
  const model = server?.body?.model;
  const at = model === undefined ? 'none' : `${model.role} at ${model.offset}`;
  return `${host.id} ${raft.role} t${raft.term} ${log} ${stage}, server ${at}`;
}
