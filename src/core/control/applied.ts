/** What comes of a command: the next state, and an answer to whoever proposed it. */
import { type ControlState, type Decision, HISTORY_MAX } from './state.ts';

export type Answer =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: string; readonly text: string };

export interface Applied {
  readonly state: ControlState;
  readonly answer: Answer;
}

export function refuse(state: ControlState, code: string, text: string): Applied {
  return { state, answer: { ok: false, code, text } };
}

export function agreed(state: ControlState, text: string): Applied {
  return { state, answer: { ok: true, text } };
}

/** With a line of the history. */
export function agree(state: ControlState, line: Decision): Applied {
  return agreed({ ...state, history: [...state.history, line].slice(-HISTORY_MAX) }, line.text);
}

/** What came of the line of this index, if it is kept. */
export function ended(
  state: ControlState,
  index: number,
  outcome: string,
  atMs: number,
): ControlState {
  const history = state.history.map((line) =>
    line.index === index ? { ...line, outcome, endedAtMs: atMs } : line,
  );
  return { ...state, history };
}
