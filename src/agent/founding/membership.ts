/**
 * This node among the others: what it says of itself, whom it admits, and how it becomes part of a
 * deployment. What `core/charter` decides is made durable here before it is told to anybody. Pure,
 * like all that the simulator runs.
 */
import {
  deploymentIdOf,
  importerOf,
  memberNamed,
  nodeIdOf,
  votersOf,
  witnessesOf,
} from '../../core/charter/charter.ts';
import { Founding, type FoundingOutput, mismatchOf } from '../../core/charter/founding.ts';
import type { FoundingProblem } from '../../core/charter/problems.ts';
import type { NodeId } from '../../core/scalars.ts';
import { type Hello, helloNodeId, judgeIncarnation, type Refusal } from '../../io/peers/hello.ts';
import type { Identity } from '../../io/storage/identity.ts';
import type { Note } from '../shard/ports.ts';
import type { KeptIdentity } from './kept-identity.ts';

/** What a hello says beside the card. */
export type Introduction = Pick<
  Hello,
  | 'name'
  | 'clientAddress'
  | 'httpAddress'
  | 'peerAddress'
  | 'serverVersion'
  | 'leaseReads'
  | 'eventual'
  | 'zone'
  | 'ephemeral'
  | 'witness'
  | 'sentinelAddress'
  | 'clusterServer'
>;

export interface MembershipOptions {
  readonly identity: KeptIdentity;
  /** As it is now: where this node is reached may be found out late. */
  readonly introduction: () => Introduction;
  /** It has data that are to be the first of a deployment. */
  readonly imports: boolean;
  /** Null: it only joins, until `expects` says something else. */
  readonly nodesExpected: number | null;
  /**
   * Calls `done` when it stands where no disk can lose it that this deployment was founded; never
   * where another one was. Nobody votes in it before.
   */
  readonly claim: (deployment: string, done: () => void) => void;
  readonly sha256Hex: (text: string) => string;
  readonly note: Note;
  /** The own hello changed: tell every peer. */
  readonly announce: () => void;
  /** Called once: this node belongs to a deployment. */
  readonly joined: () => void;
  readonly peerFound: (peer: NodeId, hello: Hello) => void;
  readonly peerLost: (peer: NodeId) => void;
  /** Whether the deployment has taken this directory out for good. */
  readonly isRemoved: (peer: NodeId) => boolean;
  readonly fatal: (error: Error) => void;
}

export class Membership {
  readonly #o: MembershipOptions;
  readonly #founding: Founding;
  readonly #up = new Map<NodeId, Hello>();

  /** Throws when the directory belongs to another node or deployment. */
  constructor(options: MembershipOptions) {
    const { identity, introduction, imports, nodesExpected } = options;
    const { node, directory } = identity.now;
    const { name, witness = false } = introduction();
    const founding = {
      name,
      self: { node, directory, witness, ...(imports ? { imports } : {}) },
      nodesExpected,
      saved: savedOf(identity.now),
    };
    const mismatch = mismatchOf(founding);
    if (mismatch !== null) throw new Error(`${mismatch.code}: ${mismatch.text}; ${mismatch.todo}`);
    this.#o = options;
    this.#founding = new Founding(founding);
  }

  get id(): NodeId {
    return nodeIdOf(this.#o.identity.now);
  }

  /** Who founded the deployment; none before that. */
  get founders(): readonly NodeId[] {
    const { charter, phase } = this.#o.identity.now;
    return charter === null || phase === 'signed' ? [] : votersOf(charter);
  }

  /** Those of them that signed as witnesses. */
  get foundingWitnesses(): readonly NodeId[] {
    const { charter } = this.#o.identity.now;
    return charter === null ? [] : witnessesOf(charter);
  }

  /** Whose data are to be the first of the deployment; null: nobody's. */
  get importer(): NodeId | null {
    const { charter } = this.#o.identity.now;
    return charter === null ? null : importerOf(charter);
  }

  /** Nodes of this deployment that are connected: they have it on their disks. */
  get peersIn(): ReadonlyMap<NodeId, Hello> {
    const { deployment } = this.hello;
    return new Map([...this.#up].filter(([, hello]) => hello.deployment === deployment));
  }

  get up(): ReadonlyMap<NodeId, Hello> {
    return this.#up;
  }

  /** Connected, and removed for good: whoever has not seen that in its log is to be told. */
  get removedButUp(): ReadonlyMap<NodeId, Refusal> {
    const gone = [...this.#up].filter(([peer]) => this.#o.isRemoved(peer));
    return new Map(gone.map(([peer, hello]) => [peer, removed(hello)]));
  }

  get problems(): readonly FoundingProblem[] {
    return this.#founding.problems;
  }

  get hello(): Hello {
    const { identity, introduction } = this.#o;
    const { deployment, incarnation } = identity.now;
    const card = this.#founding.card;
    return { ...card, ...introduction(), ...identity.runs, deployment, incarnation };
  }

  start(): void {
    this.#carryOut(this.#founding.step({ kind: 'started' }));
  }

  /** How many found is another number now; null: this node only joins. */
  expects(nodesExpected: number | null): void {
    this.#carryOut(this.#founding.step({ kind: 'expects', nodesExpected }));
  }

  tick(): void {
    this.#carryOut(this.#founding.step({ kind: 'tick' }));
  }

  /** An older or another life of a directory than the one seen is a copy or a ghost (H9). */
  admit(hello: Hello, done: (refusal: Refusal | null) => void): void {
    const { identity, fatal, isRemoved } = this.#o;
    if (isRemoved(helloNodeId(hello))) {
      done(removed(hello));
      return;
    }
    const known = identity.knownRunOf(hello.directory);
    const refusal = judgeIncarnation(known, hello);
    if (refusal !== null || hello.run === known?.run) done(refusal);
    else
      identity.recordPeer(hello, (error, late) => {
        if (error === null) done(late);
        else fatal(error);
      });
  }

  /** A peer came up, or has news. */
  seen(hello: Hello): void {
    const peer = helloNodeId(hello);
    const isNew = !this.#up.has(peer);
    this.#up.set(peer, hello);
    this.#carryOut(this.#founding.step({ kind: 'peerSeen', card: hello }));
    if (isNew) this.#o.peerFound(peer, hello);
  }

  gone(peer: NodeId): void {
    const hello = this.#up.get(peer);
    this.#up.delete(peer);
    this.#o.peerLost(peer);
    if (hello !== undefined)
      this.#carryOut(this.#founding.step({ kind: 'peerGone', directory: hello.directory }));
  }

  #carryOut(outputs: readonly FoundingOutput[]): void {
    const { note, announce, joined } = this.#o;
    for (const output of outputs) {
      switch (output.kind) {
        case 'save':
          this.#save(output);
          break;
        case 'announce':
          announce();
          break;
        case 'becameMember':
        case 'becameJoined':
          note('info', 'membership.began', {
            as: output.kind === 'becameJoined' ? 'joined' : 'member',
            deployment: this.hello.deployment,
          });
          joined();
          break;
        case 'problems':
          for (const { code, text } of output.problems)
            note('warn', 'founding.problem', { code, text });
          break;
      }
    }
  }

  #save(next: Extract<FoundingOutput, { kind: 'save' }>): void {
    const { claim, sha256Hex } = this.#o;
    const isIn = next.phase === 'member' || next.phase === 'joined';
    const deployment = isIn ? deploymentIdOf(next.charter, sha256Hex) : '';
    const keep = () => this.#keep(next, deployment);
    if (next.phase === 'member') claim(deployment, keep);
    else keep();
  }

  #keep({ phase, charter }: Extract<FoundingOutput, { kind: 'save' }>, deployment: string): void {
    const { identity, fatal } = this.#o;
    identity.update(
      () => ({ phase, charter, deployment }),
      (error) => {
        if (error === null) this.#carryOut(this.#founding.step({ kind: 'saved' }));
        else fatal(error);
      },
    );
  }
}

/** Who was removed is what it was, and does not start. */
function savedOf({ node, directory, phase, charter }: Identity) {
  if (charter === null) return null;
  const isFounder = memberNamed(charter, node)?.directory === directory;
  return { charter, phase: phase !== 'removed' ? phase : isFounder ? 'member' : 'joined' } as const;
}

function removed({ node }: Hello): Refusal {
  const text = `${node} was removed: empty its directory, and it joins as a new node`;
  return { code: 'REMOVED', text };
}
