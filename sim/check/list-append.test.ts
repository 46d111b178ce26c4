/** Histories from the literature: Adya's phenomena, and what Jepsen's reports have found. */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation, Outcome, Step } from './history.ts';
import { checkListAppend } from './list-append.ts';

/** `ax1` appends 1 to x, `rx12` reads 1 and 2 in x, `rx` reads it empty, `rx?` is not answered. */
function steps(text: string): Step[] {
  return text.split(' ').map((word): Step => {
    const [f, key = '', ...values] = word;
    if (f === 'a') return { f: 'append', key, value: values.join('') };
    return values[0] === '?' ? { f: 'range', key } : { f: 'range', key, result: values };
  });
}

let process = 0;

/** All at once, so that only the data orders them. */
function at(call: number, end: number, text: string, outcome: Outcome = 'ok'): Operation {
  process += 1;
  return { process, call, return: end, outcome, steps: steps(text) };
}

function together(...texts: string[]): Operation[] {
  return texts.map((text) => at(0, 10, text));
}

function kinds(history: readonly Operation[]): string[] {
  return [...new Set(checkListAppend(history).anomalies.map(({ kind }) => kind))].sort();
}

const GOOD: readonly (readonly [claim: string, history: readonly Operation[]])[] = [
  ['nothing happened', []],
  ['two transactions that read nothing of each other', together('ax1 ry', 'ay1')],
  ['a read in the middle of two appends', together('ax1', 'ax2', 'rx1', 'rx12')],
  ['its own appends are read', together('ax1 rx1 ax2 rx12')],
  ['the middle state of a transaction is read by itself alone', together('ax1 rx1 ax2', 'rx12')],
  ['an unknown append is read later', [at(0, 5, 'ax1', 'unknown'), at(20, 30, 'rx1')]],
  ['an unknown append is never read', [at(0, 5, 'ax1', 'unknown'), at(20, 30, 'rx')]],
  [
    'an unknown append takes effect after others of its process',
    [
      { process: 1, call: 0, return: 5, outcome: 'unknown', steps: steps('ax1') },
      { process: 1, call: 6, return: 8, outcome: 'ok', steps: steps('rx') },
      { process: 1, call: 9, return: 12, outcome: 'ok', steps: steps('rx1') },
    ],
  ],
  ['a failed append is never read', [at(0, 5, 'ax1', 'fail'), at(6, 7, 'rx')]],
  [
    'a failed append is sent again and works',
    [at(0, 5, 'ax1', 'fail'), at(6, 7, 'ax1'), at(8, 9, 'rx1')],
  ],
  ['calls that touch are concurrent', [at(0, 5, 'ax1'), at(5, 7, 'rx')]],
  ['a read that got no answer says nothing', [at(0, 1, 'ax1'), at(5, 7, 'rx?')]],
];

for (const [claim, history] of GOOD) {
  test(`passes: ${claim}`, () => deepEqual(kinds(history), []));
}

type Bad = readonly [claim: string, kinds: readonly string[], history: readonly Operation[]];

const BAD: readonly Bad[] = [
  ['dirty write: each overwrote the other', ['G0'], together('ax1 ay1', 'ax2 ay2', 'rx12 ry21')],
  ['circular information flow', ['G1c'], together('ax1 ry1', 'ay1 rx1')],
  ['read skew: half of a transfer', ['G-single'], together('ax1 ay1', 'rx ry1')],
  [
    'long fork: two readers see two writers in different order',
    ['G-nonadjacent'],
    together('ax1', 'ay1', 'rx1 ry', 'rx ry1'),
  ],
  ['write skew', ['G2-item'], [...together('rx ay1', 'ry ax1'), at(20, 30, 'rx1 ry1')]],
  ['write skew where nobody ever reads the appends', ['G2-item'], together('rx ay1', 'ry ax1')],
  [
    'stale read: acknowledged, then not seen',
    ['G-single-realtime'],
    [at(0, 5, 'ax1'), at(6, 9, 'rx'), at(20, 30, 'rx1')],
  ],
  [
    'acknowledged and never seen again',
    ['G-single-realtime'],
    [at(0, 5, 'ax1'), at(6, 9, 'rx'), at(20, 30, 'rx')],
  ],
  [
    'total loss at a failover: the list starts again from nothing',
    ['incompatible-order'],
    [at(0, 1, 'ax1'), at(2, 3, 'rx1'), at(4, 5, 'ax2'), at(6, 7, 'rx2')],
  ],
  [
    'a process does not see its own append',
    ['G-single-process'],
    [
      { process: 1, call: 0, return: 5, outcome: 'ok', steps: steps('ax1') },
      { process: 1, call: 5, return: 9, outcome: 'ok', steps: steps('rx') },
      at(20, 30, 'rx1'),
    ],
  ],
  [
    'appends in the wrong order of time',
    ['G0-realtime'],
    [at(0, 5, 'ax1'), at(6, 9, 'ax2'), at(20, 30, 'rx21')],
  ],
  ['a process reads an append of its future', ['G1c-realtime'], [at(0, 5, 'rx1'), at(6, 9, 'ax1')]],
  [
    'long fork where the order of time stands for one of the readers',
    ['G-nonadjacent-realtime'],
    [...together('ax1', 'ay1', 'rx1 ry'), at(0, 4, 'ry1'), at(5, 10, 'rx')],
  ],
  ['aborted read', ['G1a'], [at(0, 5, 'ax1', 'fail'), at(2, 9, 'rx1')]],
  [
    'an append on top of an aborted one',
    ['G1a', 'dirty-update'],
    [at(0, 5, 'ax1', 'fail'), at(0, 9, 'ax2'), at(10, 12, 'rx12')],
  ],
  ['intermediate read', ['G1b'], together('ax1 ax2', 'rx1')],
  ['a transaction cut in two by another', ['G0', 'G1b'], together('ax1 ax2', 'ax3', 'rx132')],
  ['its own appends in reverse', ['incompatible-order'], together('ax1 ax2', 'rx21')],
  ['lost update', ['G2-item', 'lost-update'], together('rx ax1', 'rx ax2')],
  [
    'an append is executed twice after a retry',
    ['duplicate-elements'],
    together('ax1', 'ax2', 'rx121'),
  ],
  [
    'one RPUSH repeats for ever',
    ['duplicate-elements'],
    together('ax1', 'rx1', 'rx11', 'rx111', 'rx1111'),
  ],
  [
    'split brain: two histories of one list',
    ['incompatible-order'],
    together('ax1', 'ax2', 'ax3', 'rx12', 'rx13'),
  ],
  ['its own append is not there', ['internal'], together('ax1 rx')],
  ['two reads of one transaction differ', ['G-single', 'internal'], together('rx rx1', 'ax1')],
  ['an element comes in between its own steps', ['internal'], together('rx ax1 rx21', 'ax2')],
  ['it reads what it will append', ['future-read', 'internal'], together('rx1 ax1 rx1')],
  ["another client's reply: an element of another key", ['unwritten-read'], together('ax1', 'ry1')],
];

for (const [claim, expected, history] of BAD) {
  test(`caught: ${claim}`, () => {
    const found = kinds(history);
    for (const kind of expected) ok(found.includes(kind), `${kind} in ${found.join(' ')}`);
  });
}

test('every kind of anomaly has a history that shows it', () => {
  const shown = new Set(BAD.flatMap(([, , history]) => kinds(history)));
  const all = [
    ...['internal', 'future-read', 'G1a', 'G1b', 'dirty-update', 'lost-update', 'unwritten-read'],
    ...['duplicate-elements', 'incompatible-order', 'G0', 'G1c', 'G-single', 'G-nonadjacent'],
    ...['G2-item', 'G-single-process', 'G0-realtime', 'G1c-realtime', 'G-single-realtime'],
    'G-nonadjacent-realtime',
  ];
  deepEqual(
    all.filter((kind) => !shown.has(kind)),
    [],
  );
});

test('a cycle is told by its edges: what was read, what is missing, and who was first', () => {
  const history = [at(0, 5, 'ax5'), at(6, 9, 'rx'), at(20, 30, 'rx5')];
  const [anomaly] = checkListAppend(history).anomalies;
  equal(anomaly?.kind, 'G-single-realtime');
  deepEqual([...(anomaly?.operations ?? [])].sort(), [0, 1]);
  match(anomaly?.words ?? '', /T1 read x without 5, which T0 appended/);
  match(anomaly?.words ?? '', /T0 had returned before T1 was called/);
});

test('the shortest cycle is told, not the first', () => {
  const ring = together('ax1 rf', 'ay1 rx', 'az1 ry', 'af1 rz');
  const history = [...ring, ...together('au1 rv', 'av1 ru')];
  const cycles = checkListAppend(history).anomalies;
  deepEqual(cycles.map(({ operations }) => operations.length).sort(), [2, 4]);
});

test('what returned long before is told as such, not through what ran in between', () => {
  const history = [at(0, 1, 'ax5'), at(2, 3, 'ry'), at(4, 5, 'rx'), at(6, 7, 'rx5')];
  const cycles = checkListAppend(history).anomalies;
  deepEqual(
    cycles.map(({ operations }) => operations.length),
    [2],
  );
});

test('of one knot the hardest kind is told and the shortest cycle', () => {
  const history = together('rv aw1 ax1', 'rw av1 ay1', 'rx1 ry', 'rx ry1');
  deepEqual(kinds(history), ['G-nonadjacent', 'G2-item']);
});

test('a key that is also popped is not judged here, the others are', () => {
  const pop: Operation = {
    process: 99,
    call: 0,
    return: 1,
    outcome: 'ok',
    steps: [{ f: 'lpop', key: 'y', result: '1' }],
  };
  const { keys, anomalies } = checkListAppend([...together('ax1 ay1', 'rx ry1', 'rx1'), pop]);
  deepEqual([...keys], ['x']);
  deepEqual(anomalies, []);
});

test('100000 transactions of a serial order are judged within ten seconds', () => {
  const history: Operation[] = [];
  const lists = new Map<string, string[]>();
  for (let number = 0; number < 100_000; number += 1) {
    const key = `k${Math.floor(number / 1000)}.${number % 7}`;
    const values = lists.get(key) ?? [];
    lists.set(key, values);
    const isRead = number % 3 === 0;
    const step: Step = isRead
      ? { f: 'range', key, result: [...values] }
      : { f: 'append', key, value: `${number}` };
    if (!isRead) values.push(`${number}`);
    const other: Step = { f: 'append', key: `o${number % 500}`, value: `${number}` };
    const call = number * 2;
    history.push({
      process: number % 20,
      call,
      return: call + 9,
      outcome: 'ok',
      steps: [step, other],
    });
  }
  // Of this process alone: other tests run at the same time.
  const begun = globalThis.process.cpuUsage();
  deepEqual(checkListAppend(history).anomalies, []);
  ok(globalThis.process.cpuUsage(begun).user < 10e6);
});
