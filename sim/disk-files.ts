/** Bytes and names of the simulated disk: what programs see, and what would survive a power cut. */
import { SECTOR_BYTES } from '../src/io/storage/segment.ts';

export type Entropy = () => number;

/** True once in `n` times, on average. */
export function oneIn(entropy: Entropy, n: number): boolean {
  return entropy() % n === 0;
}

/** Bytes that grow. What was never written between two writes reads as zeros. */
export class Bytes {
  #room: Uint8Array;
  #length: number;

  constructor(content: Uint8Array = new Uint8Array(0)) {
    this.#room = Uint8Array.from(content);
    this.#length = content.length;
  }

  get length(): number {
    return this.#length;
  }

  view(): Uint8Array {
    return this.#room.subarray(0, this.#length);
  }

  write(position: number, bytes: Uint8Array): void {
    this.resize(Math.max(this.#length, position + bytes.length));
    this.#room.set(bytes, position);
  }

  resize(length: number): void {
    if (length > this.#room.length) {
      const room = new Uint8Array(Math.max(length, this.#room.length * 2, SECTOR_BYTES));
      room.set(this.view());
      this.#room = room;
    } else if (length < this.#length) this.#room.fill(0, length, this.#length);
    this.#length = length;
  }
}

interface Pending {
  readonly kind: 'write' | 'truncate';
  readonly position: number;
  readonly bytes: Uint8Array;
  /** A sync covers only what had completed when it was asked for. */
  isComplete: boolean;
}

export class Inode {
  readonly live: Bytes;
  readonly durable: Bytes;
  #pending: Pending[] = [];

  constructor(content?: Uint8Array) {
    this.live = new Bytes(content);
    this.durable = new Bytes(content);
  }

  /** Both take effect for readers at once; call the result when the request completes. */
  write(position: number, bytes: Uint8Array): () => void {
    const copy = Uint8Array.from(bytes);
    this.live.write(position, copy);
    return this.#note({ kind: 'write', position, bytes: copy, isComplete: false });
  }

  truncate(length: number): () => void {
    this.live.resize(length);
    const bytes = new Uint8Array(0);
    return this.#note({ kind: 'truncate', position: length, bytes, isComplete: false });
  }

  /** What a sync asked for now will make durable, when the result is called. */
  beginSync(): () => void {
    const covered = new Set(this.#pending.filter(({ isComplete }) => isComplete));
    return () => {
      for (const pending of this.#pending) if (covered.has(pending)) this.#settle(pending);
      this.#pending = this.#pending.filter((pending) => !covered.has(pending));
    };
  }

  /** Whoever asked is gone: what is visible counts as done. */
  completeAll(): void {
    for (const pending of this.#pending) pending.isComplete = true;
  }

  /** As Linux does when writing back fails: the pages are clean, and what they held is gone. */
  failSync(): void {
    this.#pending = [];
  }

  /** The power goes: each request that no sync covered is kept, lost or torn. */
  crash(entropy: Entropy): Inode {
    for (const pending of this.#pending) {
      if (pending.kind === 'truncate') {
        if (oneIn(entropy, 2)) this.#settle(pending);
      } else if (oneIn(entropy, 3)) this.#settle(pending);
      else if (oneIn(entropy, 2)) this.#tear(pending, entropy);
    }
    return new Inode(this.durable.view());
  }

  #note(pending: Pending): () => void {
    this.#pending.push(pending);
    return () => {
      pending.isComplete = true;
    };
  }

  #settle({ kind, position, bytes }: Pending): void {
    if (kind === 'write') this.durable.write(position, bytes);
    else this.durable.resize(position);
  }

  /** Each sector for itself; and sometimes the new length without the bytes. */
  #tear({ position, bytes }: Pending, entropy: Entropy): void {
    const end = position + bytes.length;
    let at = position;
    while (at < end) {
      const sectorEnd = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      if (oneIn(entropy, 2))
        this.durable.write(at, bytes.subarray(at - position, sectorEnd - position));
      at = sectorEnd;
    }
    if (oneIn(entropy, 4)) this.durable.resize(Math.max(this.durable.length, end));
  }
}

/** `null` removes the name. A rename is two changes that survive together. */
type NameChange = readonly { readonly path: string; readonly inode: Inode | null }[];

interface PendingChange {
  readonly directory: string;
  readonly change: NameChange;
  isComplete: boolean;
}

export class Names {
  #live = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #pending: PendingChange[] = [];

  get(path: string): Inode | undefined {
    return this.#live.get(path);
  }

  all(): readonly string[] {
    return [...this.#live.keys()].sort();
  }

  /** What a power cut cannot take. */
  synced(): ReadonlyMap<string, Inode> {
    return this.#durable;
  }

  change(directory: string, change: NameChange): () => void {
    apply(this.#live, change);
    const pending = { directory, change, isComplete: false };
    this.#pending.push(pending);
    return () => {
      pending.isComplete = true;
    };
  }

  beginSync(directory: string): () => void {
    const covered = new Set(
      this.#pending.filter((pending) => pending.isComplete && pending.directory === directory),
    );
    return () => {
      for (const pending of this.#pending)
        if (covered.has(pending)) apply(this.#durable, pending.change);
      this.#pending = this.#pending.filter((pending) => !covered.has(pending));
    };
  }

  /** Whoever asked is gone: what is visible counts as done, and later syncs cover it. */
  completeAll(): void {
    for (const pending of this.#pending) pending.isComplete = true;
    for (const inode of this.#live.values()) inode.completeAll();
  }

  /** Some file systems keep the order of changes, others do not: either may happen. */
  crash(entropy: Entropy): void {
    const keepsOrder = oneIn(entropy, 2);
    for (const { change } of this.#pending) {
      const isKept = oneIn(entropy, 2);
      if (isKept) apply(this.#durable, change);
      else if (keepsOrder) break;
    }
    this.#pending = [];
    const survivors = new Map<Inode, Inode>();
    for (const path of [...this.#durable.keys()].sort()) {
      const inode = this.#durable.get(path);
      if (inode === undefined) continue;
      const survivor = survivors.get(inode) ?? inode.crash(entropy);
      survivors.set(inode, survivor);
      this.#durable.set(path, survivor);
    }
    this.#live = new Map(this.#durable);
  }
}

function apply(names: Map<string, Inode>, change: NameChange): void {
  for (const { path, inode } of change) {
    if (inode === null) names.delete(path);
    else names.set(path, inode);
  }
}
