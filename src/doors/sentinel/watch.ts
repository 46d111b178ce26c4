/** The topology over time: since when each node is what it is, and what subscribers are told. */
import type { DoorNode, Topology } from '../topology.ts';
import { type Announcement, announcementsBetween } from './announcements.ts';
import type { Scene } from './fields.ts';

export interface WatchOptions {
  readonly topology: () => Topology;
  readonly nowMs: () => number;
  /** What the primary is called by clients. */
  readonly namesOf: (topology: Topology) => readonly string[];
  readonly announce: (announcement: Announcement) => void;
}

interface Known {
  readonly value: string;
  readonly atMs: number;
}

export class Watch {
  readonly #o: WatchOptions;
  /** Of the nodes of the newest topology only. */
  #since = new Map<string, Known>();
  #last: Topology | null = null;

  constructor(options: WatchOptions) {
    this.#o = options;
  }

  /** Looks now; whoever subscribed has been told what changed before this returns. */
  look(): Scene {
    const topology = this.#o.topology();
    this.#date(topology);
    const before = this.#last;
    // Nothing that is older than what was told is told after it.
    if (before === null || topology.epoch >= before.epoch) {
      this.#last = topology;
      for (const each of announcementsBetween(before, topology, this.#o.namesOf(topology)))
        this.#o.announce(each);
    }
    return {
      topology,
      ages: {
        presence: (node) => this.#age(presenceOf(node)),
        role: (node) => this.#age(`role ${node.id}`),
      },
    };
  }

  #date({ primary, replicas, self, others }: Topology): void {
    const since = new Map<string, Known>();
    const note = (key: string, value: string) => {
      const known = this.#since.get(key);
      since.set(key, known?.value === value ? known : { value, atMs: this.#o.nowMs() });
    };
    const data = [...(primary === null ? [] : [primary]), ...replicas];
    for (const node of [...data, self, ...others]) note(presenceOf(node), String(node.isUp));
    for (const node of data) note(`role ${node.id}`, String(node === primary));
    this.#since = since;
  }

  #age(key: string): number {
    const known = this.#since.get(key);
    return known === undefined ? 0 : Math.round(this.#o.nowMs() - known.atMs);
  }
}

/** A server may be away while its agent is there, and has another port. */
function presenceOf({ id, port }: DoorNode): string {
  return `presence ${port} ${id}`;
}
