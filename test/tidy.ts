/**
 * The project's rules about where things are and how they look, as functions over text.
 *
 * The rooms and their reasons are in docs/ARCHITECTURE.md. Every complaint says what to do.
 */
import { dirname, join, normalize } from 'node:path';

export interface Source {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

const LINES_MAX = 400;
const COLUMNS_MAX = 100;
const FUNCTION_LINES_MAX = 60;

/** What a room may import besides itself and assert.ts. `core/*` means any room on that shelf. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  'core/*': ['core'],
  'core/dataset': ['core', 'core/resp'],
  'core/lanes': ['core', 'core/resp'],
  'core/psync': ['core', 'core/resp'],
  'core/plan': ['core', 'core/cluster', 'core/control', 'core/raft'],
  io: ['core'],
  'io/*': ['core', 'core/*', 'io'],
  doors: ['core', 'core/*'],
  'doors/*': ['core', 'core/*', 'doors'],
  agent: ['core', 'core/*', 'io', 'io/*', 'doors', 'doors/*', 'agent/*'],
  'agent/*': ['core', 'core/*'],
  'agent/threads': ['core', 'core/*', 'agent/strong'],
  'agent/shard': ['core', 'core/*', 'agent/strong', 'io/storage'],
  'agent/founding': ['core', 'core/*', 'agent/shard', 'io/storage', 'io/peers'],
  'agent/control': ['core', 'core/*', 'agent/shard', 'io/storage'],
  'agent/eventual': ['core', 'core/*', 'agent/control', 'agent/shard'],
  'agent/sharded': ['core', 'core/*', 'agent/eventual', 'agent/shard'],
  main: ['agent', 'doors/cli'],
  sim: ['core', 'core/*', 'agent/*', 'io/storage', 'io/peers'],
};
/** Of no room: all may import them. */
const EVERYBODYS = ['src/assert.ts', 'src/own-program.ts'];
/** Not part of the product: they may look at everything. */
const FREE_ROOMS = ['test', 'bench', 'faults', 'sabotage'];

const SIMULATED = new RegExp(
  [
    '^src/(core|agent/(control|eventual|founding|shard|sharded|strong))/',
    String.raw`^src/io/storage/(?!(disk|lock)\.)`,
    '^src/io/peers/(frame|codec|hello)',
  ].join('|'),
);
const IMPURE = new RegExp(
  [
    String.raw`\b(Date|Math\.random|performance|crypto|process|console)\b`,
    String.raw`\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b`,
    String.raw`\b(async|await|Promise)\b`,
  ].join('|'),
);
const LEFT_NOTE = /\bFIX[M]E\b/;
const JUNK_DRAWER =
  /(^|[/.-])(utils?|helpers?|common|misc|shared|managers?|services?|handlers?)[/.-]/;
const IMPORT =
  /^(?:import|export)\b[^;]*?\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm;

/** Every complaint about one file by itself. */
export function complaintsAbout(source: Source): string[] {
  const { path, text } = source;
  const lines = text.split('\n');
  const complaints = [
    ...lineComplaints(path, lines),
    ...importComplaints(source),
    ...functionComplaints(path, lines),
  ];
  const say = (words: string): number => complaints.push(`${path}: ${words}`);
  if (JUNK_DRAWER.test(path)) say('name it after what it holds');
  if (/(^|\/)index\.ts$/.test(path)) say('no barrels: import the file that has it');
  if (!isTest(path) && lines.length > LINES_MAX + 1) say(`${lines.length} lines, split it in two`);
  if (path.startsWith('src/core/') && !isTest(path) && !text.startsWith('/**'))
    say('say in a header what it is, from which source, and what holds');
  return complaints;
}

function lineComplaints(path: string, lines: readonly string[]): string[] {
  const pure = isSimulated(path);
  const complaints: string[] = [];
  for (const [i, line] of lines.entries()) {
    const say = (words: string): number => complaints.push(`${path}:${i + 1}: ${words}`);
    const code = withoutWords(line);
    if (line.length > COLUMNS_MAX && !isClaim(path, line)) say(`over ${COLUMNS_MAX} columns`);
    if (LEFT_NOTE.test(line)) say('fix it, or open an issue and take the note out');
    if (/^export default\b/.test(line)) say('no default exports: give it its name');
    if (/^export (type )?(\*|\{[^}]*\}) from\b/.test(line)) say('no barrels: import where it is');
    if (/(:|\bas|<|\|) ?any\b(?!\.)/.test(code)) say('no `any`: say what is known, or `unknown`');
    if (/^(export )?(let|var)\b/.test(line) && !isTest(path))
      say('no mutable state of a module: give it an owner');
    if (!pure) continue;
    if (IMPURE.test(code))
      say('the simulator runs this: take it as an argument, or emit an effect');
  }
  return complaints;
}

function importComplaints({ path, text }: Source): string[] {
  const complaints: string[] = [];
  for (const target of importsOf(text)) {
    if (isSimulated(path) && target.startsWith('node:'))
      complaints.push(`${path}: the simulator runs this: it may not import ${target}`);
    if (!target.startsWith('.') || isTest(path)) continue;
    const imported = normalize(join(dirname(path), target));
    if (!mayImport(roomOf(path), roomOf(imported)))
      complaints.push(`${path}: ${roomOf(path)} may not import ${imported}`);
  }
  return complaints;
}

/** The formatter indents a function's closing brace like its first line, so no parser is needed. */
function functionComplaints(path: string, lines: readonly string[]): string[] {
  if (isTest(path)) return [];
  const complaints: string[] = [];
  for (const [i, line] of lines.entries()) {
    const indent = functionIndent(line);
    if (indent === null) continue;
    const end = lines.findIndex((other, j) => j > i && other.startsWith(`${indent}}`));
    const size = end - i + 1;
    if (end > 0 && size > FUNCTION_LINES_MAX)
      complaints.push(`${path}:${i + 1}: a function of ${size} lines, split it in two`);
  }
  return complaints;
}

const FUNCTION = /^( *)(export )?(async )?function\b/;
const METHOD = /^( {2})((static|async|get|set|override|private) )*#?\w+\(.*\{$/;
const NOT_METHOD = /^ *(if|for|while|switch|catch|return)\b/;

function functionIndent(line: string): string | null {
  const found = FUNCTION.exec(line) ?? (NOT_METHOD.test(line) ? null : METHOD.exec(line));
  return found ? (found[1] ?? '') : null;
}

/** Import cycles among the files given, each once, as the files on the way round. */
export function cyclesAmong(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const settled = new Set<string>();
  const way: string[] = [];
  const cycles: string[] = [];
  const visit = (path: string): void => {
    const source = byPath.get(path);
    if (!source || settled.has(path)) return;
    if (way.includes(path)) {
      cycles.push(`import cycle: ${[...way.slice(way.indexOf(path)), path].join(' -> ')}`);
      return;
    }
    way.push(path);
    for (const target of runtimeImportsOf(source.text)) {
      if (target.startsWith('.')) visit(normalize(join(dirname(path), target)));
    }
    way.pop();
    settled.add(path);
  };
  for (const { path } of sources) visit(path);
  return cycles;
}

function importsOf(text: string): string[] {
  return [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

/** Types alone make no cycle that anybody can meet, nor does what is loaded when it is used. */
function runtimeImportsOf(text: string): string[] {
  return [...text.matchAll(IMPORT)]
    .filter(([whole, , , late]) => !/^(import|export) type\b/.test(whole) && late === undefined)
    .map((match) => match[1] ?? match[2] ?? '');
}

/** `core/raft` for src/core/raft/log.ts, `core` for src/core/scalars.ts, '' for everybody's. */
function roomOf(path: string): string {
  const parts = path.split('/');
  if (parts[0] !== 'src') return parts[0] ?? '';
  if (EVERYBODYS.includes(path)) return '';
  if (path === 'src/main.ts') return 'main';
  return parts.slice(1, parts.length === 3 ? 2 : 3).join('/');
}

function mayImport(room: string, imported: string): boolean {
  if (imported === room || imported === '' || FREE_ROOMS.includes(room)) return true;
  const shelf = (name: string): string => (name.includes('/') ? `${name.split('/')[0]}/*` : name);
  const allowed = MAY_IMPORT[room] ?? MAY_IMPORT[shelf(room)] ?? [];
  return allowed.includes(imported) || allowed.includes(shelf(imported));
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts');
}

/** The name of a test is a sentence, and the formatter does not break strings. */
function isClaim(path: string, line: string): boolean {
  return isTest(path) && /^\s*(test|it|describe)\(['"`]/.test(line);
}

function isSimulated(path: string): boolean {
  return SIMULATED.test(path) && !isTest(path);
}

/** The line without comments and without what is inside quotes. */
function withoutWords(line: string): string {
  if (/^\s*(\/?\*|\/\/)/.test(line)) return '';
  return line.replace(/'(\\.|[^'\\])*'|"(\\.|[^"\\])*"/g, "''").replace(/\/\/.*$/, '');
}
