import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memberStatus, putRequest, rangeRequest, valuesOf } from './messages.ts';
import { bytesField, fieldsOf, varint } from './protobuf.ts';

test('varints of all 64 bits are read as they were written', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      const field = Buffer.concat([varint(5 << 3), varint(value)]);
      deepEqual(fieldsOf(field), [{ number: 5, value }]);
    }),
  );
});

test('fixed-width fields are skipped, what is cut off or unknown is refused', () => {
  const fixed = Buffer.concat([
    Buffer.from([0x09]),
    Buffer.alloc(8),
    Buffer.from([0x15, 0, 0, 0, 0]),
  ]);
  deepEqual(fieldsOf(Buffer.concat([fixed, bytesField(3, Buffer.from('x'))])), [
    { number: 3, value: Buffer.from('x') },
  ]);
  throws(() => fieldsOf(Buffer.from([0x0a, 5, 1])), /beyond its message/);
  throws(() => fieldsOf(Buffer.from([0x80])), /cut off/);
  throws(() => fieldsOf(Buffer.from([0x0b])), /unknown type 3/);
  throws(() => fieldsOf(Buffer.alloc(12, 0x80)), /ten bytes/);
});

test('requests have the bytes of etcd’s own encoder', () => {
  equal(putRequest(Buffer.from('a'), Buffer.from('bc')).toString('hex'), '0a016112026263');
  equal(rangeRequest(Buffer.from('a')).toString('hex'), '0a0161');
});

test('of a status the member, its leader and the version are read', () => {
  const member = 2n ** 63n + 5n;
  const header = Buffer.concat([varint(1 << 3), varint(9), varint(2 << 3), varint(member)]);
  const status = Buffer.concat([
    bytesField(1, header),
    bytesField(2, Buffer.from('3.4.23')),
    varint(4 << 3),
    varint(member),
  ]);
  deepEqual(memberStatus(status), { member, leader: member, version: '3.4.23' });
  deepEqual(memberStatus(Buffer.alloc(0)), { member: 0n, leader: 0n, version: 'unknown' });
});

test('of a range the values are read', () => {
  const pair = Buffer.concat([bytesField(1, Buffer.from('k')), bytesField(5, Buffer.from('v'))]);
  deepEqual(valuesOf(bytesField(2, pair)), [Buffer.from('v')]);
  deepEqual(valuesOf(Buffer.alloc(0)), []);
});
