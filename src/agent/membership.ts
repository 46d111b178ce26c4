/**
 * This node among the others: what it says of itself, whom it admits, and how it becomes part of a
 * deployment. What `core/charter` decides is made durable here before it is told to anybody.
 */
import { createHash } from 'node:crypto';
import { deploymentIdOf, nodeIdOf, votersOf } from '../core/charter/charter.ts';
import { Founding, type FoundingOutput, mismatchOf } from '../core/charter/founding.ts';
import type { FoundingProblem } from '../core/charter/problems.ts';
import type { NodeId } from '../core/scalars.ts';
import { type Hello, helloNodeId, judgeIncarnation, type Refusal } from '../io/peers/hello.ts';
import type { Journal } from './journal.ts';
import type { OwnIdentity } from './own-identity.ts';

/** What a hello says beside the card: it does not change while the process runs. */
export type Introduction = Pick<
  Hello,
  'name' | 'clientAddress' | 'httpAddress' | 'peerAddress' | 'serverVersion' | 'leaseReads'
>;

export interface MembershipOptions {
  readonly identity: OwnIdentity;
  readonly introduction: Introduction;
  readonly nodesExpected: number;
  readonly journal: Journal;
  /** The own hello changed: tell every peer. */
  readonly announce: () => void;
  /** Called once: this node belongs to a deployment, as a voter or as a copy. */
  readonly joined: () => void;
  readonly peerFound: (peer: NodeId) => void;
  readonly peerLost: (peer: NodeId) => void;
  /** All peers that hold a copy and do not vote. */
  readonly copiesKnown: (copies: readonly NodeId[]) => void;
  readonly fatal: (error: Error) => void;
}

export class Membership {
  readonly #o: MembershipOptions;
  readonly #founding: Founding;
  readonly #up = new Map<NodeId, Hello>();

  /** Throws when the directory belongs to another node or deployment. */
  constructor(options: MembershipOptions) {
    const { identity, introduction, nodesExpected } = options;
    const { node, directory, phase, charter } = identity.now;
    const founding = {
      name: introduction.name,
      self: { node, directory },
      nodesExpected,
      saved: charter === null ? null : { phase, charter },
    };
    const mismatch = mismatchOf(founding);
    if (mismatch !== null) throw new Error(`${mismatch.code}: ${mismatch.text}; ${mismatch.todo}`);
    this.#o = options;
    this.#founding = new Founding(founding);
  }

  get id(): NodeId {
    return nodeIdOf(this.#o.identity.now);
  }

  /** Everybody who counts; none before the founding. */
  get voters(): readonly NodeId[] {
    const { charter, phase } = this.#o.identity.now;
    return charter === null || phase === 'signed' ? [] : votersOf(charter);
  }

  get up(): ReadonlyMap<NodeId, Hello> {
    return this.#up;
  }

  get problems(): readonly FoundingProblem[] {
    return this.#founding.problems;
  }

  get hello(): Hello {
    const { identity, introduction } = this.#o;
    const { deployment, incarnation } = identity.now;
    return { ...this.#founding.card, ...introduction, ...identity.runs, deployment, incarnation };
  }

  start(): void {
    this.#carryOut(this.#founding.step({ kind: 'started' }));
  }

  /** An older or another life of a directory than the one seen is a copy or a ghost (H9). */
  admit(hello: Hello, done: (refusal: Refusal | null) => void): void {
    const { identity, fatal } = this.#o;
    const known = identity.knownRunOf(hello.directory);
    const refusal = judgeIncarnation(known, hello);
    if (refusal !== null || hello.run === known?.run) done(refusal);
    else identity.recordPeer(hello).then(done, fatal);
  }

  /** A peer came up, or has news. */
  seen(hello: Hello): void {
    const peer = helloNodeId(hello);
    const isNew = !this.#up.has(peer);
    this.#up.set(peer, hello);
    this.#carryOut(this.#founding.step({ kind: 'peerSeen', card: hello }));
    if (isNew) this.#o.peerFound(peer);
    this.tellCopies();
  }

  gone(peer: NodeId): void {
    const hello = this.#up.get(peer);
    this.#up.delete(peer);
    this.#o.peerLost(peer);
    if (hello !== undefined)
      this.#carryOut(this.#founding.step({ kind: 'peerGone', directory: hello.directory }));
    this.tellCopies();
  }

  tellCopies(): void {
    const copies = [...this.#up].filter(([, hello]) => hello.phase === 'copy');
    this.#o.copiesKnown(copies.map(([peer]) => peer).toSorted());
  }

  #carryOut(outputs: readonly FoundingOutput[]): void {
    const { journal, announce, joined } = this.#o;
    for (const output of outputs) {
      switch (output.kind) {
        case 'save':
          this.#save(output);
          break;
        case 'announce':
          announce();
          break;
        case 'becameMember':
        case 'becameCopy':
          journal.info('membership.began', {
            as: output.kind === 'becameCopy' ? 'copy' : 'member',
            deployment: this.hello.deployment,
          });
          joined();
          break;
        case 'problems':
          for (const { code, text } of output.problems)
            journal.warn('founding.problem', { code, text });
          break;
      }
    }
  }

  #save({ phase, charter }: Extract<FoundingOutput, { kind: 'save' }>): void {
    const isIn = phase === 'member' || phase === 'copy';
    const deployment = isIn ? deploymentIdOf(charter, sha256Hex) : '';
    this.#o.identity
      .update(() => ({ phase, charter, deployment }))
      .then(() => this.#carryOut(this.#founding.step({ kind: 'saved' })))
      .catch(this.#o.fatal);
  }
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
