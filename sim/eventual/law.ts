/**
 * What must hold of an eventual deployment, seen from outside all nodes (DESIGN 10 to 12,
 * `facts/holes.md` H11, H12). The first broken rule throws a Violation.
 */

import { controlFounded } from '../../src/agent/control/control-group.ts';
import type { DataRecord } from '../../src/agent/eventual/ports.ts';
import type { NodeId } from '../../src/core/scalars.ts';
import { WatchedGroup } from '../founding/watched-group.ts';
import { must } from '../violation.ts';

/** As the law sees a machine's server. */
export interface Judged {
  readonly name: string;
  readonly isWritable: boolean;
  readonly writes: readonly string[];
  /** So many follow it, and are not late. */
  readonly followers: number;
}

/** A machine's data as they would be after the power was lost. */
export interface OnDisk {
  readonly writes: readonly string[];
  readonly synced: number;
}

export class EventualLaw {
  readonly control: WatchedGroup;
  readonly #servers: () => readonly Judged[];
  /** So many writes were brought in from elsewhere: the first of all. */
  readonly #imported: number;
  /** All that was taken in the history in force, and all before it that is in it. */
  #chain: string[] = [];
  #decision = 0;
  /** So many of the chain's writes every copy had on its disk once. */
  #safe = 0;
  /** Histories that somebody has had on its disk, by its record. */
  readonly #recorded = new Set<string>();
  accepted = 0;
  lost = 0;
  openings = 0;
  handOvers = 0;
  #checks = 0;

  constructor(
    founders: readonly NodeId[],
    servers: () => readonly Judged[],
    imported: readonly string[],
  ) {
    this.control = new WatchedGroup(controlFounded(founders));
    this.#servers = servers;
    this.#chain = [...imported];
    this.#safe = imported.length;
    this.#imported = imported.length;
  }

  get checks(): number {
    return this.#checks + this.control.invariants.checks;
  }

  get chain(): readonly string[] {
    return this.#chain;
  }

  get safe(): number {
    return this.#safe;
  }

  /** `isWhole`: the former primary has handed over by itself. */
  opened(server: Judged, decision: number, isWhole: boolean): void {
    this.#alone(server);
    this.#inForce(server, decision);
    if (decision === this.#decision) return;
    const { name, writes } = server;
    const end = writes.length;
    must(end >= this.#imported, 'data from elsewhere are the first, and stay', () => {
      return `${name} opens with ${end} writes, ${this.#imported} were brought in`;
    });
    const isPrefix = end <= this.#chain.length && writes[end - 1] === this.#chain[end - 1];
    must(end === 0 || isPrefix, 'no strange history is promoted', () => {
      return `${name} has ${end} writes up to ${writes.at(-1)}, not ${this.#chain[end - 1]}`;
    });
    must(end >= this.#safe, 'what all copies had is never lost', () => {
      return `${name} opens with ${end} writes, all had ${this.#safe}`;
    });
    must(!isWhole || end === this.#chain.length, 'a hand-over loses nothing', () => {
      return `${name} opens with ${end} of ${this.#chain.length} writes`;
    });
    if (isWhole) this.handOvers += 1;
    this.lost += this.#chain.length - end;
    this.#chain = [...writes];
    this.#decision = decision;
    this.openings += 1;
  }

  /** `needs`: so many replicas at the least, as its node knows of the spec since it opened. */
  wrote(server: Judged, decision: number, write: string, needs: number): void {
    this.#alone(server);
    this.#inForce(server, decision);
    must(server.followers >= needs, 'a write is taken with the replicas that it needs', () => {
      return `${server.name} has ${server.followers} of ${needs}`;
    });
    this.#chain.push(write);
    this.accepted += 1;
  }

  /** Of all who should hold the data; null: of one there is nothing. */
  held(disks: readonly (OnDisk | null)[]): void {
    let common = this.#chain.length;
    for (const disk of disks) {
      const synced = Math.min(disk?.synced ?? 0, common);
      const isOfIt = synced > 0 && disk?.writes[synced - 1] === this.#chain[synced - 1];
      common = isOfIt ? synced : 0;
    }
    if (disks.length > 0) this.#safe = Math.max(this.#safe, common);
  }

  recorded({ point, begun }: DataRecord): void {
    if (point !== null) this.#recorded.add(point.history);
    if (begun?.isOnDisk === true) this.#recorded.add(begun.history);
  }

  wasOnDisk(history: string): boolean {
    return this.#recorded.has(history);
  }

  #alone(server: Judged): void {
    this.#checks += 1;
    const open = this.#servers().filter(({ isWritable }) => isWritable);
    must(open.length <= 1, 'one server takes writes', () => {
      return `${server.name} among ${open.map(({ name }) => name).join(', ')}`;
    });
  }

  #inForce({ name }: Judged, decision: number): void {
    must(decision >= this.#decision, 'who was replaced takes no writes', () => {
      return `${name} by decision ${decision}, after ${this.#decision} has opened`;
    });
  }
}
