import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { EXAMPLE_TOPOLOGY } from '../example-view.ts';
import type { DataNode, Topology } from '../topology.ts';
import { announcementsBetween } from './announcements.ts';
import { sentinelId } from './fields.ts';

const NAMES = ['shop'];

function told(before: Topology | null, after: Topology, names = NAMES): string[] {
  return announcementsBetween(before, after, names).map(
    ({ channel, message }) => `${channel} ${message}`,
  );
}

const [b, c] = EXAMPLE_TOPOLOGY.replicas as [DataNode, DataNode];
const a = EXAMPLE_TOPOLOGY.primary as DataNode;
const MASTER = 'master shop 10.0.0.1 6379';

/** b leads; a is a replica, up or not. */
function afterSwitch(isUp: boolean): Topology {
  const replicas = [{ ...a, isUp, isLevel: isUp }, c];
  return { ...EXAMPLE_TOPOLOGY, epoch: 8, primary: b, replicas };
}

test('announcements: nothing is told while nothing changes, nor before a primary is known', () => {
  deepEqual(told(EXAMPLE_TOPOLOGY, EXAMPLE_TOPOLOGY), []);
  deepEqual(told(null, { ...EXAMPLE_TOPOLOGY, primary: null }), []);
});

test('announcements: what a node sees first is told as what a Sentinel is given', () => {
  const [bDoor, cDoor] = EXAMPLE_TOPOLOGY.others;
  const of = '@ shop 10.0.0.1 6379';
  deepEqual(told(null, EXAMPLE_TOPOLOGY), [
    `+monitor ${MASTER} quorum 2`,
    `+slave slave 10.0.0.1:6380 10.0.0.1 6380 ${of}`,
    `+slave slave 10.0.0.1:6381 10.0.0.1 6381 ${of}`,
    `+sentinel sentinel ${bDoor && sentinelId(bDoor)} 10.0.0.1 26380 ${of}`,
    `+sentinel sentinel ${cDoor && sentinelId(cDoor)} 10.0.0.1 26381 ${of}`,
  ]);
});

test('announcements: a switchover, in the order of a Sentinel that did not lead it', () => {
  const of = '@ shop 10.0.0.1 6380';
  const [old, other] = ['6379', '6381'].map(
    (port) => `slave 10.0.0.1:${port} 10.0.0.1 ${port} ${of}`,
  );
  deepEqual(told(EXAMPLE_TOPOLOGY, afterSwitch(true)), [
    '+new-epoch 8',
    '+switch-master shop 10.0.0.1 6379 10.0.0.1 6380',
    `+slave ${old}`,
    `+slave ${other}`,
    `+convert-to-slave ${old}`,
    `+slave-reconf-done ${old}`,
    `+replica-reconf-done ${old}`,
    `+slave-reconf-done ${other}`,
    `+replica-reconf-done ${other}`,
  ]);
});

test('announcements: a failover, from the silence on until the former primary is back', () => {
  const of = '@ shop 10.0.0.1 6380';
  const old = `slave 10.0.0.1:6379 10.0.0.1 6379 ${of}`;
  const silent: Topology = { ...EXAMPLE_TOPOLOGY, primary: { ...a, isUp: false }, votersUp: 2 };
  deepEqual(told(EXAMPLE_TOPOLOGY, silent), [`+sdown ${MASTER}`, `+odown ${MASTER} #quorum 2/2`]);
  deepEqual(told(EXAMPLE_TOPOLOGY, { ...silent, votersUp: 1 }), [`+sdown ${MASTER}`]);
  deepEqual(told(silent, EXAMPLE_TOPOLOGY), [`-sdown ${MASTER}`, `-odown ${MASTER}`]);
  deepEqual(told(silent, afterSwitch(false)).slice(0, 5), [
    '+new-epoch 8',
    '+switch-master shop 10.0.0.1 6379 10.0.0.1 6380',
    `+slave ${old}`,
    `+slave slave 10.0.0.1:6381 10.0.0.1 6381 ${of}`,
    `+sdown ${old}`,
  ]);
  deepEqual(told(afterSwitch(false), afterSwitch(true)), [
    `-sdown ${old}`,
    `+slave-reconf-done ${old}`,
    `+replica-reconf-done ${old}`,
  ]);
});

test('announcements: each name of the primary is told for itself, the epoch once', () => {
  const channels = announcementsBetween(EXAMPLE_TOPOLOGY, afterSwitch(true), ['shop', 'mymaster']);
  const words = channels.filter(({ channel }) => /epoch|switch/.test(channel));
  deepEqual(
    words.map(({ message }) => message.split(' ')[0]),
    ['8', 'shop', 'mymaster'],
  );
});

test('announcements: nodes that go, come, move, and are new', () => {
  const [door] = EXAMPLE_TOPOLOGY.others;
  if (door === undefined) throw new Error('the example has others');
  const of = '@ shop 10.0.0.1 6379';
  const id = sentinelId(door);
  const gone = { ...EXAMPLE_TOPOLOGY, others: [{ ...door, isUp: false }] };
  const lost = { ...EXAMPLE_TOPOLOGY, others: [] };
  const moved = { ...EXAMPLE_TOPOLOGY, others: [{ ...door, port: 1 }] };
  deepEqual(told(EXAMPLE_TOPOLOGY, gone), [`+sdown sentinel ${id} 10.0.0.1 26380 ${of}`]);
  deepEqual(told(gone, { ...gone, others: [door] }), [
    `-sdown sentinel ${id} 10.0.0.1 26380 ${of}`,
  ]);
  deepEqual(told(lost, { ...lost, others: [door] }), [
    `+sentinel sentinel ${id} 10.0.0.1 26380 ${of}`,
  ]);
  deepEqual(told(EXAMPLE_TOPOLOGY, moved), [
    `+sentinel-address-switch sentinel ${id} 10.0.0.1 1 ${of}`,
  ]);
  deepEqual(told({ ...EXAMPLE_TOPOLOGY, replicas: [b] }, EXAMPLE_TOPOLOGY), [
    `+slave slave 10.0.0.1:6381 10.0.0.1 6381 ${of}`,
  ]);
});
