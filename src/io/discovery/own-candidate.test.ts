import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Candidate } from './candidates.ts';
import { type Interfaces, ownCandidate } from './own-candidate.ts';

function candidates(...all: [host: string, port: number][]): Candidate[] {
  return all.map(([host, port]) => ({
    text: `${host}:${port}`,
    address: { host, port },
    http: null,
    sources: [],
  }));
}

function interfaces(...cidrs: string[]): Interfaces {
  return {
    lo: [{ address: '127.0.0.1', cidr: '127.0.0.1/8' }],
    eth0: cidrs.map((cidr) => ({ address: cidr.split('/')[0] ?? '', cidr })),
  };
}

test('ownCandidate: the candidate at the peer port on an own interface', async (t) => {
  const cases: [name: string, Candidate[], Interfaces, want: string | null][] = [
    [
      'among the answers of a round-robin name',
      candidates(['10.0.0.2', 7379], ['10.0.0.3', 7379], ['10.0.0.4', 7379]),
      interfaces('10.0.0.3/24'),
      '10.0.0.3:7379',
    ],
    [
      'another port is another node on this machine',
      candidates(['10.0.0.3', 7380], ['127.0.0.1', 7379]),
      interfaces('10.0.0.3/24'),
      '127.0.0.1:7379',
    ],
    [
      'others cannot reach loopback',
      candidates(['127.0.0.1', 7379], ['10.0.0.3', 7379]),
      interfaces('10.0.0.3/24'),
      '10.0.0.3:7379',
    ],
    [
      'the virtual IP of a service on the interface is not the node',
      candidates(['10.0.0.2', 7379], ['10.0.0.9', 7379]),
      interfaces('10.0.0.2/32', '10.0.0.9/24'),
      '10.0.0.9:7379',
    ],
    [
      'some pods have their only address as a /32',
      candidates(['10.0.0.2', 7379]),
      interfaces('10.0.0.2/32'),
      '10.0.0.2:7379',
    ],
    [
      'IPv6 in any spelling',
      candidates(['fd00::3', 7379]),
      interfaces('fd00:0:0::3/64'),
      'fd00::3:7379',
    ],
    [
      'only the virtual IP is known: none',
      candidates(['10.0.0.2', 7379]),
      interfaces('10.0.0.3/24'),
      null,
    ],
  ];
  for (const [name, all, own, want] of cases)
    await t.test(name, () => equal(ownCandidate(all, 7379, own)?.text ?? null, want));
});
