/** The YAML file as a list of entries that know their line; nothing is interpreted here. */
import { readFileSync, statSync } from 'node:fs';
import { isMap, isNode, isScalar, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import type { ConfigIssue } from './config-issue.ts';

/** A configuration is a page; what is larger is another file. */
const FILE_BYTES_MAX = 1024 * 1024;

export interface FileEntry {
  readonly key: string;
  readonly value: unknown;
  /** `FILE:LINE`. */
  readonly source: string;
  /** The entries of a map, null for any other value. */
  readonly entries: readonly FileEntry[] | null;
}

export type FileResult =
  | { readonly ok: true; readonly entries: readonly FileEntry[] }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

export function readConfigFile(path: string): FileResult {
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX)
      return refused(path, `${size} bytes are too many`, 'give a YAML file of at most 1 MiB');
    return parseConfig(readFileSync(path, 'utf8'), path);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return refused(path, `cannot be read (${code})`, 'check the path and its permissions');
  }
}

export function parseConfig(text: string, path: string): FileResult {
  const lines = new LineCounter();
  // Pretty errors would quote the lines around, and with them values.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const sourceAt = (position: number) => `${path}:${lines.linePos(position).line}`;
  if (document.errors.length > 0) {
    const issues = document.errors.map((error) => ({
      path: 'YAML',
      source: sourceAt(error.pos[0]),
      text: `cannot be parsed (${error.code})`,
      todo: 'correct the syntax at this line',
    }));
    return { ok: false, issues };
  }
  if (document.contents === null) return { ok: true, entries: [] };
  if (!isMap(document.contents))
    return refused(path, 'is not a map of settings', 'write "key: value" lines');

  const entriesOf = (map: YAMLMap): FileEntry[] =>
    map.items.map(({ key, value }) => {
      const range = isScalar(key) ? key.range : undefined;
      return {
        key: String(isScalar(key) ? key.value : key),
        value: isNode(value) ? value.toJS(document) : null,
        source: range ? sourceAt(range[0]) : path,
        entries: isMap(value) ? entriesOf(value) : null,
      };
    });
  return { ok: true, entries: entriesOf(document.contents as YAMLMap) };
}

function refused(source: string, text: string, todo: string): FileResult {
  return { ok: false, issues: [{ path: '--config', source, text, todo }] };
}
