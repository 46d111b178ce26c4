/**
 * One command makes the next state, and an answer to whoever proposed it. Pure: every node computes
 * the same from the same log. A command that does not fit the state changes nothing; that is no
 * error, since it may have been planned on an earlier one.
 */
import { unreachable } from '../../assert.ts';
import { type NodeId, sorted } from '../scalars.ts';
import { type Applied, agree, agreed, ended, refuse } from './applied.ts';
import type { Command } from './command.ts';
import { shortened } from './shapes.ts';
import { lead, leadEnded, leadOpened, slotsGiven } from './shards.ts';
import {
  isEventual,
  isOfEventual,
  isSharded,
  SETTINGS_MAX,
  type Spec,
  shardsOf,
  specChanged,
} from './spec.ts';
import {
  activeMembers,
  type ControlMember,
  type ControlState,
  isSameFacts,
  isSeen,
  isWitness,
  memberOf,
  NODES_MAX,
  nameOf,
  REMOVED_MAX,
  UNSEEN,
} from './state.ts';

type Of<Kind extends Command['kind']> = Extract<Command, { kind: Kind }>;

export function apply(state: ControlState, index: number, command: Command): Applied {
  if (command.kind === 'found') return found(state, index, command);
  const { spec } = state;
  if (spec === null) return refuse(state, 'NOT_FOUNDED', 'nothing is agreed on yet');
  switch (command.kind) {
    case 'meet':
      return meet(state, index, command);
    case 'spec':
      return changeSpec(state, spec, index, command);
    case 'decide':
      return decide(state, index, command);
    case 'settle':
      return settle(state, command);
    case 'dismiss':
      return dismiss(state, index, command);
    case 'appoint':
      return appoint(state, index, command);
    case 'opened':
      return isSharded(spec) ? leadOpened(state, command) : opened(state, command);
    case 'lead':
      return lead(state, index, command);
    case 'endLead':
      return leadEnded(state, command);
    case 'slotsGiven':
      return slotsGiven(state);
    case 'forget':
      return forget(state, command);
    default:
      return unreachable(command);
  }
}

/** The charter's nodes are its members, and hold the data. */
function found(state: ControlState, index: number, command: Of<'found'>): Applied {
  if (state.spec !== null) return refuse(state, 'FOUNDED', 'it is founded already');
  const { spec, founders, importer, atMs } = command;
  const voters = sorted(founders);
  const withWhat = importer === undefined ? '' : `, with the data of ${nameOf(importer)}`;
  const text = `${listOf(voters)} ${voters.length === 1 ? 'begins' : 'begin'}${withWhat}`;
  return agree(
    {
      ...state,
      spec,
      specVersion: index,
      members: voters.map((node) => ({ node, facts: UNSEEN, leaving: null })),
      data: { decision: index, voters, isSettled: true },
      ...(importer === undefined ? {} : { importer }),
    },
    { index, atMs, kind: 'found', text, outcome: 'done', endedAtMs: atMs },
  );
}

function meet(state: ControlState, index: number, command: Of<'meet'>): Applied {
  const { node, facts, atMs } = command;
  const known = memberOf(state, node);
  if (known !== null) {
    if (known.leaving?.by === 'itself') return takenBack(state, known, command);
    if (isSameFacts(known.facts, facts)) return agreed(state, `${nameOf(node)} is known`);
    const members = withMember(state, { ...known, facts });
    return agreed({ ...state, members }, `there is news of ${nameOf(node)}`);
  }
  if (state.removed.includes(node))
    return refuse(state, 'REMOVED', `${node} was removed: its directory must be emptied first`);
  if (state.members.length >= NODES_MAX)
    return refuse(state, 'TOO_MANY_NODES', `there are ${NODES_MAX} nodes already`);
  const members = withMember(state, { node, facts, leaving: null });
  const text = `${nameOf(node)} joins at ${facts.peerAddress}`;
  return agree(
    { ...state, members },
    { index, atMs, kind: 'join', text, outcome: 'done', endedAtMs: atMs },
  );
}

/** It was stopped, and has come back before it had left. */
function takenBack(state: ControlState, known: ControlMember, command: Of<'meet'>): Applied {
  const { facts, atMs } = command;
  const members = withMember(state, { ...known, facts, leaving: null });
  const stays = ended({ ...state, members }, known.leaving?.since ?? 0, 'it came back', atMs);
  return agreed(stays, `${nameOf(known.node)} came back, and stays`);
}

function changeSpec(
  state: ControlState,
  spec: Spec,
  index: number,
  { change, ifVersion, atMs }: Of<'spec'>,
): Applied {
  const { specVersion } = state;
  if (ifVersion !== null && ifVersion !== specVersion)
    return refuse(
      state,
      'OTHER_VERSION',
      `the spec is at version ${specVersion}, not at ${ifVersion}: read it again`,
    );
  if (isOfEventual(change) && !isEventual(spec))
    return refuse(state, 'STRONG', 'a strong deployment loses nothing: its spec has no word on it');
  const next = specChanged(spec, change);
  if (isSharded(next) !== isSharded(spec))
    return refuse(
      state,
      'OTHER_MODE',
      `${shardsOf(spec.eventual)} shards do not become ${shardsOf(next.eventual)}: servers are a ` +
        'cluster from their first start, or never; begin another deployment and copy the data',
    );
  if (isSharded(next) && change.maxLostBytes !== undefined && change.maxLostBytes !== null)
    return refuse(state, 'MANY_SHARDS', 'what may be lost is not looked at for each shard');
  if (Object.keys(next.server).length > SETTINGS_MAX)
    return refuse(state, 'TOO_MANY_SETTINGS', `the spec has at most ${SETTINGS_MAX} settings`);
  const { minReplicasToWrite = 0 } = next.eventual ?? {};
  if (minReplicasToWrite > next.replicas)
    return refuse(
      state,
      'TOO_FEW_REPLICAS',
      `writes would wait for ${minReplicasToWrite} replicas, and the spec wants ${next.replicas}`,
    );
  const words = differences(spec, next);
  if (words.length === 0) return agreed(state, 'the spec says so already');
  const text = shortened(words.join(', '));
  return agree(
    { ...state, spec: next, specVersion: index },
    { index, atMs, kind: 'spec', text, outcome: 'done', endedAtMs: atMs },
  );
}

/** What is another, in words; nothing when the two are the same. */
function differences(from: Spec, to: Spec): string[] {
  const words: string[] = [];
  if (to.replicas !== from.replicas) words.push(`replicas ${from.replicas} -> ${to.replicas}`);
  if (to.forgetAfterMs !== from.forgetAfterMs)
    words.push(`forget after ${timeOf(from.forgetAfterMs)} -> ${timeOf(to.forgetAfterMs)}`);
  const [shardsBefore, shards] = [shardsOf(from.eventual), shardsOf(to.eventual)];
  if (shards !== shardsBefore) words.push(`shards ${shardsBefore} -> ${shards}`);
  const [lostBefore, lost] = [from.eventual?.maxLostBytes, to.eventual?.maxLostBytes];
  if (lost !== lostBefore) words.push(`bytes that may be lost ${lostBefore} -> ${lost ?? 'any'}`);
  const [minBefore, min] = [from, to].map(({ eventual }) => eventual?.minReplicasToWrite);
  if (min !== minBefore) words.push(`replicas that writes need ${minBefore} -> ${min}`);
  if (to.reads !== from.reads) words.push(`reads ${from.reads} -> ${to.reads}`);
  const names = new Set([...Object.keys(from.server), ...Object.keys(to.server)]);
  for (const name of [...names].toSorted()) {
    const [before, value] = [from.server[name], to.server[name]];
    if (value === before) continue;
    words.push(value === undefined ? `${name} is taken out` : `${name} is ${value || '""'}`);
  }
  return words;
}

function decide(state: ControlState, index: number, command: Of<'decide'>): Applied {
  const { basis, why, atMs } = command;
  const { data } = state;
  const voters = sorted(command.voters);
  if (basis !== data.decision)
    return refuse(state, 'OTHER_BASIS', `decision ${data.decision} was made meanwhile`);
  const stranger = voters.find((node) => memberOf(state, node) === null);
  if (stranger !== undefined)
    return refuse(state, 'NO_SUCH_NODE', `${nameOf(stranger)} is no member`);
  const before = data.isSettled
    ? state
    : ended(state, data.decision, `replaced by decision ${index}`, atMs);
  return agree(
    { ...before, data: { decision: index, voters, isSettled: false } },
    {
      index,
      atMs,
      kind: 'data',
      text: shortened(`the data on ${listOf(voters)}: ${why}`),
      outcome: null,
      endedAtMs: null,
    },
  );
}

function settle(state: ControlState, { decision, atMs }: Of<'settle'>): Applied {
  const { data } = state;
  if (decision !== data.decision || data.isSettled)
    return agreed(state, `decision ${decision} is not under way`);
  const settled = { ...state, data: { ...data, isSettled: true } };
  return agreed(ended(settled, decision, 'done', atMs), `decision ${decision} is carried out`);
}

/** What must be held to open stays the same until somebody has opened with it. */
function appoint(state: ControlState, index: number, command: Of<'appoint'>): Applied {
  const { basis, node, isPlanned, why, atMs } = command;
  const { primary: before, spec, importer } = state;
  if (!isEventual(spec)) return refuse(state, 'STRONG', 'a strong deployment elects its leader');
  if (isSharded(spec)) return refuse(state, 'MANY_SHARDS', 'each shard has a primary of its own');
  if (basis !== (before?.decision ?? 0))
    return refuse(state, 'OTHER_BASIS', `decision ${before?.decision ?? 0} was made meanwhile`);
  if (memberOf(state, node) === null)
    return refuse(state, 'NO_SUCH_NODE', `${nameOf(node)} is no member`);
  if (importer !== undefined && node !== importer)
    return refuse(state, 'IMPORT_PENDING', `the data of ${nameOf(importer)} are to be the first`);
  const hasOpened = before !== undefined && before.history !== null;
  const primary = {
    decision: index,
    node,
    isPlanned,
    base: hasOpened ? before.history : (before?.base ?? null),
    history: null,
    from: null,
    former: hasOpened ? before.node : (before?.former ?? null),
  };
  const told = before === undefined || hasOpened ? state : ended(state, basis, 'replaced', atMs);
  const text = shortened(`${nameOf(node)} becomes the primary: ${why}`);
  return agree(
    { ...told, primary },
    { index, atMs, kind: 'primary', text, outcome: null, endedAtMs: null },
  );
}

function opened(state: ControlState, command: Of<'opened'>): Applied {
  const { decision, history, from, atMs } = command;
  const { primary } = state;
  if (primary?.decision !== decision)
    return refuse(state, 'OTHER_BASIS', `decision ${primary?.decision ?? 0} is in force`);
  if (primary.history !== null) return agreed(state, `decision ${decision} has opened already`);
  const { importer: _, ...others } = state;
  const next = { ...others, primary: { ...primary, history, from } };
  return agreed(ended(next, decision, 'done', atMs), `${nameOf(primary.node)} opens`);
}

function dismiss(state: ControlState, index: number, command: Of<'dismiss'>): Applied {
  const { node, by, why, atMs } = command;
  const member = memberOf(state, node);
  if (member === null) return refuse(state, 'NO_SUCH_NODE', `${nameOf(node)} is no member`);
  if (member.leaving !== null) {
    // It stays away if somebody has ordered so, whatever it began with.
    const leaving = by === 'order' ? { ...member.leaving, by } : member.leaving;
    const members = withMember(state, { ...member, leaving });
    return agreed({ ...state, members }, `${nameOf(node)} is leaving already`);
  }
  const others = activeMembers(state).filter((each) => each.node !== node);
  // Who has said nothing of itself may be a witness: it is not the one to rely on.
  if (others.every(({ facts }) => isWitness(facts) || !isSeen(facts)))
    return refuse(state, 'LAST_NODE', `${nameOf(node)} is the last node: the data would be lost`);
  const members = withMember(state, { ...member, leaving: { by, why, since: index } });
  const text = shortened(`${nameOf(node)} leaves: ${why}`);
  return agree(
    { ...state, members },
    { index, atMs, kind: 'leave', text, outcome: null, endedAtMs: null },
  );
}

function forget(state: ControlState, { node, atMs }: Of<'forget'>): Applied {
  const member = memberOf(state, node);
  if (member === null) return agreed(state, `${nameOf(node)} is no member`);
  const { leaving } = member;
  if (leaving === null) return refuse(state, 'STAYS', `${nameOf(node)} is not leaving`);
  const isLead = state.shards?.leads.some((each) => each.node === node) === true;
  if (state.data.voters.includes(node) || state.primary?.node === node || isLead)
    return refuse(state, 'HOLDS_DATA', `${nameOf(node)} should still hold the data`);
  const removed =
    leaving.by === 'order' ? [...state.removed, node].slice(-REMOVED_MAX) : state.removed;
  const members = state.members.filter((each) => each.node !== node);
  const next = { ...state, members, removed };
  return agreed(ended(next, leaving.since, 'done', atMs), `${nameOf(node)} has left`);
}

function withMember(state: ControlState, member: ControlMember): ControlMember[] {
  const others = state.members.filter(({ node }) => node !== member.node);
  return [...others, member].sort((a, b) => (a.node < b.node ? -1 : 1));
}

function listOf(nodes: readonly NodeId[]): string {
  return nodes.map(nameOf).join(', ');
}

function timeOf(ms: number | null): string {
  return ms === null ? 'never' : `${Math.round(ms / 1000)} s`;
}
