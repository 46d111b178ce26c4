import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { addressText } from './address.ts';
import { DiscoveryError } from './errors.ts';
import { DISCOVERY_LIMITS } from './limits.ts';
import { PeersSource } from './peers.ts';
import type { Place } from './source.ts';
import { answerOf, jsonAnswer, TrialWorld } from './trial-world.ts';

function place(host: string, http: Place['http'] = null): Place {
  return { address: { host, port: 7379 }, http };
}

function peer(host: string, httpPort = 8379) {
  return { node: host, peerAddress: `${host}:7379`, httpAddress: `${host}:${httpPort}` };
}

function list(...peers: object[]) {
  return { name: 'orders', deployment: '', peers };
}

function asking(candidates: readonly Place[], limits: Partial<typeof DISCOVERY_LIMITS> = {}) {
  const world = new TrialWorld();
  const source = new PeersSource(
    { name: 'orders', httpPort: 8379 },
    () => candidates,
    world.ports,
    { ...DISCOVERY_LIMITS, ...limits },
  );
  const look = async () => {
    for await (const { places, complaint } of source.look(new AbortController().signal)) {
      const found = places.map(({ address, http }) =>
        [addressText(address), http === null ? '-' : addressText(http)].join(' '),
      );
      return { found, complaint };
    }
    throw new Error('no answer');
  };
  const urls = () => world.requests.map(({ url }) => url);
  return { world, look, urls };
}

test('every candidate is asked at its HTTP address, or at the one that all nodes have', async () => {
  const { world, look, urls } = asking([
    place('10.0.0.1'),
    place('fd00::1', { host: 'fd00::1', port: 81 }),
  ]);
  world.respond = ({ url }) => {
    const peers = url.includes('10.0.0.1') ? [peer('10.0.0.1'), peer('10.0.0.3', 82)] : [];
    return jsonAnswer(200, list(...peers));
  };
  deepEqual(await look(), {
    found: ['10.0.0.1:7379 10.0.0.1:8379', '10.0.0.3:7379 10.0.0.3:82'],
    complaint: null,
  });
  deepEqual(urls(), ['http://10.0.0.1:8379/peers', 'http://[fd00::1]:81/peers']);
});

test('an address that leads to some node of many brings all of them, one by one', async () => {
  const { world, look } = asking([place('10.0.0.99')]);
  let turn = 0;
  world.respond = () => jsonAnswer(200, list(peer(`10.0.0.${(turn++ % 3) + 1}`)));
  const found = new Set<string>();
  for (let round = 0; round < 3; round++) for (const each of (await look()).found) found.add(each);
  equal(found.size, 3);
});

test('peers of another deployment, other programs and silence bring nothing, and are told', async () => {
  const candidates = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5'].map((host) =>
    place(host),
  );
  const { world, look } = asking(candidates);
  world.respond = ({ url }) => {
    if (url.includes('0.0.1:')) return jsonAnswer(200, { ...list(peer('10.0.0.9')), name: 'shop' });
    if (url.includes('0.0.2:')) return answerOf(200, '<html>');
    if (url.includes('0.0.3:')) return answerOf(404, '{}');
    if (url.includes('0.0.4:')) throw new DiscoveryError('NO_ANSWER', 'nobody listens there');
    return jsonAnswer(200, list(peer('10.0.0.5')));
  };
  const { found, complaint } = await look();
  deepEqual(found, ['10.0.0.5:7379 10.0.0.5:8379']);
  const first = '10.0.0.1:8379: it is of a deployment called "shop", not orders';
  equal(complaint, `4 of 5 tell no peers, or not all; ${first}`);
});

test('when nobody answers the look has failed; when there is nobody to ask it has not', async () => {
  await rejects(asking([place('10.0.0.1')]).look(), /1 of 1 .* nobody listens there/);
  deepEqual(await asking([]).look(), { found: [], complaint: null });
});

test('what a remote node calls loopback is not taken for ours', async () => {
  const answer = list(peer('127.0.0.1'), {
    peerAddress: '10.0.0.2:7379',
    httpAddress: '127.0.0.1:8379',
  });
  const remote = asking([place('10.0.0.1')]);
  remote.world.respond = () => jsonAnswer(200, answer);
  deepEqual((await remote.look()).found, ['10.0.0.2:7379 -']);
  const local = asking([place('127.0.0.1')]);
  local.world.respond = () => jsonAnswer(200, answer);
  deepEqual((await local.look()).found, ['127.0.0.1:7379 127.0.0.1:8379', '10.0.0.2:7379 -']);
});

test('addresses that are names are looked up; those that cannot be are left out', async () => {
  const { world, look } = asking([place('10.0.0.1')]);
  world.hosts.set('b', ['10.0.0.2']);
  world.hosts.set('down', new DiscoveryError('NO_ANSWER', 'down: the name server failed'));
  const strange = [{ peerAddress: 7, httpAddress: '' }, { peerAddress: 'b' }, null];
  const answer = list(peer('b'), peer('down'), { peerAddress: '', httpAddress: '' });
  world.respond = () => jsonAnswer(200, { ...answer, peers: [...answer.peers, ...strange] });
  const { found, complaint } = await look();
  deepEqual(found, ['10.0.0.2:7379 10.0.0.2:8379']);
  match(complaint ?? '', /down: the name server failed/);
});

test('at most askedMax are asked in a round, and all have their turn', async () => {
  const { world, look, urls } = asking(
    [1, 2, 3, 4, 5].map((n) => place(`10.0.0.${n}`)),
    {
      askedMax: 2,
    },
  );
  world.respond = () => jsonAnswer(200, list());
  for (let round = 0; round < 3; round++) await look();
  equal(urls().length, 6);
  equal(new Set(urls()).size, 5);
});
