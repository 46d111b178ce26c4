import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { addressText, parseHostPort, placeHost } from './address.ts';

test('parseHostPort takes hosts with and without a port, IPv6 in brackets or bare', () => {
  const cases: [text: string, host: string | null, port?: number][] = [
    ['10.0.0.1:7379', '10.0.0.1', 7379],
    ['10.0.0.1', '10.0.0.1'],
    ['tasks.orders', 'tasks.orders'],
    ['orders.:1', 'orders.', 1],
    ['[fd00::1]:7379', 'fd00::1', 7379],
    ['[fd00::1]', 'fd00::1'],
    ['fd00::1', 'fd00::1'],
    ['10.0.0.1:0', null],
    ['10.0.0.1:65536', null],
    ['10.0.0.1:', null],
    ['10.0.0:7379', null],
    [':7379', null],
    ['', null],
    ['a b', null],
    ['http://a', null],
    ['[10.0.0.1]:7379', null],
  ];
  for (const [text, host, port = null] of cases)
    deepEqual(parseHostPort(text), host === null ? null : { host, port }, text);
});

test('placeHost gives one spelling to an address, and none to what is not one place', () => {
  const cases: [text: string, host: string | null][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['FD00:0:0::1', 'fd00::1'],
    ['::1', '::1'],
    ['0.0.0.0', null],
    ['::', null],
    ['224.0.0.1', null],
    ['255.255.255.255', null],
    ['ff02::1', null],
    ['fe80::1', null],
    ['fe80::1%eth0', null],
    ['orders', null],
    ['', null],
  ];
  for (const [text, host] of cases) equal(placeHost(text), host, text);
  equal(addressText({ host: 'fd00::1', port: 7379 }), '[fd00::1]:7379');
});
