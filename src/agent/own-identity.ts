/**
 * Who this node is, durably: its directory's id, how often it was started, what it signed, and the
 * newest incarnation of every peer (`facts/holes.md` H9). Changes are written one at a time.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  EARLIER_RUNS_MAX,
  type Hello,
  judgeIncarnation,
  type KnownRun,
  type Refusal,
} from '../io/peers/hello.ts';
import type { StorageError } from '../io/storage/errors.ts';
import { type Identity, loadIdentity, saveIdentity } from '../io/storage/identity.ts';
import type { Disk } from '../io/storage/ports.ts';

/** Directories remembered with their incarnations: far more than a deployment has nodes. */
const PEERS_MAX = 256;

export class OwnIdentity {
  readonly #disk: Disk;
  readonly #path: string;
  #identity: Identity;
  #writing: Promise<void> = Promise.resolve();

  private constructor(disk: Disk, path: string, identity: Identity) {
    this.#disk = disk;
    this.#path = path;
    this.#identity = identity;
  }

  /** Reads it, or makes one in an empty directory, and raises the incarnation. */
  static async open(disk: Disk, path: string, name: string, node: string): Promise<OwnIdentity> {
    const found = await new Promise<Identity | null>((resolve, reject) => {
      loadIdentity(disk, path, (error, identity) => {
        if (error === null) resolve(identity);
        else reject(error);
      });
    });
    if (found !== null && (found.name !== name || found.node !== node))
      throw new Error(
        `DIRECTORY_OF_ANOTHER: ${path} belongs to ${found.node} of ${found.name}, not to ${node} ` +
          `of ${name}; start it under its own --node and --name, or choose another --dir`,
      );
    if (found?.recovering !== undefined)
      throw new Error(
        `RECOVERY_UNFINISHED: a recovery of ${path} was begun and is not done; ` +
          'run althing recover on its directory again',
      );
    const identity: Identity = found ?? {
      format: 1,
      name,
      node,
      directory: randomBytes(16).toString('hex'),
      incarnation: 0,
      phase: 'empty',
      charter: null,
      deployment: '',
      logCreated: false,
      peers: {},
    };
    const own = new OwnIdentity(disk, path, identity);
    const run = randomBytes(8).toString('hex');
    await own.update(({ incarnation, runs = [] }) => ({
      incarnation: incarnation + 1,
      runs: [...runs, run].slice(-EARLIER_RUNS_MAX - 1),
    }));
    return own;
  }

  get now(): Identity {
    return this.#identity;
  }

  /** What the one history of its deployment is called in the servers' replication. */
  get historyId(): string {
    const { deployment } = this.#identity;
    return createHash('sha1').update(`althing history 1 ${deployment}`).digest('hex');
  }

  /** Of this start, and of those before it. */
  get runs(): { readonly run: string; readonly earlierRuns: readonly string[] } {
    const { runs = [] } = this.#identity;
    return { run: runs.at(-1) ?? '', earlierRuns: runs.slice(0, -1) };
  }

  /** Resolves when the change is durable; only then does `now` show it. Rejects: the node ends. */
  update(change: (identity: Identity) => Partial<Identity>): Promise<void> {
    const written = this.#writing.then(async () => {
      const next = { ...this.#identity, ...change(this.#identity) };
      await new Promise<void>((resolve, reject) => {
        const done = (error: StorageError | null) => (error === null ? resolve() : reject(error));
        saveIdentity(this.#disk, this.#path, next, done);
      });
      this.#identity = next;
    });
    this.#writing = written;
    return written;
  }

  /** The newest start seen of a directory. */
  knownRunOf(directory: string): KnownRun | undefined {
    const peer = this.#identity.peers[directory];
    return peer && { incarnation: peer.incarnation, run: peer.run ?? null };
  }

  /** Judges it in its turn: another start of that directory may be recorded meanwhile. */
  async recordPeer(hello: Hello): Promise<Refusal | null> {
    const { directory, incarnation, run } = hello;
    let refusal: Refusal | null = null;
    await this.update(({ peers }) => {
      refusal = judgeIncarnation(this.knownRunOf(directory), hello);
      if (refusal !== null) return {};
      const others = Object.entries(peers).filter(([known]) => known !== directory);
      const kept = others.slice(-(PEERS_MAX - 1));
      return { peers: Object.fromEntries([...kept, [directory, { directory, incarnation, run }]]) };
    });
    return refusal;
  }
}
