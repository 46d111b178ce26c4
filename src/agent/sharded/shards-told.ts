/**
 * What the control leader tells all about the shards, for people: what it waits for, what is wrong,
 * and how far slots have moved. Best effort; checked like all from the network.
 */
import { isText } from '../../core/control/shapes.ts';
import { isCount } from '../../core/scalars.ts';

export interface MoveProgress {
  /** Since slots began to move. */
  readonly slots: number;
  readonly keys: number;
  readonly ms: number;
  /** Slots that are still to move, as it is planned now. */
  readonly slotsLeft: number;
}

export interface ShardsTold {
  readonly waits: readonly string[];
  readonly problems: readonly { readonly code: string; readonly text: string }[];
  /** Null while none move. */
  readonly progress: MoveProgress | null;
}

/** Of each, for a screen: further ones are for the leader's log. */
const LINES_MAX = 20;
const CHARS_MAX = 300;

export function shardsTold({ waits, problems, progress }: ShardsTold): ShardsTold {
  const cut = (text: string): string => text.slice(0, CHARS_MAX);
  return {
    waits: waits.slice(0, LINES_MAX).map(cut),
    problems: problems.slice(0, LINES_MAX).map(({ code, text }) => ({ code, text: cut(text) })),
    progress,
  };
}

/** Null for what is none. */
export function shardsToldFrom(body: unknown): ShardsTold | null {
  const { waits, problems, progress } = (body ?? {}) as Record<string, unknown>;
  if (!isLines(waits) || !waits.every((text) => isText(text, CHARS_MAX))) return null;
  if (!isLines(problems) || !problems.every(isProblem)) return null;
  if (progress !== null && !isProgress(progress)) return null;
  return { waits, problems, progress };
}

function isLines(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length <= LINES_MAX;
}

function isProblem(value: unknown): value is ShardsTold['problems'][number] {
  const { code, text } = (value ?? {}) as Record<string, unknown>;
  return typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) && isText(text, CHARS_MAX);
}

function isProgress(value: unknown): value is MoveProgress {
  const { slots, keys, ms, slotsLeft } = (value ?? {}) as Record<string, unknown>;
  return [slots, keys, ms, slotsLeft].every(isCount);
}
