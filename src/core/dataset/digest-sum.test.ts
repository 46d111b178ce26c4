import { equal, notEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { DigestSum } from './digest-sum.ts';
import { bytes } from './trial-bytes.ts';

function sumOf(hashes: readonly Buffer[]): string {
  const sum = new DigestSum();
  for (const hash of hashes) sum.add(hash);
  return sum.text;
}

test('DigestSum: any order has one sum, as bigints have it; one hash less has another', () => {
  const hashes = Array.from({ length: 50 }, (_, i) => bytes(i, 32));
  const total = hashes.reduce((sum, hash) => sum + BigInt(`0x${hash.toString('hex')}`), 0n);
  const want = (total % 2n ** 256n).toString(16).padStart(64, '0').slice(0, 32);
  equal(sumOf(hashes), want);
  equal(sumOf(hashes.toReversed()), want);
  notEqual(sumOf(hashes.slice(1)), want);
});
