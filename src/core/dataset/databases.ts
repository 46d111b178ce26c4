/**
 * Which databases of a source are wanted, and which of the target each goes into.
 *
 * Without a wish all go where they were. `--db 3` takes that one alone, `--db 3:0` takes it
 * elsewhere; several are several.
 */
export interface DatabaseChoice {
  readonly from: number;
  readonly to: number;
}

const DATABASE_MAX = 16_383;

/** Null for a text that is neither `3` nor `3:0`. */
export function parseDatabaseChoice(text: string): DatabaseChoice | null {
  const [, first = '', second = first] = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text) ?? [];
  const choice = { from: Number(first), to: Number(second) };
  return first !== '' && choice.from <= DATABASE_MAX && choice.to <= DATABASE_MAX ? choice : null;
}

export type DatabasePlan =
  | { readonly ok: true; readonly moves: readonly DatabaseChoice[]; readonly left: number[] }
  | { readonly ok: false; readonly why: string };

/** `found`: those that have keys. `hasOne`: the target knows database 0 only, as a cluster does. */
export function planDatabases(
  found: readonly number[],
  wanted: readonly DatabaseChoice[],
  hasOne: boolean,
): DatabasePlan {
  const twice = wanted.find(({ from }, i) => wanted.findIndex((o) => o.from === from) !== i);
  if (twice !== undefined)
    return { ok: false, why: `--db names database ${twice.from} twice: it can go to one place` };
  const moves =
    wanted.length === 0
      ? found.map((database) => ({ from: database, to: database }))
      : wanted.filter(({ from }) => found.includes(from));
  const astray = moves.find(({ to }) => hasOne && to !== 0);
  if (astray !== undefined)
    return {
      ok: false,
      why:
        `there are keys in database ${astray.from}, and a cluster has database 0 only: ` +
        `--db ${astray.from}:0 brings them there, --db 0 takes database 0 alone`,
    };
  const taken = new Set(moves.map(({ from }) => from));
  return { ok: true, moves, left: found.filter((database) => !taken.has(database)) };
}
