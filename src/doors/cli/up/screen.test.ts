import assert from 'node:assert/strict';
import { test } from 'node:test';
import { examplePicture, exampleStatus } from './example-picture.ts';
import { isServing } from './picture.ts';
import { PlainLines } from './plain-lines.ts';
import { renderScreen, type ScreenInput } from './screen.ts';

const BASE: ScreenInput = {
  picture: examplePicture(),
  directory: '/state/up',
  tally: null,
  events: ['12:00:00  node2 leads'],
  width: 120,
  height: 40,
  color: false,
};

function screen(changes: Partial<ScreenInput> = {}): string {
  return renderScreen({ ...BASE, ...changes }).join('\n');
}

test('the screen tells who leads, how far the nodes are, and what to try', () => {
  const text = screen();
  assert.match(text, /althing {2}node2 leads, term 4 {2}serving on every node/);
  assert.match(text, /node1 +follower +6379 +1000 +990 +980 +2\.0K +4\.8M/);
  assert.match(text, /redis-cli -p 6379 SET greeting hello/);
  assert.match(text, /curl -s http:\/\/127\.0\.0\.1:8379\/status/);
  assert.match(text, /12:00:00 {2}node2 leads/);
});

test('a node that is down, and one that does not answer, are told apart', () => {
  const picture = examplePicture([
    { pid: null, status: null, ready: false },
    { status: null, ready: false },
  ]);
  const text = screen({ picture });
  assert.match(text, /node1 +down/);
  assert.match(text, /node2 +no answer/);
  assert.match(text, /nobody leads, term 4 {2}serving, not on every node/);
});

test('a problem that every node tells of is told once', () => {
  const problems = [{ code: 'X', text: 'no secret', todo: 'give one' }];
  const status = (node: string) => exampleStatus(node, { problems });
  const picture = examplePicture([{ status: status('node1') }, { status: status('node2') }]);
  assert.equal(screen({ picture }).split('no secret; give one').length, 2);
});

test('a loss is never hidden, nor that nothing could be read back', () => {
  const tally = { state: 'off' as const, acknowledged: 10, longestGapMs: 5 };
  assert.match(screen({ tally: { ...tally, lost: 2 } }), /10 acknowledged, .*, 2 lost/);
  assert.match(screen({ tally: { ...tally, lost: null } }), /could not be read back/);
});

test('the screen keeps within the terminal, whatever its size, with colour or without', () => {
  const events = Array.from({ length: 50 }, (_, i) => `event ${i} ${'x'.repeat(300)}`);
  for (const [width, height] of [
    [20, 3],
    [80, 24],
    [200, 60],
  ] as const) {
    for (const color of [false, true]) {
      const lines = renderScreen({ ...BASE, events, width, height, color });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what colour is made of.
      const visible = lines.map((line) => line.replace(/\x1b\[\d+m/g, ''));
      assert.ok(lines.length <= height);
      assert.ok(visible.every((line) => line.length <= width));
      if (!color) assert.deepEqual(lines, visible);
    }
  }
});

test('a leader of an old term, paused or cut off, does not count against the new one', () => {
  const picture = examplePicture([
    { status: exampleStatus('node1', { role: 'leader', term: 9 }) },
    { status: exampleStatus('node2', { role: 'leader', term: 8 }) },
  ]);
  assert.deepEqual([picture.leader, picture.term], ['node1', 9]);
});

test('plain lines: a problem that lasts is told once, one that passes is not', () => {
  const lines: string[] = [];
  const plain = new PlainLines((line) => lines.push(line));
  const problems = [{ code: 'X', text: 'no secret', todo: 'give one' }];
  const troubled = examplePicture([{ status: exampleStatus('node1', { problems }), ready: false }]);
  const calm = examplePicture([{ ready: false }]);
  for (const picture of [troubled, troubled, calm]) plain.show(picture);
  assert.deepEqual(lines, []);
  for (let look = 0; look < 20; look++) plain.show(troubled);
  assert.deepEqual(lines, ['problem (node1): no secret; give one']);
});

test('plain lines: ready once, then what changes', () => {
  const lines: string[] = [];
  const plain = new PlainLines((line) => lines.push(line));
  const serving = examplePicture();
  assert.ok(isServing(serving));
  plain.show(examplePicture([{ ready: false }]));
  plain.show(serving);
  plain.show(serving);
  plain.show(examplePicture([{}, { status: null, ready: false }]));
  plain.show(serving);
  assert.deepEqual(lines, [
    'ready: redis-cli -p 6379, redis-cli -p 6380, redis-cli -p 6381 (leader node2, term 4); ' +
      'curl -s http://127.0.0.1:8379/status',
    'leader: none',
    'node2: not serving',
    'leader: node2 (term 4)',
    'node2: serving',
  ]);
});
