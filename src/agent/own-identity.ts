/** Who this node is, on a real disk, as promises: what is decided and kept is in `founding/`. */
import { createHash, randomBytes } from 'node:crypto';
import type { Hello, KnownRun, Refusal } from '../io/peers/hello.ts';
import type { Identity } from '../io/storage/identity.ts';
import type { Disk } from '../io/storage/ports.ts';
import { KeptIdentity } from './founding/kept-identity.ts';

export class OwnIdentity {
  readonly kept: KeptIdentity;

  private constructor(kept: KeptIdentity) {
    this.kept = kept;
  }

  /** Reads it, or makes one in an empty directory, and raises the incarnation. */
  static async open(disk: Disk, path: string, name: string, node: string): Promise<OwnIdentity> {
    const randomHex = (bytes: number) => randomBytes(bytes).toString('hex');
    const kept = await new Promise<KeptIdentity>((resolve, reject) => {
      KeptIdentity.open({ disk, path, name, node, randomHex }, (error, identity) => {
        if (identity !== null) resolve(identity);
        else reject(error);
      });
    });
    return new OwnIdentity(kept);
  }

  get now(): Identity {
    return this.kept.now;
  }

  /** What the one history of its deployment is called in the servers' replication. */
  get historyId(): string {
    const { deployment } = this.now;
    return createHash('sha1').update(`althing history 1 ${deployment}`).digest('hex');
  }

  /** Of this start, and of those before it. */
  get runs(): { readonly run: string; readonly earlierRuns: readonly string[] } {
    return this.kept.runs;
  }

  /** Resolves when the change is durable; only then does `now` show it. Rejects: the node ends. */
  update(change: (identity: Identity) => Partial<Identity>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.kept.update(change, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** The newest start seen of a directory. */
  knownRunOf(directory: string): KnownRun | undefined {
    return this.kept.knownRunOf(directory);
  }

  recordPeer(hello: Hello): Promise<Refusal | null> {
    return new Promise((resolve, reject) => {
      this.kept.recordPeer(hello, (error, refusal) =>
        error === null ? resolve(refusal) : reject(error),
      );
    });
  }
}
