import { type Address, addressText } from './address.ts';
import type { Source } from './source.ts';

/** Addresses that somebody wrote down. */
export function staticSource(label: string, addresses: readonly Address[]): Source {
  const sorted = addresses.toSorted((a, b) => (addressText(a) < addressText(b) ? -1 : 1));
  return {
    label,
    everyMs: null,
    keepMs: 0,
    async *look() {
      yield { places: sorted.map((address) => ({ address, http: null })), complaint: null };
    },
  };
}
