import { deepEqual, equal, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { addressText } from './address.ts';
import { dnsSource, srvSource } from './dns.ts';
import { DiscoveryError } from './errors.ts';
import { DISCOVERY_LIMITS } from './limits.ts';
import type { Source } from './source.ts';
import { settle, TrialWorld } from './trial-world.ts';

const DOWN = new DiscoveryError('NO_ANSWER', 'orders: the name server does not answer');

async function look(source: Source): Promise<{ found: string[]; complaint: string | null }> {
  for await (const { places, complaint } of source.look(new AbortController().signal))
    return { found: places.map(({ address }) => addressText(address)), complaint };
  throw new Error('no answer');
}

function dns(world: TrialWorld): Source {
  return dnsSource('dns', { name: 'orders', port: 7379 }, world.ports, DISCOVERY_LIMITS);
}

function srv(world: TrialWorld, targetsMax = 64): Source {
  const limits = { ...DISCOVERY_LIMITS, targetsMax };
  return srvSource('srv', { name: '_p._tcp.orders' }, world.ports, limits);
}

test('dns: all addresses of a name, both families, each once; what leads nowhere is left out', async () => {
  const world = new TrialWorld();
  world.hosts.set('orders', ['10.0.0.2', '10.0.0.1', 'fd00::1', '10.0.0.2', '0.0.0.0', 'fe80::1']);
  deepEqual(await look(dns(world)), {
    found: ['10.0.0.2:7379', '10.0.0.1:7379', '[fd00::1]:7379'],
    complaint: null,
  });
});

test('dns: a name that does not exist is an answer without addresses, in words', async () => {
  deepEqual(await look(dns(new TrialWorld())), {
    found: [],
    complaint: 'orders has no addresses',
  });
});

test('dns: a name server that is down, or silent, is a failure', async () => {
  const world = new TrialWorld();
  world.hosts.set('orders', DOWN);
  await rejects(look(dns(world)), DOWN);
  const silent = { ...world.ports.names, addresses: () => new Promise<never>(() => undefined) };
  const { signal } = new AbortController();
  const source = dnsSource(
    'dns',
    { name: 'orders', port: 1 },
    { ...world.ports, names: silent },
    DISCOVERY_LIMITS,
  );
  const looking = rejects(Array.fromAsync(source.look(signal)), /no answer within 10 s/);
  await world.clock.advance(DISCOVERY_LIMITS.lookMsMax);
  await looking;
});

test('dns: an aborted look ends at once', async () => {
  const world = new TrialWorld();
  const silent = { ...world.ports.names, addresses: () => new Promise<never>(() => undefined) };
  const spec = { name: 'orders', port: 1 };
  const source = dnsSource('dns', spec, { ...world.ports, names: silent }, DISCOVERY_LIMITS);
  const ending = new AbortController();
  const looking = rejects(Array.fromAsync(source.look(ending.signal)), DiscoveryError);
  await settle();
  ending.abort();
  await looking;
});

test('srv: targets with the ports of their records, looked up like any other name', async () => {
  const world = new TrialWorld();
  world.services.set('_p._tcp.orders', [
    { host: 'a', port: 1 },
    { host: 'b', port: 2 },
    { host: '10.0.0.9', port: 3 },
  ]);
  world.hosts.set('a', ['10.0.0.1']);
  world.hosts.set('b', ['10.0.0.2', '10.0.0.3']);
  deepEqual(await look(srv(world)), {
    found: ['10.0.0.1:1', '10.0.0.2:2', '10.0.0.3:2', '10.0.0.9:3'],
    complaint: null,
  });
});

test('srv: a target that cannot be looked up does not hide the others', async () => {
  const world = new TrialWorld();
  world.services.set('_p._tcp.orders', [
    { host: 'orders', port: 1 },
    { host: 'gone', port: 1 },
    { host: 'b', port: 2 },
  ]);
  world.hosts.set('orders', DOWN);
  world.hosts.set('b', ['10.0.0.2']);
  deepEqual(await look(srv(world)), {
    found: ['10.0.0.2:2'],
    complaint: `target gone has no addresses; target orders: ${DOWN.message}`,
  });
});

test('srv: a short name is looked for in the search domains of resolv.conf', async () => {
  const world = new TrialWorld();
  world.files.set('/etc/resolv.conf', 'search shop.svc svc\noptions ndots:5\n');
  world.services.set('_p._tcp.orders.svc', [{ host: '10.0.0.1', port: 1 }]);
  deepEqual((await look(srv(world))).found, ['10.0.0.1:1']);
  deepEqual(world.asked, ['SRV _p._tcp.orders.shop.svc', 'SRV _p._tcp.orders.svc']);
});

test('srv: no records, and the record that says "no such service", are answers', async () => {
  const world = new TrialWorld();
  equal((await look(srv(world))).complaint, '_p._tcp.orders has no SRV records');
  world.services.set('_p._tcp.orders', [{ host: '.', port: 0 }]);
  deepEqual(await look(srv(world)), { found: [], complaint: '_p._tcp.orders has no SRV records' });
});

test('srv: targets beyond the bound are left out, and that is said', async () => {
  const world = new TrialWorld();
  const targets = [1, 2, 3].map((n) => ({ host: `10.0.0.${n}`, port: 1 }));
  world.services.set('_p._tcp.orders', targets);
  deepEqual(await look(srv(world, 2)), {
    found: ['10.0.0.1:1', '10.0.0.2:1'],
    complaint: '1 targets are left out',
  });
});
