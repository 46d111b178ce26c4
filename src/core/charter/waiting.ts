/**
 * For whom a founding waits, why, and the way out. To wait is right: whoever is named in a charter
 * may yet sign it. But only those that run the nodes can start them as they were.
 */
import type { Card } from './card.ts';
import { CHARTER_MEMBERS_MAX, type Charter, type CharterMember, memberNamed } from './charter.ts';
import { BEGIN_ANEW, type FoundingProblem, type FoundingSeen, openCharter } from './problems.ts';

/** Null where nobody is waited for, or only for more nodes to come. */
export function waitOf(seen: FoundingSeen): FoundingProblem | null {
  const { self, cards } = seen;
  if (self.phase === 'member' || self.phase === 'joined') return null;
  const all = [self, ...cards];
  const own = openCharter(self, all);
  if (own !== null) return waitForSignatures(own, seen);
  if (cards.some(({ phase }) => phase === 'member' || phase === 'joined')) return null;
  const open = cards.flatMap((card) => openCharter(card, all) ?? []);
  if (open.length === 0) return waitForViews(seen);
  const naming = open.filter((charter) => names(charter, self));
  const waits =
    naming.length > 0
      ? naming.map((charter) => waitForThis(charter, seen))
      : open.map((charter) => waitForSignatures(charter, seen));
  return waits.find((wait) => wait !== null) ?? null;
}

/** Some have signed, this node or those that it is to join, and others have not. */
function waitForSignatures(charter: Charter, seen: FoundingSeen): FoundingProblem | null {
  const { self, cards, hasSigned } = seen;
  for (const member of charter.members) {
    const { node, directory } = member;
    if (directory === self.directory || hasSigned(directory, charter)) continue;
    const card = cards.find((each) => each.directory === directory);
    if (card === undefined) return notInSight(node, 'it has not signed the charter');
    if (isTaken(node, seen)) return null;
    const other = openCharter(card, [self, ...cards]);
    if (other !== null) return waitForAnother(card, other, seen);
    const flags = flagsOf(charter, member, card);
    if (flags !== null) return waits(node, flags.why, flags.todo);
    const todo = `look at the network between ${node} and ${othersOf(charter, node)}`;
    return waits(node, 'it has not signed the charter: it must see all that it names', todo);
  }
  return null;
}

/** `card` is bound to another charter, until all have signed that or somebody a later one. */
function waitForAnother({ node }: Card, charter: Charter, seen: FoundingSeen): FoundingProblem {
  const why = `${node} has signed another charter, which names it`;
  const away = awayOf(charter, seen);
  if (away !== null) return notInSight(away, why);
  const todo = `look at the network between ${node} and ${othersOf(charter, node)}`;
  return waits(node, 'it has signed another charter, and not all that it names have', todo);
}

/** Somebody has signed a charter that names this node, and this node does not sign it. */
function waitForThis(charter: Charter, seen: FoundingSeen): FoundingProblem | null {
  const { self } = seen;
  const member = memberNamed(charter, self.node);
  if (member === undefined) return null;
  const flags = flagsOf(charter, member, self);
  if (flags !== null) return waits(self.node, flags.why, flags.todo);
  const away = awayOf(charter, seen);
  const why = `${self.node} signs the charter only when it sees all that it names`;
  return away === null ? null : notInSight(away, why);
}

/** Nobody has signed. All that would found must see the same, and want no more than there are. */
function waitForViews({ self, cards, nodesExpected }: FoundingSeen): FoundingProblem | null {
  const others = cards.filter(({ sees }) => sees !== undefined);
  const count = others.length + 1;
  if (nodesExpected === null) return count === 1 ? waitForAny(self, cards) : null;
  if (count > CHARTER_MEMBERS_MAX) return null;
  if (new Set([self, ...others].map(({ node }) => node)).size < count) return null;
  const least = Math.min(nodesExpected, ...others.map(({ expect = count }) => expect));
  if (count < least) return waitForMore(cards, { count, least });
  const most = [self, ...others].find(({ expect = 0 }) => expect > count);
  if (most !== undefined)
    return waits(
      most.node,
      `it expects ${most.expect} nodes (--expect), and ${count} are here; others expect ${least}`,
      `start ${most.node} with --join or with the same --expect as the others, or start the rest`,
    );
  const set = [self, ...others].map(({ directory }) => directory).sort();
  const blind = others.find(({ sees }) => sees?.join() !== set.join());
  if (blind === undefined) return null;
  const todo = `look at the network between ${blind.node} and the others`;
  return waits(blind.node, `it does not see the same ${count} nodes as ${self.node}`, todo);
}

/** All that are here only join. A lone one has just not found the others. */
function waitForAny({ node: self }: Card, cards: readonly Card[]): FoundingProblem | null {
  if (cards.length === 0) return null;
  const nodes = [self, ...cards.map(({ node }) => node)].sort();
  return waits(
    'nodes of a deployment, or that begin one',
    `${nodes.join(', ')} only join (--join), and nobody else is here`,
    'start the nodes of the deployment; if there is none yet, start these without --join',
  );
}

/** Null where the rest is not here yet: nobody is waited for by name. */
function waitForMore(
  cards: readonly Card[],
  { count, least }: { readonly count: number; readonly least: number },
): FoundingProblem | null {
  const joining = cards.filter(({ sees }) => sees === undefined).map(({ node }) => node);
  if (count + joining.length < least) return null;
  const here = `${count} of the ${least} that begin are here`;
  const why = `${here}, and ${joining.join(', ')} only join (--join)`;
  return waits('more nodes', why, 'start the others, or as many of these without --join');
}

/** What keeps a node from signing a charter that names it: it was started otherwise than before. */
function flagsOf(
  charter: Charter,
  member: CharterMember,
  { node, phase, sees, expect = 0, witness, imports }: Card,
): { readonly why: string; readonly todo: string } | null {
  const count = charter.members.length;
  const named = `a charter of ${count} nodes that names it is signed`;
  if (phase === 'empty' && sees === undefined)
    return {
      why: `${named}, and now it only joins (--join)`,
      todo: `start ${node} without --join until the deployment is founded`,
    };
  if (expect > count)
    return {
      why: `${named}, and now it expects ${expect} (--expect)`,
      todo: `start ${node} with --expect ${count}, or as few as before`,
    };
  if ((imports === true) !== (member.imports === true))
    return {
      why: `${named} ${imports ? 'without' : 'with'} data that it brings in, and now it is not so`,
      todo: BEGIN_ANEW,
    };
  if ((witness === true) === (member.witness === true)) return null;
  const way = member.witness === true ? 'with' : 'without';
  return {
    why: `${named} as ${kindOf(member.witness)}, and now it is ${kindOf(witness)}`,
    todo: `start ${node} ${way} --witness until the deployment is founded`,
  };
}

/** Two have its name: so it signs nothing, as NAME_TAKEN says. */
function isTaken(name: string, { self, cards }: FoundingSeen): boolean {
  return [self, ...cards].filter(({ node }) => node === name).length > 1;
}

/** The first that it names and that is not in sight. */
function awayOf({ members }: Charter, { self, cards }: FoundingSeen): string | null {
  const here = new Set([self, ...cards].map(({ directory }) => directory));
  return members.find(({ directory }) => !here.has(directory))?.node ?? null;
}

function notInSight(node: string, why: string): FoundingProblem {
  return waits(
    node,
    `it is not in sight; ${why}`,
    `start ${node} as before, or look at its network`,
  );
}

function waits(node: string, why: string, todo: string): FoundingProblem {
  return { code: 'FOUNDING_WAITS', text: `the founding waits for ${node}: ${why}`, todo };
}

function kindOf(witness: boolean | undefined): string {
  return witness === true ? 'a witness' : 'no witness';
}

function othersOf({ members }: Charter, self: string): string {
  return members.flatMap(({ node }) => (node === self ? [] : [node])).join(', ');
}

function names(charter: Charter, { node, directory }: Card): boolean {
  return memberNamed(charter, node)?.directory === directory;
}
