/**
 * What is agreed on about the shards of a deployment whose servers are a cluster
 * (`docs/decisions/0015`): that slots were given out, and which server may take the writes of each.
 *
 * A *lead* is to a shard what `Primary` is to a deployment of one: it names the server before
 * anything is done, and the history under which that one opened once it has. Servers are named by
 * the ids that they have in their cluster, shards by their lead: slots come and go.
 *
 * Invariants: no server leads twice; whoever leads is a member's; leads are sorted by server.
 */
import { type Applied, agree, agreed, ended, refuse } from './applied.ts';
import type { Command } from './command.ts';
import { isHistory, isLeadBy, isServerId, isWord, shortened } from './shapes.ts';
import { isSharded } from './spec.ts';
import { type ControlState, memberOf, nameOf, type ServerOf, type ShardLead } from './state.ts';

type Of<Kind extends Command['kind']> = Extract<Command, { kind: Kind }>;

/** The one that was appointed by this decision, in force; null: none. */
export function leadBy({ shards }: ControlState, decision: number): ShardLead | null {
  return shards?.leads.find((lead) => lead.decision === decision) ?? null;
}

/** Of the node's server, as it was agreed on last. */
export function isServerOf(state: ControlState, { node, server }: ServerOf): boolean {
  return memberOf(state, node)?.facts.clusterServer === server;
}

/** A server becomes the one that takes a shard's writes, a new one or in place of another. */
export function lead(state: ControlState, index: number, command: Of<'lead'>): Applied {
  const { basis, node, server, by, why, atMs } = command;
  if (!isSharded(state.spec)) return refuse(state, 'ONE_SHARD', 'its servers are no cluster');
  if (!isServerOf(state, { node, server }))
    return refuse(state, 'NO_SUCH_NODE', `${nameOf(node)} is no member with this server`);
  const { isFounded = false, leads = [] } = state.shards ?? {};
  const before = basis === 0 ? null : leadBy(state, basis);
  if (basis !== 0 && before === null)
    return refuse(state, 'OTHER_BASIS', `decision ${basis} is not in force any more`);
  if (leads.some((each) => each !== before && each.server === server))
    return refuse(state, 'LEADS', `${nameOf(node)} leads a shard`);
  const hasOpened = before !== null && before.history !== null;
  const next: ShardLead = {
    ...{ decision: index, node, server, by },
    base: hasOpened ? before.history : (before?.base ?? null),
    history: null,
    former: hasOpened ? { node: before.node, server: before.server } : (before?.former ?? null),
  };
  const others = leads.filter((each) => each !== before);
  const told = before === null || hasOpened ? state : ended(state, basis, 'replaced', atMs);
  return agree(
    { ...told, shards: { isFounded, leads: sortedLeads([...others, next]) } },
    {
      ...{ index, atMs, kind: 'primary', outcome: null, endedAtMs: null },
      text: shortened(`${nameOf(node)} ${WORDS[by]}: ${why}`),
    },
  );
}

const WORDS: Readonly<Record<ShardLead['by'], string>> = {
  begin: 'begins a shard',
  planned: 'takes over a shard',
  force: 'takes over a shard by a vote',
  takeover: 'takes over a shard by itself',
  again: 'goes on with its shard',
};

/** It is the primary, no older lease is alive, and this is its history from now on. */
export function leadOpened(state: ControlState, command: Of<'opened'>): Applied {
  const { decision, history, atMs } = command;
  const known = leadBy(state, decision);
  if (known === null || state.shards === undefined)
    return refuse(state, 'OTHER_BASIS', `decision ${decision} is not in force any more`);
  if (known.history !== null) return agreed(state, `decision ${decision} has opened already`);
  const leads = state.shards.leads.map((each) => (each === known ? { ...each, history } : each));
  const next = { ...state, shards: { ...state.shards, leads } };
  return agreed(ended(next, decision, 'done', atMs), `${nameOf(known.node)} opens`);
}

/** Whoever has none of the slots from now on waits for those who have. */
export function slotsGiven(state: ControlState): Applied {
  const { isFounded = false, leads = [] } = state.shards ?? {};
  if (isFounded) return agreed(state, 'slots were given out already');
  return agreed({ ...state, shards: { isFounded: true, leads } }, 'slots are given out');
}

/** Its server has no slots any more, and takes no writes. */
export function leadEnded(state: ControlState, { decision, atMs }: Of<'endLead'>): Applied {
  const known = leadBy(state, decision);
  if (known === null || state.shards === undefined)
    return agreed(state, `decision ${decision} is not in force any more`);
  const leads = state.shards.leads.filter((each) => each !== known);
  const next = { ...state, shards: { ...state.shards, leads } };
  const told = known.history === null ? ended(next, decision, 'given up', atMs) : next;
  return agreed(told, `${nameOf(known.node)} leads no shard any more`);
}

function sortedLeads(leads: readonly ShardLead[]): ShardLead[] {
  return leads.toSorted((a, b) => (a.server < b.server ? -1 : 1));
}

/** Null for what is none. */
export function leadFrom(value: unknown): ShardLead | null {
  if (typeof value !== 'object' || value === null) return null;
  const { decision, by, base, history, former, ...own } = value as Record<string, unknown>;
  const self = serverOfFrom(own);
  const before = former === null ? null : serverOfFrom(former);
  if (self === null || (before === null && former !== null)) return null;
  if (!Number.isSafeInteger(decision) || !isLeadBy(by)) return null;
  if (base !== null && !isHistory(base)) return null;
  if (history !== null && !isHistory(history)) return null;
  return { ...self, decision: decision as number, by, base, history, former: before };
}

function serverOfFrom(value: unknown): ServerOf | null {
  const { node, server } = (value ?? {}) as Record<string, unknown>;
  return isWord(node) && isServerId(server) ? { node, server } : null;
}
