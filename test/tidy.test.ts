import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { complaintsAbout, cyclesAmong, type Source } from './tidy.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

function ownSources(): Source[] {
  return globSync(['{src,sim,test,bench}/**/*.ts', 'scripts/*.mjs'], { cwd: ROOT })
    .sort()
    .map((path) => ({ path, text: readFileSync(`${ROOT}/${path}`, 'utf8') }));
}

const HEADER = '/** What it is. */\n';

function complaints(path: string, text: string): string[] {
  return complaintsAbout({ path, text });
}

/** A planted violation, and a word of the complaint that must come of it. */
const PLANTED: readonly (readonly [rule: string, path: string, text: string, word: RegExp])[] = [
  [
    'core imports io',
    'src/core/raft/a.ts',
    "import { a } from '../../io/storage/a.ts';",
    /may not/,
  ],
  [
    'io imports another io room',
    'src/io/peers/a.ts',
    "import { a } from '../relay/a.ts';",
    /may not/,
  ],
  ['io imports the agent', 'src/io/peers/a.ts', "import { a } from '../../agent/a.ts';", /may not/],
  [
    'a door imports io',
    'src/doors/http/a.ts',
    "import { a } from '../../io/peers/a.ts';",
    /may not/,
  ],
  [
    'strong imports io',
    'src/agent/strong/a.ts',
    "import { a } from '../../io/relay/a.ts';",
    /may not/,
  ],
  ['raft imports resp', 'src/core/raft/a.ts', "import { a } from '../resp/a.ts';", /may not/],
  [
    'an import over several lines',
    'src/core/raft/a.ts',
    "import {\n  a,\n} from '../resp/a.ts';",
    /may not/,
  ],
  [
    'an import when it is used',
    'src/core/raft/a.ts',
    "const a = import('../resp/a.ts');",
    /may not/,
  ],
  [
    'the simulator imports the relay',
    'sim/a.ts',
    "import { a } from '../src/io/relay/a.ts';",
    /may not/,
  ],
  ['a builtin module in core', 'src/core/raft/a.ts', "import { a } from 'node:fs';", /node:fs/],
  ['a clock in core', 'src/core/raft/a.ts', 'const now = Date.now();', /simulator/],
  ['chance in strong mode', 'src/agent/strong/a.ts', 'const r = Math.random();', /simulator/],
  ['a promise in storage', 'src/io/storage/a.ts', 'async function a() {}', /simulator/],
  ['a timer in the codec', 'src/io/peers/codec.ts', 'setTimeout(a, 1);', /simulator/],
  ['the process in core', 'src/core/resp/a.ts', 'process.exit(1);', /simulator/],
  ['no header in core', 'src/core/raft/a.ts', 'const a = 1;', /header/],
  ['a junk drawer', 'src/io/peers/utils.ts', '', /name it/],
  ['a junk drawer of a room', 'src/io/helpers/a.ts', '', /name it/],
  ['a compound junk drawer', 'src/io/peers/link-manager.ts', '', /name it/],
  ['a barrel by name', 'src/io/peers/index.ts', '', /barrel/],
  ['a barrel by content', 'src/io/peers/a.ts', "export { a } from './b.ts';", /barrel/],
  ['a default export', 'src/io/peers/a.ts', 'export default class A {}', /default/],
  ['a wide line', 'src/io/peers/a.ts', `const a = '${'x'.repeat(100)}';`, /columns/],
  ['a long file', 'src/io/peers/a.ts', '\n'.repeat(401), /lines/],
  [
    'a long function',
    'src/io/peers/a.ts',
    `function a() {\n${'  b();\n'.repeat(60)}}\n`,
    /function/,
  ],
  [
    'a long method',
    'src/io/peers/a.ts',
    `  a(): void {\n${'    b();\n'.repeat(60)}  }\n`,
    /function/,
  ],
  ['a left note', 'src/io/peers/a.ts', `// FIX${'ME'} later`, /fix it/],
  ['any as a type', 'src/io/peers/a.ts', 'const a: any = b;', /any/],
  ['any as a cast', 'src/io/peers/a.ts', 'const a = b as any;', /any/],
  ['state of a module', 'src/io/peers/a.ts', 'let count = 0;', /mutable/],
];

test('the repository keeps its own rules', () => {
  const sources = ownSources();
  assert.ok(sources.length > 10, 'the sources were found');
  const all = [...sources.flatMap(complaintsAbout), ...cyclesAmong(sources)];
  assert.deepEqual(all, []);
});

for (const [rule, path, text, word] of PLANTED) {
  test(`a planted violation is seen: ${rule}`, () => {
    const withHeader = rule === 'no header in core' ? text : `${HEADER}${text}`;
    const found = complaints(path, withHeader);
    assert.equal(found.length, 1, `exactly one complaint, got ${JSON.stringify(found)}`);
    assert.match(found[0] ?? '', word);
  });
}

test('a planted import cycle is seen, and types alone make none', () => {
  const a = { path: 'src/io/peers/a.ts', text: "import { b } from './b.ts';" };
  const b = (text: string): Source => ({ path: 'src/io/peers/b.ts', text });
  assert.equal(cyclesAmong([a, b("import { a } from './a.ts';")]).length, 1);
  assert.equal(cyclesAmong([a, b("import type { a } from './a.ts';")]).length, 0);
  assert.equal(cyclesAmong([a, b('')]).length, 0);
});

test('what the rules allow is not complained about', () => {
  const allowed: readonly (readonly [path: string, text: string])[] = [
    ['src/core/psync/a.ts', "import { a } from '../resp/a.ts';"],
    [
      'src/core/raft/a.ts',
      "import { a } from '../../assert.ts';\nimport { b } from '../scalars.ts';",
    ],
    ['src/io/relay/a.ts', "import { a } from '../../core/resp/a.ts';"],
    ['src/doors/http/a.ts', "import type { View } from '../view.ts';"],
    ['src/agent/agent.ts', "import { a } from '../io/relay/a.ts';"],
    ['src/agent/strong/a.ts', "import { a } from '../../core/raft/a.ts';"],
    ['src/core/raft/a.ts', "// A process of any Date.\nconst a = 'await the process';"],
    ['src/core/raft/a.test.ts', "import { readFileSync } from 'node:fs';"],
    ['src/core/raft/a.test.ts', `test('${'long '.repeat(20)}', () => {`],
    ['src/io/storage/disk.ts', "import { open } from 'node:fs/promises';"],
  ];
  for (const [path, text] of allowed) assert.deepEqual(complaints(path, `${HEADER}${text}`), []);
});
