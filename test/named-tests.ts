/** Documents that name tests: their tables, and whether what they name is there. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');
/** Fewer words would be found in many a name. */
const NAME_CHARACTERS_MIN = 12;

export function documentText(name: string): string {
  return readFileSync(join(ROOT, 'docs', name), 'utf8');
}

/** The cells of every line of a table, without heads and rules. */
export function rowsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|') && !line.startsWith('| ---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/**
 * What is wrong with the tests that `text` names, each as `` `file` "words of its name" ``; `sim`
 * and `faults` have rules and cells instead of files. Other words in code marks are let be, unless
 * there must be a test and none is named.
 */
export function wrongNames(text: string, mustName: boolean): string[] {
  const named = [...text.matchAll(/`([^`]+)` "([^"]+)"/g)];
  const wrong = named.flatMap(([, file = '', name = '']) => wrongName(file, name));
  const strays = [...text.matchAll(/`([\w./-]+\.test\.ts)`(?! ")/g)].map(
    ([, file]) => `${file} without the words of a test`,
  );
  return [...wrong, ...strays, ...(mustName && named.length === 0 ? ['names no test'] : [])];
}

/** What is wrong with one of them; a trace is named by its file alone. */
export function wrongName(file: string, name = ''): string[] {
  if (file === 'sim' || file === 'faults')
    return isRuleOrCell(file, name) ? [] : [`no "${name}" in ${file}`];
  const path = pathOf(file);
  if (path === null) return [`no file ${file}`];
  if (file.endsWith('.trace')) return [];
  if (!file.endsWith('.test.ts')) return [`${file} is no test`];
  const isThere =
    name.length >= NAME_CHARACTERS_MIN && titlesOf(path).some((title) => title.includes(name));
  return isThere ? [] : [`no test "${name}" in ${file}`];
}

function pathOf(name: string): string | null {
  const places = ['src', 'test', '.'].map((folder) => join(ROOT, folder, name));
  return places.find((path) => existsSync(path)) ?? null;
}

/** The names of a file's tests; what is filled in at run time is left as it stands. */
function titlesOf(path: string): string[] {
  const titles = readFileSync(path, 'utf8').matchAll(
    /\b(?:test|it)(?:\.\w+)?\(\s*(['"`])((?:\\.|(?!\1)[\s\S])*)\1/g,
  );
  return [...titles].map(([, , title = '']) => title.replaceAll('\\', ''));
}

/** Rules are texts of the simulator's own; cells are keys of the table of the live faults. */
function isRuleOrCell(kind: string, name: string): boolean {
  const files =
    kind === 'sim' ? globSync('sim/{*,founding/*}.ts', { cwd: ROOT }) : ['faults/cells.ts'];
  const text = files.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n');
  if (kind === 'sim') return text.includes(`'${name}'`);
  return text.includes(`\n  ${name}: {`) || text.includes(`\n  '${name}': {`);
}
