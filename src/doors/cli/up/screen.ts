/** The live screen of `up` as lines of text: pure, so that a test can read it. */

import type { ShardsView } from '../../view.ts';
import { isServing, memberOf, type NodeSight, type Picture, problemsOf } from './picture.ts';
import type { Tally } from './writer.ts';

export interface ScreenInput {
  readonly picture: Picture;
  readonly directory: string;
  readonly tally: Tally | null;
  readonly events: readonly string[];
  readonly width: number;
  readonly height: number;
  readonly color: boolean;
}

type Paint = 'bold' | 'dim' | 'green' | 'yellow' | 'red';
type Part = string | readonly [Paint, string];

const CODES: Readonly<Record<Paint, number>> = { bold: 1, dim: 2, green: 32, yellow: 33, red: 31 };
const COLUMNS = [
  'node',
  'role',
  'clients',
  'executed',
  'committed',
  'applied',
  'lag',
  'log',
  'pid',
];
const WIDTHS = [7, 11, 9, 13, 13, 13, 8, 8, 9];
/** Problems beyond these are still told by `althing status`. */
const PROBLEMS_MAX = 4;

export function renderScreen(input: ScreenInput): string[] {
  const { picture, events, height } = input;
  const top: Part[][] = [
    headline(input),
    [],
    [['dim', row(COLUMNS)]],
    ...picture.nodes.map((sight) => nodeLine(picture, sight)),
    [],
    ...problemLines(picture),
    ...tryLines(picture),
    [],
    keyLine(),
    writerLine(input.tally),
  ];
  const room = Math.max(0, height - top.length - 1);
  const recent = room > 1 ? events.slice(-(room - 1)) : [];
  const below: Part[][] = recent.length > 0 ? [[], ...recent.map((text) => [text])] : [];
  return [...top, ...below].slice(0, height).map((parts) => toText(parts, input));
}

function headline({ picture, directory }: ScreenInput): Part[] {
  const { leader, term, nodes } = picture;
  const health: Part = isServing(picture)
    ? ['green', 'serving on every node']
    : nodes.some((sight) => sight.ready)
      ? ['yellow', 'serving, not on every node']
      : ['red', 'not serving'];
  const shards = nodes.find(({ status }) => status?.shards !== undefined)?.status?.shards;
  const one = `${leader === null ? 'nobody leads' : `${leader} leads`}, term ${term}`;
  const who = shards === undefined ? one : `${shards.shards.length} shards${moveText(shards.move)}`;
  return [['bold', 'althing'], `  ${who}  `, health, ['dim', `  ${directory}`]];
}

function moveText(move: ShardsView['move']): string {
  if (move === null) return '';
  return `, ${move.slots} slots moved (${move.slotsPerSecond}/s), ${move.slotsLeft} left`;
}

function nodeLine(picture: Picture, sight: NodeSight): Part[] {
  const { addresses, pid, status, ready } = sight;
  const { node, clients } = addresses;
  if (pid === null || status === null) {
    const why = pid === null ? 'down' : 'no answer';
    return [['red', row([node, why, String(clients), '', '', '', '', '', String(pid ?? '')])]];
  }
  const { offsets, log } = status;
  const lag = node === picture.leader ? null : (memberOf(picture, node)?.lagBytes ?? null);
  const numbers = [offsets.executed, offsets.committed, offsets.applied].map(String);
  const lagText = lag === null ? '' : size(lag);
  const text = row([
    node,
    status.role,
    String(clients),
    ...numbers,
    lagText,
    size(log.bytes),
    String(pid),
  ]);
  if (!ready) return [['yellow', text]];
  return node === picture.leader ? [['bold', text]] : [text];
}

function problemLines(picture: Picture): Part[][] {
  const problems = problemsOf(picture).slice(0, PROBLEMS_MAX);
  if (problems.length === 0) return [];
  const lines = problems.map(({ node, text, todo }): Part[] => [
    ['red', `! ${node}: ${text}; ${todo}`],
  ]);
  return [...lines, []];
}

function tryLines({ nodes }: Picture): Part[][] {
  const cli = nodes[0]?.status?.shards === undefined ? 'redis-cli' : 'redis-cli -c';
  const first = nodes[0]?.addresses;
  const last = nodes.at(-1)?.addresses;
  if (!first || !last) return [];
  return [
    [['dim', 'try   '], `${cli} -p ${first.clients} SET greeting hello`],
    [['dim', '      '], `${cli} -p ${last.clients} GET greeting`],
    [['dim', '      '], `curl -s http://127.0.0.1:${first.http}/status`],
  ];
}

function keyLine(): Part[] {
  const keys = ['w writer', 'k kill the leader', 'p pause it 5 s', 's switch over', 'q quit'];
  return [['dim', 'keys  '], keys.join('   ')];
}

function writerLine(tally: Tally | null): Part[] {
  const label: Part = ['dim', 'proof '];
  if (tally === null) return [label, 'press w, then k: what was acknowledged is not lost'];
  const state = { off: 'done', writing: 'writing', checking: 'reading back' }[tally.state];
  const gap = `longest gap ${tally.longestGapMs} ms`;
  const counts = `${state}: ${tally.acknowledged} acknowledged, ${gap}`;
  if (tally.state !== 'off') return [label, `${counts} (w ends it and counts the lost)`];
  if (tally.lost === null) return [label, ['red', `${counts}, could not be read back`]];
  return [label, [tally.lost === 0 ? 'green' : 'red', `${counts}, ${tally.lost} lost`]];
}

function row(cells: readonly string[]): string {
  return cells.map((cell, i) => cell.padEnd(WIDTHS[i] ?? 0)).join(' ');
}

function size(bytes: number): string {
  const units = ['B', 'K', 'M', 'G'];
  let n = bytes;
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? n : n.toFixed(1)}${units[unit]}`;
}

/** Cut to the width of the terminal before colour goes in: escape codes have no width. */
function toText(parts: readonly Part[], { width, color }: ScreenInput): string {
  let left = width;
  let line = '';
  for (const part of parts) {
    const [paint, text] = typeof part === 'string' ? [null, part] : part;
    const cut = text.slice(0, left);
    left -= cut.length;
    line += paint && color ? `\x1b[${CODES[paint]}m${cut}\x1b[0m` : cut;
  }
  return line;
}
