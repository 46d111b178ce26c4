import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { logIndex, type NodeId, nodeId, term } from '../scalars.ts';
import { AppendOrder } from './append-order.ts';
import type { AppendHeader, Message } from './protocol.ts';

const B = nodeId('b@0000000b');
const C = nodeId('c@0000000c');

function header(after: number, last: number): AppendHeader {
  const of = (index: number) => ({ index: logIndex(index), term: term(1) });
  return { term: term(1), after: of(after), last: of(last), commit: logIndex(0), round: 1 };
}

function message({ term: inTerm, after, commit, round }: AppendHeader): Message {
  return { kind: 'append', term: inTerm, after, entries: [], commit, round };
}

function ordered() {
  const sent: string[] = [];
  const send = (to: NodeId, sentMessage: Message) => {
    if (sentMessage.kind === 'append') sent.push(`${to[0]}${sentMessage.after.index}`);
  };
  const order = new AppendOrder({ send });
  /** Asks for a read and returns its completion. */
  const ask = (to: NodeId, after: number, last: number, isHeld = true) => {
    const finish = order.begin(to, header(after, last));
    return () => finish(isHeld ? message(header(after, last)) : null);
  };
  return { sent, ask };
}

test('appends leave in the order asked for, however their reads end', () => {
  const { sent, ask } = ordered();
  const first = ask(B, 0, 2);
  const second = ask(B, 2, 4);
  const third = ask(B, 4, 6);
  third();
  second();
  deepEqual(sent, []);
  first();
  deepEqual(sent, ['b0', 'b2', 'b4']);
});

test('one peer does not wait for another', () => {
  const { sent, ask } = ordered();
  ask(B, 0, 2);
  ask(C, 0, 2)();
  deepEqual(sent, ['c0']);
});

test('what the log does not hold any more is left out', () => {
  const { sent, ask } = ordered();
  const gone = ask(B, 0, 2, false);
  ask(B, 2, 4)();
  gone();
  deepEqual(sent, ['b2']);
});

test('a stream that starts over takes the place of what waits', () => {
  const { sent, ask } = ordered();
  const first = ask(B, 0, 2);
  const second = ask(B, 2, 4);
  const again = ask(B, 1, 4);
  second();
  first();
  again();
  deepEqual(sent, ['b1']);
});
