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
  | 'WITNESS_CHANGED';

export interface FoundingProblem {
  readonly code: FoundingProblemCode;
  readonly text: string;
  readonly todo: string;
}

/** `cards` are the visible peers, without this node, in a fixed order. */
export function problemsOf(
  self: Card,
  cards: readonly Card[],
  nodesExpected: number | null,
): FoundingProblem[] {
  const problems = [...namesTaken(self, cards)];
  const isBound = self.charter !== null && !isVoid(self.charter, cards);
  if (self.phase === 'empty' || (self.phase === 'signed' && !isBound))
    problems.push(...whyFree(self, cards, nodesExpected));
  else if (self.phase === 'signed') problems.push(...whySigned(self, cards));
  return problems;
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

function whyFree(
  self: Card,
  cards: readonly Card[],
  nodesExpected: number | null,
): FoundingProblem[] {
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
  if (nodesExpected === null) return [];
  const count = 1 + cards.filter(({ sees }) => sees !== undefined).length;
  if (count > CHARTER_MEMBERS_MAX) {
    return [
      {
        code: 'TOO_MANY_NODES',
        text: `${count} nodes would found a deployment, ${CHARTER_MEMBERS_MAX} can`,
        todo: 'stop some of them, and start them again when it is founded: they join',
      },
    ];
  }
  const signed = cards.filter(
    ({ phase, charter: theirs }) =>
      phase === 'signed' &&
      theirs !== null &&
      !isVoid(theirs, [self, ...cards]) &&
      !names(theirs, self),
  );
  return signed.slice(0, 1).map((card) => stuck(card, 'it has signed a charter without this node'));
}

function whyOut(self: Card, charter: Charter): FoundingProblem[] {
  if (memberNamed(charter, self.node)?.directory !== self.directory) return [];
  return [
    {
      code: 'DIRECTORY_ROLLED_BACK',
      text: `the others know this directory as a member's, but it has forgotten its membership`,
      todo: 'the directory is damaged or an old backup: empty it, and the node joins as a new one',
    },
  ];
}

function whySigned(self: Card, cards: readonly Card[]): FoundingProblem[] {
  const { charter } = self;
  if (charter === null) return [];
  for (const card of cards) {
    if (card.charter !== null && !isSameCharter(card.charter, charter))
      return [stuck(card, 'it and this node have signed different charters')];
    const own = memberNamed(charter, card.node);
    if (own === undefined) return [stuck(card, 'this node has signed a charter without it')];
    if (own.directory !== card.directory)
      return [stuck(card, 'its directory was replaced after this node had signed')];
  }
  return [];
}

function stuck(card: Card, why: string): FoundingProblem {
  return {
    code: 'CHARTER_STUCK',
    text: `founding cannot go on with ${card.node}: ${why}`,
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

function names(charter: Charter | null, self: Card): boolean {
  return charter !== null && memberNamed(charter, self.node)?.directory === self.directory;
}
