import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { pauseMs } from './backoff.ts';
import { Candidates, type Change } from './candidates.ts';
import type { Answer, Place } from './source.ts';

const KEEP_MS = 1000;

function place(host: string, http: string | null = null): Place {
  return {
    address: { host, port: 7379 },
    http: http === null ? null : { host: http, port: 8379 },
  };
}

function said(...hosts: string[]): Answer {
  return { places: hosts.map((host) => place(host)), complaint: null };
}

function texts({ added, removed }: Change): string {
  const list = (sign: string, all: Change['added']) =>
    all.map(({ text }) => `${sign}${text.replace(':7379', '')}`);
  return [...list('+', added), ...list('-', removed)].join(' ');
}

function two(addressesMax = 100): Candidates {
  const candidates = new Candidates(addressesMax);
  candidates.add('dns', KEEP_MS);
  candidates.add('pods', 0);
  return candidates;
}

test('an address is a candidate while any source names it, and says which do', () => {
  const candidates = two();
  equal(texts(candidates.answered('dns', said('b', 'a'), 0)), '+a +b');
  equal(texts(candidates.answered('pods', said('b', 'c'), 0)), '+c');
  deepEqual(
    candidates.list().map(({ text, sources }) => [text, ...sources]),
    [
      ['a:7379', 'dns'],
      ['b:7379', 'dns', 'pods'],
      ['c:7379', 'pods'],
    ],
  );
  equal(texts(candidates.answered('pods', said(), 1)), '-c');
  equal(texts(candidates.answered('dns', said('b', 'a', 'a'), 2)), '');
});

test('what an answer no longer names stays for keepMs, and answers that take turns add up', () => {
  const candidates = two();
  candidates.answered('dns', said('a', 'b'), 0);
  equal(texts(candidates.answered('dns', said('c'), 600)), '+c');
  equal(texts(candidates.answered('dns', said('a'), 999)), '');
  equal(texts(candidates.answered('dns', said('a'), 1000)), '-b');
  equal(texts(candidates.age(1599)), '');
  equal(texts(candidates.age(1600)), '-c');
});

test('a source that fails takes nothing away from its latest answer, however long it fails', () => {
  const candidates = two();
  candidates.answered('dns', said('a', 'b'), 0);
  candidates.answered('dns', said('b'), 10);
  candidates.failed('dns', 'the name server does not answer', 20);
  equal(texts(candidates.age(1_000_000)), '-a');
  const [status] = candidates.status(1_000_000);
  deepEqual(status, {
    source: 'dns',
    addresses: ['b:7379'],
    lastAnswer: { msAgo: 999_990, addresses: 1 },
    lastError: { msAgo: 999_980, text: 'the name server does not answer' },
    nextTryInMs: null,
  });
  equal(texts(candidates.answered('dns', said(), 1_000_001)), '-b');
  equal(candidates.errorOf('dns'), null, 'an answer ends the error');
});

test('the status tells the complaint of an answer, and when a source is asked again', () => {
  const candidates = two();
  candidates.answered('pods', { ...said('a'), complaint: 'may not watch' }, 5);
  candidates.rests('pods', 25);
  const status = candidates.status(15)[1];
  deepEqual(status?.lastError, { msAgo: 10, text: 'may not watch' });
  equal(status?.nextTryInMs, 10);
  equal(candidates.status(40)[1]?.nextTryInMs, 0);
});

test('beyond the bound: those known stay, new ones are left out, and the status says so', () => {
  const candidates = two(3);
  candidates.answered('dns', said('d', 'e'), 0);
  equal(texts(candidates.answered('dns', said('a', 'b', 'c', 'd', 'e'), 1)), '+a');
  equal(candidates.errorOf('dns'), '2 addresses are left out: 3 are the most');
  equal(texts(candidates.answered('dns', said('x', 'y'), 2)), '+x +y -a -e');
  equal(candidates.list().length, 3, 'kept ones make room');
  equal(texts(candidates.heard('dns', place('z'), 3)), '+z -d');
});

test('what was heard beside answers is kept as long as what answers no longer name', () => {
  const candidates = two();
  candidates.answered('dns', said('a'), 0);
  equal(texts(candidates.heard('dns', place('b'), 10)), '+b');
  equal(texts(candidates.heard('dns', place('b'), 500)), '');
  equal(texts(candidates.age(1499)), '');
  equal(texts(candidates.age(1500)), '-b');
});

test('the HTTP address is of whichever source knows it', () => {
  const candidates = two();
  candidates.answered('dns', said('a'), 0);
  candidates.answered('pods', { places: [place('a', 'h')], complaint: null }, 0);
  deepEqual(candidates.list()[0]?.http, { host: 'h', port: 8379 });
});

test('pauseMs doubles with failures up to its bound, and half of it is chance', () => {
  const limits = { backoffMsMin: 500, backoffMsMax: 5000 };
  const full = [0, 1, 2, 3, 4, 5, 100].map((failures) => pauseMs(2000, failures, 1, limits));
  deepEqual(full, [2000, 500, 1000, 2000, 4000, 5000, 5000]);
  equal(pauseMs(2000, 0, 0, limits), 1000);
  ok(Number.isFinite(pauseMs(2000, 100_000, 0.5, limits)));
});
