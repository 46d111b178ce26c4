import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { searchNames } from './search-names.ts';

const POD =
  'nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local\noptions ndots:5';

test('searchNames: a name with fewer dots than ndots is looked for in the domains first', () => {
  const cases: [name: string, resolvConf: string, names: string[]][] = [
    ['_p._tcp.orders', '', ['_p._tcp.orders']],
    [
      '_p._tcp.orders',
      POD,
      [
        '_p._tcp.orders.shop.svc.cluster.local',
        '_p._tcp.orders.svc.cluster.local',
        '_p._tcp.orders',
      ],
    ],
    [
      '_p._tcp.a.b.c.d',
      POD,
      [
        '_p._tcp.a.b.c.d',
        '_p._tcp.a.b.c.d.shop.svc.cluster.local',
        '_p._tcp.a.b.c.d.svc.cluster.local',
      ],
    ],
    ['_p._tcp.orders.', POD, ['_p._tcp.orders']],
    ['orders', 'domain a.example\n', ['orders.a.example', 'orders']],
    ['orders', 'search a.example\nsearch b.example.\n# search c\n', ['orders.b.example', 'orders']],
    ['orders', 'search .\n', ['orders']],
    ['x.orders', 'search a\noptions rotate ndots:2', ['x.orders.a', 'x.orders']],
  ];
  for (const [name, resolvConf, names] of cases)
    deepEqual(searchNames(name, resolvConf), names, `${name} in ${resolvConf}`);
});
