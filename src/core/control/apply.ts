/**
 * One command makes the next state, and an answer to whoever proposed it. Pure: every node computes
 * the same from the same log. A command that does not fit the state changes nothing; that is no
 * error, since it may have been planned on an earlier one.
 */
import { unreachable } from '../../assert.ts';
import type { NodeId } from '../scalars.ts';
import type { Command } from './command.ts';
import { shortened } from './shapes.ts';
import {
  activeMembers,
  type ControlMember,
  type ControlState,
  type Decision,
  HISTORY_MAX,
  isSameFacts,
  type MemberFacts,
  memberOf,
  NODES_MAX,
  nameOf,
  REMOVED_MAX,
} from './state.ts';

export type Answer =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: string; readonly text: string };

export interface Applied {
  readonly state: ControlState;
  readonly answer: Answer;
}

type Of<Kind extends Command['kind']> = Extract<Command, { kind: Kind }>;

const UNSEEN: MemberFacts = {
  peerAddress: '',
  clientAddress: '',
  httpAddress: '',
  zone: '',
  serverVersion: '',
  ephemeral: false,
};

export function apply(state: ControlState, index: number, command: Command): Applied {
  if (command.kind === 'found') return found(state, index, command);
  if (state.spec === null) return refuse(state, 'NOT_FOUNDED', 'nothing is agreed on yet');
  switch (command.kind) {
    case 'meet':
      return meet(state, index, command);
    case 'spec':
      return changeSpec(state, index, command);
    case 'decide':
      return decide(state, index, command);
    case 'settle':
      return settle(state, command);
    case 'dismiss':
      return dismiss(state, index, command);
    case 'forget':
      return forget(state, command);
    default:
      return unreachable(command);
  }
}

/** The charter's nodes are its members, and hold the data. */
function found(state: ControlState, index: number, command: Of<'found'>): Applied {
  if (state.spec !== null) return refuse(state, 'FOUNDED', 'it is founded already');
  const { spec, founders, atMs } = command;
  const voters = sorted(founders);
  const text = `${listOf(voters)} ${voters.length === 1 ? 'begins' : 'begin'}`;
  return agree(
    {
      ...state,
      spec,
      specVersion: index,
      members: voters.map((node) => ({ node, facts: UNSEEN, leaving: null })),
      data: { decision: index, voters, isSettled: true },
    },
    { index, atMs, kind: 'found', text, outcome: 'done', endedAtMs: atMs },
  );
}

function meet(state: ControlState, index: number, command: Of<'meet'>): Applied {
  const { node, facts, atMs } = command;
  const known = memberOf(state, node);
  if (known !== null) {
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

function changeSpec(state: ControlState, index: number, command: Of<'spec'>): Applied {
  const { change, ifVersion, atMs } = command;
  const { spec, specVersion } = state;
  if (spec === null) return refuse(state, 'NOT_FOUNDED', 'nothing is agreed on yet');
  if (ifVersion !== null && ifVersion !== specVersion)
    return refuse(
      state,
      'OTHER_VERSION',
      `the spec is at version ${specVersion}, not at ${ifVersion}: read it again`,
    );
  const next = { ...spec, ...change };
  const text = [
    next.replicas === spec.replicas ? null : `replicas ${spec.replicas} -> ${next.replicas}`,
    next.forgetAfterMs === spec.forgetAfterMs
      ? null
      : `forget after ${timeOf(spec.forgetAfterMs)} -> ${timeOf(next.forgetAfterMs)}`,
    next.reads === spec.reads ? null : `reads ${spec.reads} -> ${next.reads}`,
  ]
    .filter((each) => each !== null)
    .join(', ');
  if (text === '') return agreed(state, 'the spec says so already');
  return agree(
    { ...state, spec: next, specVersion: index },
    { index, atMs, kind: 'spec', text, outcome: 'done', endedAtMs: atMs },
  );
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
  if (activeMembers(state).length === 1)
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
  if (state.data.voters.includes(node))
    return refuse(state, 'HOLDS_DATA', `${nameOf(node)} should still hold the data`);
  const removed =
    leaving.by === 'order' ? [...state.removed, node].slice(-REMOVED_MAX) : state.removed;
  const members = state.members.filter((each) => each.node !== node);
  const next = { ...state, members, removed };
  return agreed(ended(next, leaving.since, 'done', atMs), `${nameOf(node)} has left`);
}

function refuse(state: ControlState, code: string, text: string): Applied {
  return { state, answer: { ok: false, code, text } };
}

function agreed(state: ControlState, text: string): Applied {
  return { state, answer: { ok: true, text } };
}

function agree(state: ControlState, line: Decision): Applied {
  return agreed({ ...state, history: [...state.history, line].slice(-HISTORY_MAX) }, line.text);
}

function ended(state: ControlState, index: number, outcome: string, atMs: number): ControlState {
  const history = state.history.map((line) =>
    line.index === index ? { ...line, outcome, endedAtMs: atMs } : line,
  );
  return { ...state, history };
}

function withMember(state: ControlState, member: ControlMember): ControlMember[] {
  const others = state.members.filter(({ node }) => node !== member.node);
  return [...others, member].sort((a, b) => (a.node < b.node ? -1 : 1));
}

function sorted(nodes: readonly NodeId[]): NodeId[] {
  return [...nodes].sort((a, b) => (a < b ? -1 : 1));
}

function listOf(nodes: readonly NodeId[]): string {
  return nodes.map(nameOf).join(', ');
}

function timeOf(ms: number | null): string {
  return ms === null ? 'never' : `${Math.round(ms / 1000)} s`;
}
