/**
 * How nodes without a past become one deployment, once (holes.md H8).
 *
 * empty -> signed -> member, or empty -> joined. A signature is told only when it is durable. A
 * node is a member once every member of its charter is known to have signed it.
 *
 * To sign at first sight would be safe, and often in vain where more nodes than expected start
 * together: a has seen b and c when d sees c and b. So each says whom it sees, and the first of a
 * set signs when all of it have said that they see just this set; the rest signs what was signed.
 * While nobody goes, views only grow, and then no second set is ever signed: a node that said both
 * S and T had S before T, so S is part of T; who signed S had it as its view, and says nothing
 * after it, so it never said T, without which nobody signs T.
 *
 * Where nodes go in that very moment, two sets that overlap may each have signatures that the
 * other one lacks. Therefore charters have rounds, and a directory signs one charter of a round and
 * never one of an earlier round than before. A charter of round r is *void* when a directory in it
 * has signed another one of round r or later, or is in another deployment. Only whoever knows its
 * charter to be void may sign a later one, or join.
 *
 * A void charter is never signed by all. Suppose one were, and take the first of its directories
 * that signed another of round r or later, or joined. It had not signed this one before, or it
 * would have had to know of an earlier such directory; and it may not sign it afterwards. So nobody
 * leaves a charter that has members or will have any, and two charters with a directory in common
 * never both get members. Where `nodesExpected` exceeds half of all nodes that may run before
 * founding, any two sets of so many have one in common.
 *
 * Nobody waits for ever while all see one another and no directory was lost: of the charters that
 * are not void, whoever may signs the latest that names it, and so one of them gets all signatures
 * or all become void; then all are as free as if they were empty, and sign one of a later round.
 *
 * An empty node that sees a deployment of its name joins it, and never founds: it takes over that
 * charter, which gives it no vote. So does a wiped directory, which comes back under another id: it
 * has forgotten what the old one promised, and may not vote in its place.
 *
 * Where a node brings data in (`--import-data`), the charter says so: those are the first of the
 * deployment, so that no empty node begins in its place. Nothing is signed with two such nodes, and
 * such a node joins no deployment that is there: its data would be replaced by others.
 *
 * What a charter says of a node it signs only as that. So a charter that names it wrongly (it was
 * started as a witness after others had seen it as none) stays without its signature, as one stays
 * whose node now only joins, or expects more. `waiting.ts` puts in words who is waited for.
 *
 * Pure: the caller saves, announces and says who is visible. Nothing is announced before `saved`.
 */
import { assert, unreachable } from '../../assert.ts';
import { type Card, isVoid, type Phase } from './card.ts';
import {
  CHARTER_MEMBERS_MAX,
  CHARTER_ROUNDS_MAX,
  type Charter,
  type CharterMember,
  canonicalText,
  charterOf,
  isSameCharter,
  memberNamed,
} from './charter.ts';
import { BEGIN_ANEW, type FoundingProblem, problemsOf } from './problems.ts';
import { waitOf } from './waiting.ts';

/** Of 25 ms: five seconds. Nodes that start one after the other found within that. */
export const FOUNDING_WAIT_TICKS = 200;

export type FoundingEvent =
  /** Once, first. Who is one from an earlier life is told so in the outputs. */
  | { readonly kind: 'started' }
  /** A peer came up, or has news. `isSelf` cards (the own address in the list) are ignored. */
  | { readonly kind: 'peerSeen'; readonly card: Card; readonly isSelf?: boolean }
  | { readonly kind: 'peerGone'; readonly directory: string }
  /** Only now it is known how many found, or that nobody does any more. */
  | { readonly kind: 'expects'; readonly nodesExpected: number | null }
  /** The last `save` would survive a power cut. */
  | { readonly kind: 'saved' }
  /** Time passes: only what is said of it depends on that. */
  | { readonly kind: 'tick' };

export type FoundingOutput =
  /** Must be durable before anything later is announced; answered by `saved`. One at a time. */
  | { readonly kind: 'save'; readonly phase: Phase; readonly charter: Charter }
  /** `card` changed: tell every peer. */
  | { readonly kind: 'announce' }
  | { readonly kind: 'becameMember'; readonly charter: Charter }
  | { readonly kind: 'becameJoined'; readonly charter: Charter }
  /** The whole list of what is wrong now, whenever it changed; empty when all is well again. */
  | { readonly kind: 'problems'; readonly problems: readonly FoundingProblem[] };

export interface FoundingOptions {
  readonly name: string;
  readonly self: CharterMember;
  /** The fewest that found this deployment, this one included; null: it never founds, and joins. */
  readonly nodesExpected: number | null;
  /** What the identity file holds; null in an empty directory. */
  readonly saved: { readonly phase: Phase; readonly charter: Charter } | null;
}

/**
 * Why this directory cannot be used under this name, or as what it is started; null when it can.
 * Check before founding.
 */
export function mismatchOf(options: FoundingOptions): FoundingProblem | null {
  const { name, self, saved } = options;
  if (saved === null || saved.phase === 'empty') return null;
  const { charter } = saved;
  if (saved.phase === 'signed' && isOtherwiseNamed(charter, self)) return changed(charter, self);
  const fits =
    charter.name === name &&
    (memberNamed(charter, self.node)?.directory === self.directory) === (saved.phase !== 'joined');
  if (fits) return null;
  const owner = charter.members.find((member) => member.directory === self.directory)?.node;
  return {
    code: 'DIRECTORY_OF_ANOTHER',
    text:
      `the data directory belongs to ${owner ?? 'a node'} of deployment ${charter.name}, ` +
      `not to ${self.node} of ${name}`,
    todo: 'start it under its own name, or give this node another directory',
  };
}

/** The others may count on what it signed; once that is founded, it may be the one or the other. */
function changed(charter: Charter, { node, witness, imports }: CharterMember): FoundingProblem {
  if ((memberNamed(charter, node)?.imports ?? false) !== (imports ?? false))
    return {
      code: 'IMPORT_CHANGED',
      text: `${node} has signed a charter ${imports ? 'without' : 'with'} data that it brings in`,
      todo: BEGIN_ANEW,
    };
  const [was, is] = witness === true ? ['no witness', 'one'] : ['a witness', 'none'];
  return {
    code: 'WITNESS_CHANGED',
    text: `${node} has signed a charter as ${was}, and is started as ${is}`,
    todo: `start it ${witness === true ? 'without' : 'with'} --witness until all have signed`,
  };
}

export class Founding {
  readonly #name: string;
  readonly #self: CharterMember;
  #nodesExpected: number | null;
  /** What is durable. */
  #phase: Phase;
  #charter: Charter | null;
  /** What is being saved, null when nothing is. */
  #saving: { phase: Phase; charter: Charter } | null = null;
  /** By directory: everybody visible now, without this node. */
  readonly #visible = new Map<string, Card>();
  /** The last text that a directory is known to have signed, of those that name this one. */
  readonly #signatures = new Map<string, string>();
  /** As it was told last. */
  #sees = '';
  /** Somebody is waited for, and since so many ticks. */
  #isWaiting = false;
  #waitTicks = 0;
  #problems: readonly FoundingProblem[] = [];

  constructor(options: FoundingOptions) {
    assert(mismatchOf(options) === null, 'the directory was checked to belong to this node');
    this.#name = options.name;
    this.#self = options.self;
    this.#nodesExpected = checked(options.nodesExpected);
    this.#phase = options.saved?.phase ?? 'empty';
    this.#charter = this.#phase === 'empty' ? null : (options.saved?.charter ?? null);
  }

  /** What may be said to peers: durable, but for what it sees. */
  get card(): Card {
    const card = { ...this.#self, phase: this.#phase, charter: this.#charter };
    const sees = this.#whomItSees();
    if (sees === null || this.#nodesExpected === null) return card;
    return { ...card, sees, expect: this.#nodesExpected };
  }

  get problems(): readonly FoundingProblem[] {
    return this.#problems;
  }

  step(event: FoundingEvent): FoundingOutput[] {
    const outputs: FoundingOutput[] = [];
    switch (event.kind) {
      case 'tick':
        if (this.#isWaiting && ++this.#waitTicks === FOUNDING_WAIT_TICKS) this.#notice(outputs);
        return outputs;
      case 'started':
        this.#tellWhatItIs(outputs);
        break;
      case 'peerSeen':
        if (event.isSelf !== true && event.card.directory !== this.#self.directory)
          this.#see(event.card);
        break;
      case 'peerGone':
        this.#visible.delete(event.directory);
        break;
      case 'expects':
        this.#nodesExpected = checked(event.nodesExpected);
        break;
      case 'saved':
        this.#takeSaved(outputs);
        break;
      default:
        return unreachable(event);
    }
    this.#proceed(outputs);
    this.#tellWhomItSees(outputs);
    this.#notice(outputs);
    return outputs;
  }

  #see(card: Card): void {
    this.#visible.set(card.directory, card);
    // Only charters that name this directory are remembered: that bounds the map.
    const { charter } = card;
    if (charter === null || card.phase === 'joined') return;
    if (memberNamed(charter, this.#self.node)?.directory !== this.#self.directory) return;
    this.#signatures.set(card.directory, canonicalText(charter));
  }

  #takeSaved(outputs: FoundingOutput[]): void {
    assert(this.#saving !== null, 'only a save that was asked for is answered');
    this.#phase = this.#saving.phase;
    this.#charter = this.#saving.charter;
    this.#saving = null;
    this.#sees = this.#view();
    outputs.push({ kind: 'announce' });
    this.#tellWhatItIs(outputs);
  }

  #tellWhatItIs(outputs: FoundingOutput[]): void {
    if (this.#charter === null) return;
    if (this.#phase === 'member') outputs.push({ kind: 'becameMember', charter: this.#charter });
    if (this.#phase === 'joined') outputs.push({ kind: 'becameJoined', charter: this.#charter });
  }

  #tellWhomItSees(outputs: FoundingOutput[]): void {
    const sees = this.#view();
    if (sees === this.#sees) return;
    this.#sees = sees;
    if (sees !== '' || this.#phase === 'signed') outputs.push({ kind: 'announce' });
  }

  #view(): string {
    return this.#whomItSees()?.join() ?? '';
  }

  /** While it signs it goes on to say whom it signs with. */
  #whomItSees(): readonly string[] | null {
    if (!this.#isFree || this.#nodesExpected === null) return null;
    if (this.#saving?.phase === 'joined') return null;
    return directoriesOf(this.#saving?.charter.members ?? this.#founders());
  }

  /** With whom this node would found now: itself alone while there are too few, or too many. */
  #founders(): readonly CharterMember[] {
    const found = [...this.#visible.values()].filter(({ sees }) => sees !== undefined);
    const all = [this.#self, ...found];
    const isSet = new Set(all.map(({ node }) => node)).size === all.length;
    if (all.filter(({ imports }) => imports === true).length > 1) return [this.#self];
    const fits = all.length >= (this.#nodesExpected ?? 1) && all.length <= CHARTER_MEMBERS_MAX;
    return isSet && fits ? all : [this.#self];
  }

  #proceed(outputs: FoundingOutput[]): void {
    if (this.#saving !== null) return;
    const next = this.#next();
    if (next === null) return;
    const isLater = next.charter.round > (this.#charter?.round ?? 0);
    assert(next.phase !== 'signed' || isLater, 'a directory never signs of an earlier round');
    this.#saving = next;
    outputs.push({ kind: 'save', ...next });
  }

  #next(): { phase: Phase; charter: Charter } | null {
    const charter = this.#charter;
    if (this.#phase === 'signed' && charter !== null && this.#isFounded(charter))
      return { phase: 'member', charter };
    if (!this.#isFree) return null;

    const cards = [...this.#visible.values()];
    if (cards.some((card) => card.node === this.#self.node)) return null;
    const found = cards.filter((card) => card.phase === 'member' || card.phase === 'joined');
    const first = found[0]?.charter ?? null;
    if (first !== null) {
      const isOne = found.every((c) => c.charter !== null && isSameCharter(c.charter, first));
      const mayJoin = this.#self.imports !== true && !this.#isNamedIn(first);
      return isOne && mayJoin ? { phase: 'joined', charter: first } : null;
    }
    const toSign = this.#charterToSign(cards);
    return toSign === null ? null : { phase: 'signed', charter: toSign };
  }

  /** Somebody belongs to it: the first has seen every signature, the others have it from there. */
  #hasMembers(charter: Charter): boolean {
    return [...this.#visible.values()].some(
      ({ phase, charter: its }) =>
        (phase === 'member' || phase === 'joined') && its && isSameCharter(its, charter),
    );
  }

  #isFounded(charter: Charter): boolean {
    if (this.#hasMembers(charter)) return true;
    const text = canonicalText(charter);
    return charter.members.every(
      ({ directory }) =>
        directory === this.#self.directory || this.#signatures.get(directory) === text,
    );
  }

  /** It has signed nothing, or nothing that will ever count. */
  get #isFree(): boolean {
    if (this.#phase === 'empty') return true;
    return this.#phase === 'signed' && this.#charter !== null && this.#isVoid(this.#charter);
  }

  #isVoid(charter: Charter): boolean {
    const own = { ...this.#self, phase: this.#phase, charter: this.#charter };
    return isVoid(charter, [own, ...this.#visible.values()]);
  }

  #isNamedIn(charter: Charter): boolean {
    return memberNamed(charter, this.#self.node)?.directory === this.#self.directory;
  }

  #charterToSign(cards: readonly Card[]): Charter | null {
    const expected = this.#nodesExpected;
    if (expected === null) return null;
    const signed = cards.flatMap(({ phase, charter }) =>
      phase === 'signed' && charter !== null ? [charter] : [],
    );
    const open = signed.filter((charter) => !this.#isVoid(charter));
    if (open.length > 0) {
      const here = new Set(directoriesOf([this.#self, ...cards]));
      const ours = open.filter(
        (charter) =>
          this.#isNamedIn(charter) &&
          !isOtherwiseNamed(charter, this.#self) &&
          charter.members.length >= expected &&
          charter.members.every(({ directory }) => here.has(directory)),
      );
      return ours.sort(latestFirst)[0] ?? null;
    }
    const founders = this.#founders();
    if (founders.length < expected) return null;
    const set = directoriesOf(founders).join();
    const others = cards.filter(({ sees }) => sees !== undefined);
    const allSeeIt = others.every(({ sees }) => sees?.join() === set);
    const round = Math.max(this.#charter?.round ?? 0, ...signed.map((each) => each.round)) + 1;
    return allSeeIt && round <= CHARTER_ROUNDS_MAX ? charterOf(this.#name, founders, round) : null;
  }

  #notice(outputs: FoundingOutput[]): void {
    const cards = [...this.#visible.values()].sort((a, b) => (a.directory < b.directory ? -1 : 1));
    const hasSigned = (directory: string, charter: Charter) =>
      this.#hasMembers(charter) ||
      this.#signatures.get(directory) === canonicalText(charter) ||
      cards.some((card) => card.directory === directory && isSigner(card, charter));
    const seen = { self: this.card, cards, nodesExpected: this.#nodesExpected, hasSigned };
    const known = problemsOf(seen);
    // What cannot go on waits for nobody.
    const wait = known.some(({ code }) => code === 'CHARTER_STUCK') ? null : waitOf(seen);
    this.#isWaiting = wait !== null;
    if (wait === null) this.#waitTicks = 0;
    const isLong = wait !== null && this.#waitTicks >= FOUNDING_WAIT_TICKS;
    const problems = known.concat(isLong ? [wait] : []);
    if (JSON.stringify(problems) === JSON.stringify(this.#problems)) return;
    this.#problems = problems;
    outputs.push({ kind: 'problems', problems });
  }
}

function checked(nodesExpected: number | null): number | null {
  assert(nodesExpected === null || nodesExpected >= 1, 'a deployment has at least one node');
  assert((nodesExpected ?? 1) <= CHARTER_MEMBERS_MAX, 'a charter has a bounded size');
  return nodesExpected;
}

/**
 * The charter says of it that it is a witness, and it is none, or the other way round; or likewise
 * that it brings data in.
 */
function isOtherwiseNamed(charter: Charter, self: CharterMember): boolean {
  const named = memberNamed(charter, self.node);
  if (named?.directory !== self.directory) return false;
  return (
    (named.witness ?? false) !== (self.witness ?? false) ||
    (named.imports ?? false) !== (self.imports ?? false)
  );
}

function isSigner({ phase, charter: its }: Card, charter: Charter): boolean {
  return phase !== 'joined' && its !== null && isSameCharter(its, charter);
}

/** Of one round all choose the same. */
function latestFirst(a: Charter, b: Charter): number {
  return b.round - a.round || (canonicalText(a) < canonicalText(b) ? -1 : 1);
}

function directoriesOf(members: readonly CharterMember[]): string[] {
  return members.map(({ directory }) => directory).sort();
}
