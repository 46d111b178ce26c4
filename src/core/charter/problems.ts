/** What stands in the way of a founding or of a full vote, in words. */
import { type Card, isVoid } from './card.ts';
import { CHARTER_MEMBERS_MAX, type Charter, isSameCharter, memberNamed } from './charter.ts';

export type FoundingProblemCode =
  | 'DIRECTORY_OF_ANOTHER'
  | 'NAME_TAKEN'
  | 'TOO_MANY_NODES'
  | 'SEVERAL_DEPLOYMENTS'
  | 'DIRECTORY_ROLLED_BACK'
  | 'CHARTER_STUCK'
  | 'FOUNDING_WAITS'
  | 'WITNESS_CHANGED'
  | 'IMPORT_CHANGED'
  | 'IMPORT_TOO_LATE'
  | 'SEVERAL_IMPORTS';

/** Data come in at the beginning or not at all. */
export const BEGIN_ANEW =
  'to begin with data from elsewhere, stop all nodes, empty their directories, and start one of ' +
  'them with --import-data';

export interface FoundingProblem {
  readonly code: FoundingProblemCode;
  readonly text: string;
  readonly todo: string;
}

export interface FoundingSeen {
  readonly self: Card;
  /** The visible peers, without this node, in a fixed order. */
  readonly cards: readonly Card[];
  /** Null: this node only joins. */
  readonly nodesExpected: number | null;
  /** Whether a directory is known to have signed this charter, in sight now or not. */
  readonly hasSigned: (directory: string, charter: Charter) => boolean;
}

export function problemsOf(seen: FoundingSeen): FoundingProblem[] {
  const { self, cards } = seen;
  const problems = namesTaken(self, cards);
  if (self.phase === 'member' || self.phase === 'joined') return problems;
  return problems.concat(openCharter(self, [self, ...cards]) ? whyBound(seen) : whyFree(seen));
}

/** What `card` has signed, if that may yet be signed by all: then it signs nothing else. */
export function openCharter({ phase, charter }: Card, all: readonly Card[]): Charter | null {
  return phase === 'signed' && charter !== null && !isVoid(charter, all) ? charter : null;
}

function namesTaken(self: Card, cards: readonly Card[]): FoundingProblem[] {
  const all = [self, ...cards].map((card) => card.node);
  const twice = [...new Set(all.filter((node, i) => all.indexOf(node) !== i))].sort();
  return twice.map((node) => ({
    code: 'NAME_TAKEN',
    text: `two nodes with different data directories call themselves ${node}`,
    todo: 'give one of them another name, or stop the one that should not run',
  }));
}

function whyFree(seen: FoundingSeen): FoundingProblem[] {
  const { self, cards, nodesExpected } = seen;
  const found = chartersOf(cards.filter((c) => c.phase === 'member' || c.phase === 'joined'));
  const [charter, another] = found;
  if (charter !== undefined && another !== undefined) {
    return [
      {
        code: 'SEVERAL_DEPLOYMENTS',
        text: `peers belong to different deployments called ${charter.name}`,
        todo: 'list only the nodes of one deployment as peers of this node',
      },
    ];
  }
  if (charter !== undefined) return whyOut(self, charter);
  const importing = [self, ...cards.filter(({ sees }) => sees !== undefined)]
    .filter(({ imports }) => imports === true)
    .map(({ node }) => node);
  if (importing.length > 1) {
    return [
      {
        code: 'SEVERAL_IMPORTS',
        text: `${importing.sort().join(' and ')} bring data in, and a deployment begins with one's`,
        todo: 'empty the directories of all but one of them, and start these without --import-data',
      },
    ];
  }
  const count = 1 + cards.filter(({ sees }) => sees !== undefined).length;
  if (nodesExpected !== null && count > CHARTER_MEMBERS_MAX) {
    return [
      {
        code: 'TOO_MANY_NODES',
        text: `${count} nodes would found a deployment, ${CHARTER_MEMBERS_MAX} can`,
        todo: 'stop some of them, and start them again when it is founded: they join',
      },
    ];
  }
  return whyStuck(cards, seen);
}

function whyOut(self: Card, charter: Charter): FoundingProblem[] {
  if (self.imports === true) {
    return [
      {
        code: 'IMPORT_TOO_LATE',
        text: `deployment ${charter.name} is there, and has its data: ${self.node} brings in none`,
        todo:
          `to join it, empty the directory of ${self.node} and start it without --import-data; ` +
          BEGIN_ANEW,
      },
    ];
  }
  if (memberNamed(charter, self.node)?.directory !== self.directory) return [];
  return [
    {
      code: 'DIRECTORY_ROLLED_BACK',
      text: `the others know this directory as a member's, but it has forgotten its membership`,
      todo: 'the directory is damaged or an old backup: empty it, and the node joins as a new one',
    },
  ];
}

function whyBound(seen: FoundingSeen): FoundingProblem[] {
  const { self, cards } = seen;
  const named = new Set(self.charter?.members.map(({ directory }) => directory));
  const apart = cards.find(
    ({ charter }) =>
      charter !== null &&
      !isVoid(charter, [self, ...cards]) &&
      charter.members.every(({ directory }) => !named.has(directory)),
  );
  if (apart !== undefined)
    return [stuck(apart.node, 'it and this node have signed charters that have nobody in common')];
  const partners = cards.filter(({ directory }) => named.has(directory));
  return whyStuck([self, ...partners], seen);
}

/**
 * Of charters that overlap some later round is signed by all. But one that names a lost directory
 * may have its signature on no disk, and nobody can know.
 */
function whyStuck(signers: readonly Card[], seen: FoundingSeen): FoundingProblem[] {
  const all = [seen.self, ...seen.cards];
  for (const signer of signers) {
    const charter = openCharter(signer, all);
    if (charter === null) continue;
    const lost = charter.members.find(
      ({ node, directory }) =>
        all.every((card) => card.directory !== directory) &&
        all.some((card) => card.node === node) &&
        !seen.hasSigned(directory, charter),
    );
    if (lost !== undefined)
      return [stuck(lost.node, `its directory was replaced after ${signer.node} had signed`)];
  }
  return [];
}

function stuck(node: string, why: string): FoundingProblem {
  return {
    code: 'CHARTER_STUCK',
    text: `founding cannot go on with ${node}: ${why}`,
    // A member may have voted and hold data with another one: its partners must keep their vote.
    todo:
      'start all nodes first: a member among them settles it. Only if none is one, even of those ' +
      'that are off, stop all, empty their data directories, and start with equal lists of peers',
  };
}

function chartersOf(cards: readonly Card[]): Charter[] {
  const charters: Charter[] = [];
  for (const { charter } of cards) {
    if (charter === null || charters.some((known) => isSameCharter(known, charter))) continue;
    charters.push(charter);
  }
  return charters;
}
