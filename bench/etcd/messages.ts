/** etcd's messages that are measured, by the field numbers of its rpc.proto and kv.proto (v3.4). */
import { bytesField, fieldsOf } from './protobuf.ts';

export const PATHS = {
  put: '/etcdserverpb.KV/Put',
  range: '/etcdserverpb.KV/Range',
  status: '/etcdserverpb.Maintenance/Status',
} as const;

export function putRequest(key: Uint8Array, value: Uint8Array): Buffer {
  return Buffer.concat([bytesField(1, key), bytesField(2, value)]);
}

/** One key; linearizable, since `serializable` (field 7) is left out. */
export function rangeRequest(key: Uint8Array): Buffer {
  return bytesField(1, key);
}

export interface MemberStatus {
  readonly member: bigint;
  /** 0 while there is none. */
  readonly leader: bigint;
  readonly version: string;
}

export function memberStatus(response: Buffer): MemberStatus {
  const fields = fieldsOf(response);
  const header = fields.find(({ number }) => number === 1)?.value;
  const version = fields.find(({ number }) => number === 2)?.value;
  const leader = fields.find(({ number }) => number === 4)?.value;
  const inHeader = Buffer.isBuffer(header) ? fieldsOf(header) : [];
  const member = inHeader.find(({ number }) => number === 2)?.value;
  return {
    member: typeof member === 'bigint' ? member : 0n,
    leader: typeof leader === 'bigint' ? leader : 0n,
    version: Buffer.isBuffer(version) ? version.toString() : 'unknown',
  };
}

/** The values of a RangeResponse, in order. */
export function valuesOf(response: Buffer): Buffer[] {
  return fieldsOf(response).flatMap(({ number, value }) => {
    if (number !== 2 || !Buffer.isBuffer(value)) return [];
    const found = fieldsOf(value).find((field) => field.number === 5)?.value;
    return [Buffer.isBuffer(found) ? found : Buffer.alloc(0)];
  });
}
