import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../../../test/contracts/storage-world.ts';
import type { Charter } from '../../core/charter/charter.ts';
import type { StorageError } from './errors.ts';
import { type Identity, loadIdentity, saveIdentity, validateIdentity } from './identity.ts';

const PATH = '/n/identity';
const IDENTITY: Identity = {
  name: 'shop',
  node: 'n1',
  directory: '0123456789abcdef0123456789abcdef',
  incarnation: 7,
  phase: 'member',
  charter: {
    name: 'shop',
    round: 1,
    members: [{ node: 'n1', directory: '0123456789abcdef0123456789abcdef' }],
  },
  deployment: 'd00d',
  logCreated: true,
  peers: { n2: { directory: 'fedcba9876543210fedcba9876543210', incarnation: 3 } },
};

function load(world: World): Identity | StorageError | null {
  let result: Identity | StorageError | null = null;
  loadIdentity(world.disk, PATH, (error, identity) => {
    result = error ?? identity;
  });
  world.settle();
  return result;
}

function newWorld(seed = 1): World {
  const world = new World(seed);
  world.disk.makeDirectory('/n', () => undefined);
  world.settle();
  return world;
}

test('an identity survives a power cut at any point as the old one or the new one', () => {
  for (let turns = 0; turns < 12; turns++) {
    for (let seed = 0; seed < 10; seed++) {
      const world = newWorld(seed);
      saveIdentity(world.disk, PATH, IDENTITY, () => undefined);
      world.settle();
      let isDone = false;
      world.allow(turns);
      saveIdentity(world.disk, PATH, { ...IDENTITY, incarnation: 8 }, () => {
        isDone = true;
      });
      world.settle();
      world.crash();
      const found = load(world) as Identity;
      if (isDone || found.incarnation !== 7) equal(found.incarnation, 8);
      deepEqual({ ...found, incarnation: 7 }, IDENTITY);
    }
  }
});

test('who was called a copy has joined', () => {
  const copy = { format: 1, ...IDENTITY, phase: 'copy' };
  deepEqual(validateIdentity(copy), { ...IDENTITY, phase: 'joined' });
  const removed = { ...IDENTITY, phase: 'removed' as const, controlCreated: true };
  deepEqual(validateIdentity({ format: 1, ...removed }), removed);
});

test('no identity is an empty directory, a damaged one never is', () => {
  const world = newWorld();
  equal(load(world), null);
  saveIdentity(world.disk, PATH, IDENTITY, () => undefined);
  world.settle();
  const content = world.disk.contentOf(PATH);
  for (let at = 0; at < content.length; at++) {
    world.disk.plant(PATH, content);
    world.disk.flipBit(PATH, at, at % 8);
    match((load(world) as StorageError).code, /^(IDENTITY_DAMAGED|FORMAT_UNKNOWN)$/, `byte ${at}`);
    world.disk.plant(PATH, content.subarray(0, at));
    equal((load(world) as StorageError).code, 'IDENTITY_DAMAGED', `cut at ${at}`);
  }
});

test('a charter that an earlier program would misread has a format of its own', () => {
  const [member] = IDENTITY.charter?.members ?? [];
  const plain = { name: 'shop', round: 1, members: member === undefined ? [] : [member] };
  const formatOf = (charter: Charter | null): string => {
    const world = newWorld();
    const identity = {
      ...IDENTITY,
      phase: charter === null ? 'empty' : 'signed',
      charter,
    } as const;
    saveIdentity(world.disk, PATH, identity, () => undefined);
    world.settle();
    deepEqual(load(world), identity);
    return (
      /^althing identity (\d+) /.exec(Buffer.from(world.disk.contentOf(PATH)).toString())?.[1] ?? ''
    );
  };
  equal(formatOf(null), '1');
  equal(formatOf(plain), '1');
  equal(formatOf({ ...plain, round: 2 }), '2');
  equal(formatOf({ ...plain, members: plain.members.map((m) => ({ ...m, witness: true })) }), '2');
  equal(formatOf({ ...plain, members: plain.members.map((m) => ({ ...m, imports: true })) }), '3');
});

test('an identity of a later format is left alone, and says so', () => {
  const world = newWorld();
  const body = `${JSON.stringify({ format: 4, ...IDENTITY }, null, 2)}\n`;
  const sum = world.disk.checksum(Buffer.from(body)).toString(16).padStart(8, '0');
  world.disk.plant(PATH, Buffer.from(`althing identity 4 ${sum}\n${body}`));
  equal((load(world) as StorageError).code, 'FORMAT_UNKNOWN');
});

test('validateIdentity names the field that is wrong', () => {
  const cases: [Partial<Record<keyof Identity | 'format', unknown>>, RegExp][] = [
    [{ format: 4 }, /format/],
    [{ name: '' }, /name/],
    [{ node: 'a b' }, /node/],
    [{ directory: 'abc' }, /directory/],
    [{ incarnation: -1 }, /incarnation/],
    [{ phase: 'king' }, /phase/],
    [{ charter: { name: 'x' } }, /charter/],
    [{ charter: null }, /charter/],
    [{ deployment: 5 }, /deployment/],
    [{ logCreated: 'yes' }, /logCreated/],
    [{ peers: [] }, /peers/],
    [{ peers: { n2: { directory: 'x', incarnation: 0 } } }, /peers/],
  ];
  for (const [change, complaint] of cases)
    match(String(validateIdentity({ format: 1, ...IDENTITY, ...change })), complaint);
  deepEqual(validateIdentity({ format: 1, ...IDENTITY }), IDENTITY);
  for (const format of [2, 3]) deepEqual(validateIdentity({ format, ...IDENTITY }), IDENTITY);
});
