/**
 * Who this node is, kept on its disk: what it signed, how often it was started, and the newest
 * start of every peer (`facts/holes.md` H9). Changes are written one at a time, each as a whole;
 * what is not durable yet is not shown. Pure: disk and chance are arguments.
 */
import {
  EARLIER_RUNS_MAX,
  type Hello,
  judgeIncarnation,
  type KnownRun,
  type Refusal,
} from '../../io/peers/hello.ts';
import type { StorageError } from '../../io/storage/errors.ts';
import { type Identity, loadIdentity, saveIdentity } from '../../io/storage/identity.ts';
import type { Disk } from '../../io/storage/ports.ts';

/** Directories remembered with their incarnations: far more than a deployment has nodes. */
const PEERS_MAX = 256;
const DIRECTORY_ID_BYTES = 16;
const RUN_BYTES = 8;

export interface IdentityOptions {
  readonly disk: Disk;
  readonly path: string;
  /** Of the deployment. */
  readonly name: string;
  readonly node: string;
  /** So many random bytes, as lower-case hex. */
  readonly randomHex: (bytes: number) => string;
}

type Opened = (error: Error | null, identity: KeptIdentity | null) => void;
type Change = (identity: Identity) => Partial<Identity>;
type Changed = (error: StorageError | null) => void;

export class KeptIdentity {
  readonly #disk: Disk;
  readonly #path: string;
  #identity: Identity;
  /** The first is being written. */
  readonly #waiting: { readonly change: Change; readonly done: Changed }[] = [];
  /** Nothing is written after a failure: the node ends (design §3.6). */
  #failure: StorageError | null = null;

  private constructor({ disk, path }: IdentityOptions, identity: Identity) {
    this.#disk = disk;
    this.#path = path;
    this.#identity = identity;
  }

  /** Reads it, or makes one in an empty directory, and raises the incarnation. */
  static open(options: IdentityOptions, done: Opened): void {
    const { disk, path, name, node, randomHex } = options;
    loadIdentity(disk, path, (error, found) => {
      if (error !== null) return done(error, null);
      if (found !== null && (found.name !== name || found.node !== node))
        return done(ofAnother(path, found, options), null);
      if (found?.recovering !== undefined) return done(unfinished(path), null);
      const identity = found ?? newIdentity(name, node, randomHex(DIRECTORY_ID_BYTES));
      const own = new KeptIdentity(options, identity);
      const run = randomHex(RUN_BYTES);
      const begin = ({ incarnation, runs = [] }: Identity) => ({
        incarnation: incarnation + 1,
        runs: [...runs, run].slice(-EARLIER_RUNS_MAX - 1),
      });
      own.update(begin, (failure) => done(failure, failure === null ? own : null));
    });
  }

  /** What is durable. */
  get now(): Identity {
    return this.#identity;
  }

  /** Of this start, and of those before it. */
  get runs(): { readonly run: string; readonly earlierRuns: readonly string[] } {
    const { runs = [] } = this.#identity;
    return { run: runs.at(-1) ?? '', earlierRuns: runs.slice(0, -1) };
  }

  /** `done` when the change is durable; only then does `now` show it. An error ends the node. */
  update(change: Change, done: Changed): void {
    if (this.#failure !== null) {
      done(this.#failure);
      return;
    }
    this.#waiting.push({ change, done });
    if (this.#waiting.length === 1) this.#write();
  }

  /** The newest start seen of a directory. */
  knownRunOf(directory: string): KnownRun | undefined {
    const peer = this.#identity.peers[directory];
    return peer && { incarnation: peer.incarnation, run: peer.run ?? null };
  }

  /** Judges it in its turn: another start of that directory may be recorded meanwhile. */
  recordPeer(
    hello: Hello,
    done: (error: StorageError | null, refusal: Refusal | null) => void,
  ): void {
    const { directory, incarnation, run } = hello;
    let refusal: Refusal | null = null;
    const record: Change = ({ peers }) => {
      refusal = judgeIncarnation(this.knownRunOf(directory), hello);
      if (refusal !== null) return {};
      const others = Object.entries(peers).filter(([known]) => known !== directory);
      const kept = others.slice(-(PEERS_MAX - 1));
      return { peers: Object.fromEntries([...kept, [directory, { directory, incarnation, run }]]) };
    };
    this.update(record, (error) => done(error, refusal));
  }

  #write(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const next = { ...this.#identity, ...first.change(this.#identity) };
    saveIdentity(this.#disk, this.#path, next, (error) => {
      if (error !== null) {
        this.#failure = error;
        for (const { done } of this.#waiting.splice(0)) done(error);
        return;
      }
      this.#identity = next;
      first.done(null);
      // Only now: what is asked for meanwhile waits its turn.
      this.#waiting.shift();
      this.#write();
    });
  }
}

function newIdentity(name: string, node: string, directory: string): Identity {
  return {
    name,
    node,
    directory,
    incarnation: 0,
    phase: 'empty',
    charter: null,
    deployment: '',
    logCreated: false,
    peers: {},
  };
}

function unfinished(path: string): Error {
  return new Error(
    `RECOVERY_UNFINISHED: a recovery of ${path} was begun and is not done; ` +
      'run althing recover on its directory again',
  );
}

function ofAnother(path: string, found: Identity, { name, node }: IdentityOptions): Error {
  return new Error(
    `DIRECTORY_OF_ANOTHER: ${path} belongs to ${found.node} of ${found.name}, not to ${node} ` +
      `of ${name}; start it under its own --node and --name, or choose another --dir`,
  );
}
