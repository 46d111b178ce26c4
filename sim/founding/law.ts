/**
 * What must hold of foundings and of what they found, seen from outside all nodes (`facts/holes.md`
 * H8 to H10). The first broken rule throws a Violation.
 */
import { createHash } from 'node:crypto';
import { controlFounded } from '../../src/agent/control/control-group.ts';
import {
  type Charter,
  canonicalText,
  memberNamed,
  votersOf,
} from '../../src/core/charter/charter.ts';
import type { ControlState } from '../../src/core/control/state.ts';
import { founded } from '../../src/core/raft/configuration.ts';
import type { Configuration } from '../../src/core/raft/protocol.ts';
import type { NodeId } from '../../src/core/scalars.ts';
import { type Hello, helloNodeId } from '../../src/io/peers/hello.ts';
import type { Identity } from '../../src/io/storage/identity.ts';
import { must } from '../violation.ts';
import { WatchedGroup } from './watched-group.ts';

/** One deployment: its two groups, and the state that its log makes. */
export class Watched {
  readonly control: WatchedGroup;
  readonly data: WatchedGroup;
  /** What the state was after an entry, wherever it was seen first. */
  readonly #states = new Map<number, string>();
  readonly #decisions = new Set<number>([0]);
  checks = 0;

  constructor({ charter }: { readonly charter: Charter }) {
    const voters = votersOf(charter);
    this.control = new WatchedGroup(controlFounded(voters));
    this.data = new WatchedGroup(founded(voters));
  }

  /** The same log makes the same state, on every node and after every start. */
  applied(node: NodeId, index: number, state: ControlState): void {
    const text = createHash('sha1').update(JSON.stringify(state)).digest('hex');
    const known = this.#states.get(index);
    must(known === undefined || known === text, 'one log makes one state', () => {
      return `${node} after entry ${index}: ${JSON.stringify(state)}`;
    });
    this.#states.set(index, text);
    this.#decisions.add(state.data.decision);
    this.checks += 1;
  }

  /** Who holds the data is decided first, and then done. */
  dataChanged(node: NodeId, decision: number): void {
    must(this.#decisions.has(decision), 'members change by decisions only', () => {
      return `${node} goes by decision ${decision}`;
    });
    this.checks += 1;
  }
}

export class FoundingLaw {
  /** The fewest that found; null where more directories may be outside than that. */
  readonly #expect: number | null;
  /** What a directory has signed last, by its own word. */
  readonly #signed = new Map<string, Charter>();
  /** Every charter that somebody has signed. */
  readonly #charters = new Map<string, Charter>();
  /** The last word of each directory. */
  readonly #told = new Map<string, Hello>();
  /** Charters of which somebody is a member. */
  readonly #founded = new Map<string, Charter>();
  readonly #owners = new Map<NodeId, string>();
  readonly #deployments = new Map<string, Watched>();
  /** Directories that may found, ever. */
  born = 0;
  #checks = 0;

  constructor(expect: number | null) {
    this.#expect = expect;
  }

  get deployments(): ReadonlyMap<string, Watched> {
    return this.#deployments;
  }

  /** Every configuration that may be in force somewhere, now or soon. */
  get possible(): readonly Configuration[] {
    const groups = [...this.#deployments.values()].flatMap(({ control, data }) => [control, data]);
    const signed = [...this.#charters.values()].map((charter) => founded(votersOf(charter)));
    const changed = groups.flatMap(({ invariants }) => invariants.configurations.possible);
    return this.isFounded ? changed : signed;
  }

  /** How often the nodes had to begin again, since sets that overlap had been signed. */
  get rounds(): number {
    return Math.max(1, ...[...this.#charters.values()].map(({ round }) => round));
  }

  get isFounded(): boolean {
    return this.#founded.size > 0;
  }

  get checks(): number {
    const each = [...this.#deployments.values()].map(({ checks, control, data }) => {
      return checks + control.invariants.checks + data.invariants.checks;
    });
    return each.reduce((sum, count) => sum + count, this.#checks);
  }

  get committedChanges(): number {
    const all = [...this.#deployments.values()].flatMap(({ control, data }) => [control, data]);
    return all.reduce((sum, { invariants }) => sum + invariants.configurations.changes, 0);
  }

  /** A node says this of itself, to whomever. */
  told(hello: Hello): void {
    const { directory, phase, charter } = hello;
    this.#owns(helloNodeId(hello), directory);
    this.#told.set(directory, hello);
    if (charter === null || phase === 'empty' || phase === 'joined') return;
    const text = canonicalText(charter);
    const before = this.#signed.get(directory) ?? charter;
    const old = canonicalText(before);
    must(
      old === text || before.round < charter.round,
      'a directory signs one charter of a round, and none of an earlier one',
      () => `${hello.node} ${directory} signed\n${old}\nand\n${text}`,
    );
    must(old === text || !this.#founded.has(old), 'nobody leaves a charter with members', () => {
      return `${hello.node} ${directory} left\n${old}\nfor\n${text}`;
    });
    const named = memberNamed(charter, hello.node);
    must(
      phase !== 'signed' || (named?.witness ?? false) === (hello.witness ?? false),
      'who signs is what the charter says of it',
      () => `${hello.node} is ${hello.witness === true ? 'a' : 'no'} witness, and signed\n${text}`,
    );
    this.#signed.set(directory, charter);
    this.#charters.set(text, charter);
    if (phase === 'member') this.#founds(hello.node, charter, text);
  }

  /** A new life: what its directory has told is in it. */
  recovered({ directory, incarnation, phase, charter }: Identity): void {
    const told = this.#told.get(directory);
    if (told === undefined) return;
    must(incarnation > told.incarnation, 'every start is counted', () => {
      return `${directory} is at ${incarnation}, told ${told.incarnation}`;
    });
    const text = charter === null ? '' : canonicalText(charter);
    const isKept =
      told.charter === null ||
      phase === 'removed' ||
      (told.phase === 'signed' && phase === 'joined') ||
      (told.phase === 'signed' && charter !== null && told.charter.round < charter.round) ||
      (canonicalText(told.charter) === text && (told.phase === phase || told.phase === 'signed'));
    must(isKept, 'what was told is on the disk', () => {
      return `${directory} told ${told.phase}, and has ${phase} with\n${text}`;
    });
    this.#checks += 1;
  }

  /** A node opens the groups of the deployment that it belongs to. */
  deployment(id: string, charter: Charter): Watched {
    const known = this.#deployments.get(id);
    if (known !== undefined) return known;
    must(this.#founded.has(canonicalText(charter)), 'only what was founded is joined', () => id);
    const watched = new Watched({ charter });
    this.#deployments.set(id, watched);
    return watched;
  }

  /** Votes and copies count by this id: a wiped node has another one than before. */
  #owns(node: NodeId, directory: string): void {
    const owner = this.#owners.get(node) ?? directory;
    must(owner === directory, 'a wiped node is not who it was', () => {
      return `${node} is ${owner} and ${directory}`;
    });
    this.#owners.set(node, directory);
  }

  #founds(node: string, charter: Charter, text: string): void {
    this.#checks += 1;
    if (this.#founded.has(text)) return;
    for (const { directory } of charter.members) {
      const signed = this.#signed.get(directory);
      const its = signed === undefined ? 'nothing' : canonicalText(signed);
      must(its === text, 'a member knows that all have signed', () => {
        return `${node} is one, and ${directory} has signed ${its}`;
      });
    }
    const mine = new Set(charter.members.map(({ directory }) => directory));
    for (const [other, { members }] of this.#founded)
      must(
        members.every(({ directory }) => !mine.has(directory)),
        'two deployments share no directory',
        () => `\n${text}\nand\n${other}`,
      );
    must(this.#founded.size === 0 || this.#expect === null, 'one deployment is founded', () => {
      return `\n${text}\nbeside\n${[...this.#founded.keys()].join('\n')}`;
    });
    this.#founded.set(text, charter);
  }
}
