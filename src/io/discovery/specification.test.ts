import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { parseSources, type SourceSpec, sourceLabel } from './specification.ts';

function labels(given: string | string[]): string[] {
  const parsed = parseSources(given, 7379);
  ok(parsed.ok, parsed.ok ? '' : parsed.text);
  return parsed.specs.map(sourceLabel);
}

function refused(given: string | string[]): string {
  const parsed = parseSources(given, 7379);
  ok(!parsed.ok, `taken: ${JSON.stringify(given)}`);
  return `${parsed.text}; ${parsed.todo}`;
}

test('parseSources takes every kind of source, with and without its port', () => {
  const cases: [given: string, spec: SourceSpec][] = [
    ['10.0.0.1', { kind: 'static', addresses: [{ host: '10.0.0.1', port: 7379 }] }],
    ['[fd00:0::1]:7380', { kind: 'static', addresses: [{ host: 'fd00::1', port: 7380 }] }],
    ['tasks.orders', { kind: 'dns', name: 'tasks.orders', port: 7379 }],
    ['dns:orders:7380', { kind: 'dns', name: 'orders', port: 7380 }],
    ['dns:dns', { kind: 'dns', name: 'dns', port: 7379 }],
    ['srv:_peers._tcp.orders', { kind: 'srv', name: '_peers._tcp.orders' }],
    [
      'kubernetes:app=orders',
      { kind: 'kubernetes', namespace: null, selector: 'app=orders', port: 7379 },
    ],
    [
      'kubernetes:shop:app.kubernetes.io/name=orders,tier in (a, b),!old:7380',
      {
        kind: 'kubernetes',
        namespace: 'shop',
        selector: 'app.kubernetes.io/name=orders,tier in (a, b),!old',
        port: 7380,
      },
    ],
  ];
  for (const [given, spec] of cases)
    deepEqual(parseSources(given, 7379), { ok: true, specs: [spec] }, given);
});

test('parseSources takes a mixture; all addresses are one source, repeated ones are there once', () => {
  deepEqual(labels('10.0.0.1, orders;; kubernetes:a in (b,c) ; 10.0.0.2:1,10.0.0.1:7379'), [
    'static',
    'dns:orders:7379',
    'kubernetes:a in (b,c):7379',
  ]);
  deepEqual(labels(['orders', 'dns:orders:7379', 'srv:orders']), ['dns:orders:7379', 'srv:orders']);
});

test('sourceLabel is what could have been written', () => {
  const written = ['dns:a.b:1', 'srv:_p._tcp.b', 'kubernetes:ns:a=b,c!=d:5', 'kubernetes:a:6'];
  deepEqual(labels(written), written);
});

test('parseSources says what is wrong, and what to write instead', () => {
  const cases: [given: string, says: RegExp][] = [
    ['', /names no source; give HOST/],
    [' ; , ', /names no source/],
    ['consul:orders', /"consul:orders" is neither an address nor a source; give HOST\[:PORT\]/],
    ['http://orders', /neither an address nor a source/],
    ['orders:0', /neither an address/],
    ['10.0.0.256', /neither an address/],
    ['0.0.0.0:7379', /no address of one node; give the address that others/],
    ['dns:10.0.0.1', /"dns:10\.0\.0\.1" is an address, not a name; write it without/],
    ['dns:', /neither an address/],
    ['srv:', /has no name; give srv:NAME/],
    ['srv:10.0.0.1', /has no name/],
    ['srv:_p._tcp.orders:7379', /has a port, which comes from the SRV records/],
    ['kubernetes:', /has no label selector; give one as for kubectl/],
    ['kubernetes:app=a:0', /has no port that exists/],
    ['kubernetes:Shop:app=a', /has no namespace before the selector/],
    ['kubernetes:a:b:c:1', /too many colons/],
    ['kubernetes:app=ü', /has no label selector/],
    [Array.from({ length: 17 }, (_, i) => `n${i}`).join(','), /17 sources are too many; give 16/],
  ];
  for (const [given, says] of cases) match(refused(given), says, given);
  ok(refused(`x:${'y'.repeat(1000)}`).length < 300, 'a long word is cut');
  equal(parseSources('good, bad:', 7379).ok, false);
});
