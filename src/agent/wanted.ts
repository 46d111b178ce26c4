/** What may be asked of the control leader, and the command that it makes of it. */
import type { Answer } from '../core/control/applied.ts';
import { type Command, commandFrom } from '../core/control/command.ts';
import { type ControlState, nameOf } from '../core/control/state.ts';

export type Wanted =
  | Extract<Command, { kind: 'spec' | 'dismiss' }>
  /** By its name, or its id where two have one name. Only who is current knows who that is. */
  | { readonly kind: 'remove'; readonly name: string };

const NAME_CHARS_MAX = 80;

/** From whatever a peer sent; null for what nobody may ask. */
export function wantedFrom(value: unknown): Wanted | null {
  const { kind, name } = (value ?? {}) as Record<string, unknown>;
  if (kind === 'remove')
    return typeof name === 'string' && name.length <= NAME_CHARS_MAX ? { kind, name } : null;
  const command = commandFrom(value);
  return command?.kind === 'spec' || command?.kind === 'dismiss' ? command : null;
}

/** On the control leader, or why there is no such command. */
export function commandOf(
  wanted: Wanted,
  { members }: ControlState,
  atMs: number,
): { readonly command: Command } | Extract<Answer, { ok: false }> {
  if (wanted.kind !== 'remove') return { command: wanted };
  const { name } = wanted;
  const meant = members.filter(({ node }) => node === name || nameOf(node) === name);
  const [member, another] = meant;
  if (member === undefined) {
    const names = members.map(({ node }) => nameOf(node)).join(', ');
    return { ok: false, code: 'NO_SUCH_NODE', text: `${name} is no member; members are ${names}` };
  }
  if (another !== undefined) {
    const text = `${name} may be ${meant.map(({ node }) => node).join(' or ')}: give the whole id`;
    return { ok: false, code: 'AMBIGUOUS', text };
  }
  const why = 'somebody asked for it';
  return { command: { kind: 'dismiss', atMs, node: member.node, by: 'order', why } };
}
