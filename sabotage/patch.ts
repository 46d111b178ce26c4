/**
 * A sabotage is a file: a header in words, then a unified diff against the sources.
 *
 * The applier takes line numbers for hints only. What a hunk removes, with the lines around it,
 * must be in the file exactly once: a patch that fits nowhere, or in two places, has to be looked
 * at by somebody, and says so by name.
 */
import { basename } from 'node:path';

export interface Hunk {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

export interface FilePatch {
  /** From the root of the repository. */
  readonly path: string;
  readonly hunks: readonly Hunk[];
}

export interface Sabotage {
  /** The file's name without its ending. */
  readonly name: string;
  /** What is broken, in a sentence. */
  readonly what: string;
  /** The rule of `facts/holes.md`, the section of the thesis, or the promise that it breaks. */
  readonly breaks: string;
  /** What must catch it: another failure does not count. */
  readonly caughtBy: RegExp;
  /** Of the simulator. */
  readonly world: 'data' | 'founding' | 'eventual';
  /** Events in the phase of faults of each seed. */
  readonly steps: number | null;
  /** A test file that must catch it, where the simulator does not see the room. */
  readonly shownBy: string | null;
  /** A unit test that fails on it too. */
  readonly unit: string | null;
  readonly files: readonly FilePatch[];
}

/** The patch is no patch, or does not fit the sources: somebody has to repair it. */
export class PatchError extends Error {
  override readonly name = 'PatchError';
}

const FIELDS = ['sabotage', 'breaks', 'caught by', 'world', 'steps', 'shown by', 'unit'] as const;
type Field = (typeof FIELDS)[number];
const FIELD = new RegExp(`^(${FIELDS.join('|')}): *(.*)$`);

export function parseSabotage(path: string, text: string): Sabotage {
  const name = basename(path, '.patch');
  const lines = text.split('\n');
  const diffAt = lines.findIndex((line) => line.startsWith('--- '));
  if (diffAt < 0) throw new PatchError(`${name}: has no diff`);
  const fields = fieldsOf(name, lines.slice(0, diffAt));
  const need = (field: Field): string => {
    const value = fields.get(field);
    if (value === undefined || value === '') throw new PatchError(`${name}: lacks '${field}:'`);
    return value;
  };
  const steps = fields.get('steps');
  if (steps !== undefined && !/^[1-9]\d*$/.test(steps))
    throw new PatchError(`${name}: 'steps: ${steps}' is no number`);
  const world = fields.get('world') ?? 'data';
  if (world !== 'data' && world !== 'founding' && world !== 'eventual')
    throw new PatchError(`${name}: the simulator has no world '${world}'`);
  return {
    name,
    world,
    what: need('sabotage'),
    breaks: need('breaks'),
    caughtBy: expressionOf(name, need('caught by')),
    steps: steps === undefined ? null : Number(steps),
    shownBy: fields.get('shown by') ?? null,
    unit: fields.get('unit') ?? null,
    files: filesOf(name, lines.slice(diffAt)),
  };
}

/** `text` with all hunks applied. */
export function applied(name: string, { path, hunks }: FilePatch, text: string): string {
  let lines = text.split('\n');
  for (const [i, hunk] of hunks.entries()) {
    const places = placesOf(hunk.before, lines);
    const [at] = places;
    if (at === undefined || places.length > 1) {
      const fits = places.length === 0 ? 'fits nowhere' : `fits in ${places.length} places`;
      throw new PatchError(
        `${name}: hunk ${i + 1} ${fits} in ${path}; make the patch again on the present file`,
      );
    }
    lines = lines.toSpliced(at, hunk.before.length, ...hunk.after);
  }
  return lines.join('\n');
}

function fieldsOf(name: string, lines: readonly string[]): Map<Field, string> {
  const fields = new Map<Field, string>();
  let last: Field | null = null;
  for (const line of lines) {
    const [, field, value] = FIELD.exec(line) ?? [];
    if (field !== undefined && value !== undefined) {
      last = field as Field;
      if (fields.has(last)) throw new PatchError(`${name}: '${last}:' stands there twice`);
      fields.set(last, value.trim());
    } else if (line.startsWith('  ') && last !== null) {
      fields.set(last, `${fields.get(last)} ${line.trim()}`);
    } else if (line.trim() !== '') {
      throw new PatchError(`${name}: what is '${line}' in the header?`);
    }
  }
  return fields;
}

function expressionOf(name: string, text: string): RegExp {
  const source = /^\/(.+)\/$/.exec(text)?.[1];
  if (source === undefined) throw new PatchError(`${name}: 'caught by' is no /expression/`);
  try {
    return new RegExp(source);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new PatchError(`${name}: ${error.message}`);
  }
}

function filesOf(name: string, lines: readonly string[]): FilePatch[] {
  const files: { path: string; hunks: { before: string[]; after: string[] }[] }[] = [];
  for (const line of lines) {
    const hunk = files.at(-1)?.hunks.at(-1);
    if (line.startsWith('--- ')) {
      files.push({ path: pathIn(name, line, '--- a/'), hunks: [] });
    } else if (line.startsWith('+++ ')) {
      if (pathIn(name, line, '+++ b/') !== files.at(-1)?.path)
        throw new PatchError(`${name}: a file keeps its name`);
    } else if (line.startsWith('@@ ')) {
      files.at(-1)?.hunks.push({ before: [], after: [] });
    } else if (hunk !== undefined && /^[ +-]/.test(line)) {
      if (!line.startsWith('+')) hunk.before.push(line.slice(1));
      if (!line.startsWith('-')) hunk.after.push(line.slice(1));
    } else if (line !== '') {
      throw new PatchError(`${name}: what is '${line}' in the diff?`);
    }
  }
  for (const { path, hunks } of files) {
    if (hunks.length === 0) throw new PatchError(`${name}: changes nothing in ${path}`);
    for (const { before, after } of hunks)
      if (before.length === 0 || before.join('\n') === after.join('\n'))
        throw new PatchError(`${name}: a hunk for ${path} has no place or no effect`);
  }
  return files;
}

function pathIn(name: string, line: string, prefix: string): string {
  if (!line.startsWith(prefix)) throw new PatchError(`${name}: '${line}' should be '${prefix}...'`);
  return line.slice(prefix.length).trim();
}

function placesOf(wanted: readonly string[], lines: readonly string[]): number[] {
  const places: number[] = [];
  for (let at = 0; at + wanted.length <= lines.length; at += 1)
    if (wanted.every((line, i) => lines[at + i] === line)) places.push(at);
  return places;
}
