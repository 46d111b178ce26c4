/** What differs between the two servers that the model can be, as measured on the real ones. */

export type FlavorName = 'redis7' | 'valkey8';

export interface FlavorFacts {
  readonly name: FlavorName;
  readonly product: 'redis' | 'valkey';
  readonly version: string;
  readonly rdbMagic: string;
  readonly rdbVersionMax: number;
  /** What an expired key becomes in the stream: lazy deletion is the default since Valkey 8. */
  readonly deletion: 'DEL' | 'UNLINK';
  /** Whether the SELECT of a transaction's first command comes after its MULTI. */
  readonly selectsInsideMulti: boolean;
  /** SPOP of several: an SREM for each, or one for all. */
  readonly popsInOneEffect: boolean;
  /** MULTI and WATCH in a transaction: refused like an unknown command, which spoils it. */
  readonly nestingSpoils: boolean;
  /** `REPLCONF version`: said to a primary, and understood. */
  readonly knowsVersion: boolean;
}

export const FLAVORS: Readonly<Record<FlavorName, FlavorFacts>> = {
  redis7: {
    name: 'redis7',
    product: 'redis',
    version: '7.0.15',
    rdbMagic: 'REDIS0010',
    rdbVersionMax: 10,
    deletion: 'DEL',
    selectsInsideMulti: false,
    popsInOneEffect: false,
    nestingSpoils: false,
    knowsVersion: false,
  },
  valkey8: {
    name: 'valkey8',
    product: 'valkey',
    version: '8.0.1',
    rdbMagic: 'REDIS0011',
    rdbVersionMax: 11,
    deletion: 'UNLINK',
    selectsInsideMulti: true,
    popsInOneEffect: true,
    nestingSpoils: true,
    knowsVersion: true,
  },
};
