import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId } from '../core/scalars.ts';
import type { Hello } from '../io/peers/hello.ts';
import { AddressBook } from './address-book.ts';

function hello(directory: string, peerAddress: string): Hello {
  return { directory, peerAddress } as Hello;
}

function book() {
  const lists: string[] = [];
  return { lists, it: new AddressBook((addresses) => lists.push(addresses.join(' '))) };
}

test('candidates, members and callers are one list, told when it changes', () => {
  const { lists, it } = book();
  it.setCandidates(['a:1', 'b:1']);
  it.setMembers(['b:1', '', 'c:1']);
  it.setMembers(['c:1', 'b:1']);
  it.called(hello('d', 'd:1'));
  it.setCandidates(['a:1']);
  deepEqual(lists, ['a:1 b:1', 'a:1 b:1 c:1', 'a:1 b:1 c:1 d:1', 'a:1 c:1 b:1 d:1']);
});

test('what a peer tells counts for as long as the peer is there', () => {
  const { lists, it } = book();
  const by = nodeId('a@00000001');
  it.setTold(by, ['b:1', 'c:1']);
  it.setTold(by, ['b:1', 'c:1']);
  it.setTold(by, []);
  deepEqual(lists, ['b:1 c:1', '']);
});

test('a caller counts for as long as one of its connections is open', () => {
  const { lists, it } = book();
  it.called(hello('d', 'd:1'));
  it.called(hello('d', 'd:1'));
  it.callEnded(hello('d', 'd:1'));
  it.called(hello('d', 'd:2'));
  it.callEnded(hello('d', 'd:1'));
  it.callEnded(hello('d', 'd:2'));
  it.callEnded(hello('d', 'd:2'));
  deepEqual(lists, ['d:1', 'd:2', '']);
});

test('whoever does not say where it is, is not dialled', () => {
  const { lists, it } = book();
  it.called(hello('d', ''));
  deepEqual(lists, []);
});
