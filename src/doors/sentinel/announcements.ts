/**
 * What subscribers are told when one topology follows another: Sentinel's channels and payloads, as
 * one that did not lead the failover itself publishes them. Pure.
 *
 * Two things are told beyond that: `+slave-reconf-done`, which node-redis waits for, also by those
 * who did not lead, and `+replica-reconf-done`, which go-redis waits for and no Sentinel publishes.
 */
import type { DataNode, DoorNode, Topology } from '../topology.ts';
import { addressText, isObjectivelyDown, sentinelId } from './fields.ts';

export interface Announcement {
  readonly channel: string;
  readonly message: string;
}

/** `names`: those that the primary has for clients, each told for itself. */
export function announcementsBetween(
  before: Topology | null,
  after: Topology,
  names: readonly string[],
): Announcement[] {
  const { primary } = after;
  if (primary === null) return [];
  const epoch = { channel: '+new-epoch', message: String(after.epoch) };
  const isNewEpoch = before !== null && after.epoch > before.epoch;
  return [
    ...(isNewEpoch ? [epoch] : []),
    ...names.flatMap((name) => new Comparison(before, after, primary, name).all()),
  ];
}

class Comparison {
  readonly #before: Topology | null;
  readonly #after: Topology;
  readonly #primary: DataNode;
  readonly #name: string;
  readonly #told: Announcement[] = [];

  constructor(before: Topology | null, after: Topology, primary: DataNode, name: string) {
    this.#before = before;
    this.#after = after;
    this.#primary = primary;
    this.#name = name;
  }

  all(): Announcement[] {
    const before = this.#before?.primary ?? null;
    if (before === null) this.#firstPrimary();
    else if (addressText(before) === addressText(this.#primary)) this.#samePrimary(before);
    else this.#switched(before);
    for (const door of this.#after.others) this.#door(door);
    return this.#told;
  }

  #firstPrimary(): void {
    this.#tell('+monitor', `${this.#master} quorum ${this.#after.quorum}`);
    for (const replica of this.#after.replicas) this.#tell('+slave', this.#slave(replica));
  }

  #samePrimary(before: DataNode): void {
    const { replicas, votersUp, quorum } = this.#after;
    const wasAgreed = this.#before !== null && isObjectivelyDown(this.#before);
    const isAgreed = isObjectivelyDown(this.#after);
    this.#presence(before.isUp, this.#primary.isUp, this.#master);
    if (isAgreed && !wasAgreed)
      this.#tell('+odown', `${this.#master} #quorum ${votersUp}/${quorum}`);
    if (wasAgreed && !isAgreed) this.#tell('-odown', this.#master);
    for (const replica of replicas) {
      const known = this.#replicaBefore(replica);
      if (known === null) this.#tell('+slave', this.#slave(replica));
      else this.#presence(known.isUp, replica.isUp, this.#slave(replica));
      if (known !== null && !isServing(known) && isServing(replica)) this.#followsNow(replica);
    }
  }

  #switched(before: DataNode): void {
    const { host, port } = this.#primary;
    this.#tell('+switch-master', `${this.#name} ${before.host} ${before.port} ${host} ${port}`);
    const { replicas } = this.#after;
    for (const replica of replicas) this.#tell('+slave', this.#slave(replica));
    for (const replica of replicas) {
      if (replica.id === before.id && replica.isUp)
        this.#tell('+convert-to-slave', this.#slave(replica));
      const known = this.#replicaBefore(replica);
      if (!replica.isUp && known?.isUp !== false) this.#tell('+sdown', this.#slave(replica));
      if (isServing(replica)) this.#followsNow(replica);
    }
  }

  #followsNow(replica: DataNode): void {
    this.#tell('+slave-reconf-done', this.#slave(replica));
    this.#tell('+replica-reconf-done', this.#slave(replica));
  }

  #door(door: DoorNode): void {
    const known = this.#before?.others.find(({ id }) => id === door.id);
    const text = `sentinel ${sentinelId(door)} ${door.host} ${door.port} ${this.#of}`;
    if (known === undefined) this.#tell('+sentinel', text);
    else if (addressText(known) !== addressText(door)) this.#tell('+sentinel-address-switch', text);
    this.#presence(known?.isUp ?? true, door.isUp, text);
  }

  #presence(wasUp: boolean, isUp: boolean, text: string): void {
    if (wasUp !== isUp) this.#tell(isUp ? '-sdown' : '+sdown', text);
  }

  #replicaBefore({ id }: DataNode): DataNode | null {
    return this.#before?.replicas.find((replica) => replica.id === id) ?? null;
  }

  get #master(): string {
    return `master ${this.#name} ${this.#primary.host} ${this.#primary.port}`;
  }

  get #of(): string {
    return `@ ${this.#name} ${this.#primary.host} ${this.#primary.port}`;
  }

  #slave(replica: DataNode): string {
    return `slave ${addressText(replica)} ${replica.host} ${replica.port} ${this.#of}`;
  }

  #tell(channel: string, message: string): void {
    this.#told.push({ channel, message });
  }
}

function isServing({ isUp, isLevel }: DataNode): boolean {
  return isUp && isLevel;
}
