/**
 * Whether a server can load an RDB, told by the RDB's first bytes: `REDIS0011`, `VALKEY080`.
 *
 * A server that is given one it cannot read has dropped its data by then, and shows the primary's
 * id and offset all the same (`facts/holes.md` H3): so it is looked at before. The versions are in
 * `facts/engine.md` §6.8.
 */
import { type Flavor, rdbVersionMax, versionText } from './flavor.ts';

/** Both spellings are this long. */
export const RDB_MAGIC_BYTES = 9;

/** Valkey calls Redis' versions from here on foreign. */
const FOREIGN_TO_VALKEY = 12;

/** Null when `flavor` can load what begins with `head`; otherwise why not, in words. */
export function rdbUnreadableBecause(head: Uint8Array, flavor: Flavor): string | null {
  const text = Buffer.from(head).toString('latin1', 0, RDB_MAGIC_BYTES);
  const found = /^(?:REDIS([0-9]{4})|VALKEY([0-9]{3}))$/.exec(text);
  if (found === null) return 'it does not begin like an RDB';
  const [, redis, valkey] = found;
  const version = Number(redis ?? valkey);
  const isOwnKind = valkey === undefined || flavor.product === 'valkey';
  const isForeign =
    flavor.product === 'valkey' && valkey === undefined && version >= FOREIGN_TO_VALKEY;
  if (isOwnKind && !isForeign && version <= rdbVersionMax(flavor)) return null;
  return `it is of RDB version ${text}, which ${versionText(flavor)} cannot load`;
}
