/** What agent and warden say to one another, one JSON value a line. */

export type WardenOrder =
  /** The server may be open until then, on the machine's monotonic clock; answered by `armed`. */
  | { readonly kind: 'extend'; readonly untilMs: number; readonly serial: number }
  /** It is seen to be shut, or no primary. */
  | { readonly kind: 'disarm' };

export type WardenNews =
  | { readonly kind: 'started'; readonly pid: number }
  /** No process came of it. */
  | { readonly kind: 'failed'; readonly text: string }
  | { readonly kind: 'armed'; readonly serial: number }
  | { readonly kind: 'ended'; readonly code: number | null; readonly signal: string | null };

/** Null for what is none: both are of one program, so that is a line that was cut. */
export function orderFrom(line: string): WardenOrder | null {
  return valueFrom(line) as WardenOrder | null;
}

/** Null for what is none. */
export function newsFrom(line: string): WardenNews | null {
  return valueFrom(line) as WardenNews | null;
}

function valueFrom(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
