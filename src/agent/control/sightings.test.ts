import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { founded } from '../../core/raft/configuration.ts';
import { type NodeId, nodeId } from '../../core/scalars.ts';
import { type Report, reportFrom } from './report.ts';
import { REPORT_MS_MAX, Sightings } from './sightings.ts';

const [A, B, C] = ['a', 'b', 'c'].map((name) => nodeId(`${name}@00000000`)) as [
  NodeId,
  NodeId,
  NodeId,
];

function report(change: Partial<Report> = {}): Report {
  return {
    term: 1,
    leader: null,
    configuration: null,
    carriedOut: null,
    waits: '',
    controlLeader: null,
    up: [],
    addresses: [],
    isLeaving: false,
    ...change,
  };
}

function world() {
  const clock = { ms: 10_000 };
  const sightings = new Sightings(() => clock.ms);
  sightings.begin();
  return { clock, sightings };
}

test('nobody is gone for longer than this leader leads', () => {
  const { clock, sightings } = world();
  equal(sightings.goneMs(A), 0);
  clock.ms += 500;
  equal(sightings.goneMs(A), 500);
  sightings.look([A]);
  clock.ms += 200;
  deepEqual([sightings.goneMs(A), sightings.goneMs(B)], [200, 700]);
  sightings.begin();
  equal(sightings.goneMs(B), 0);
});

test('who is seen by another node is not gone', () => {
  const { clock, sightings } = world();
  clock.ms += 5_000;
  sightings.reported(A, report({ up: [C] }));
  sightings.look([A]);
  deepEqual([sightings.goneMs(C), sightings.goneMs(B)], [0, 5_000]);
});

test('a report counts for some seconds, and while its node is connected', () => {
  const { clock, sightings } = world();
  sightings.reported(A, report({ isLeaving: true }));
  ok(sightings.of(A)?.isLeaving);
  clock.ms += REPORT_MS_MAX + 1;
  equal(sightings.of(A), null);
  sightings.reported(A, report());
  sightings.lost(A);
  equal(sightings.of(A), null);
});

test('a deposed leader is not believed once anybody knows of a later term', () => {
  const { sightings } = world();
  const configuration = founded([A, B, C]);
  sightings.reported(A, report({ term: 3, leader: A, configuration }));
  equal(sightings.dataLeader()?.node, A);
  sightings.reported(B, report({ term: 4 }));
  equal(sightings.dataLeader(), null, 'nobody is known to lead in term 4');
  sightings.reported(C, report({ term: 4, leader: C, configuration }));
  equal(sightings.dataLeader()?.node, C);
});

test('a follower’s word does not make a leader', () => {
  const { sightings } = world();
  sightings.reported(B, report({ term: 3, leader: A }));
  equal(sightings.dataLeader(), null);
});

test('what is no report is none', () => {
  const good = report({ leader: A, configuration: founded([A, B]), up: [B], addresses: ['b:1'] });
  const sent = JSON.parse(JSON.stringify(good)) as object;
  deepEqual(reportFrom(sent), good);
  for (const change of [
    { term: -1 },
    { leader: 'a' },
    { configuration: { voters: [] } },
    { carriedOut: '1' },
    { waits: 3 },
    { controlLeader: undefined },
    { up: ['b'] },
    { up: Array.from({ length: 257 }, () => B) },
    { addresses: [7] },
    { addresses: ['x'.repeat(301)] },
    { isLeaving: 'yes' },
  ])
    equal(reportFrom({ ...sent, ...change }), null, JSON.stringify(change).slice(0, 80));
  for (const value of [null, 'report', []]) equal(reportFrom(value), null);
});
