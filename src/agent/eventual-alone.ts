/**
 * Counts what a former primary that was started again had alone: the next primary is asked for the
 * stream behind the last record, as a replica would, and the file is compared with it.
 */
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import type { HistoryPoint } from '../core/control/state.ts';
import { type Alone, aloneIn } from '../core/psync/alone.ts';
import { replOffset } from '../core/scalars.ts';
import type { Endpoint } from '../doors/topology.ts';
import { REPLICA_USER } from '../io/server/eventual-conf.ts';
import type { Tail } from './eventual-record.ts';
import { ReplicaLink } from './replica-link.ts';

/** A second of a fast primary's writes; more is not read, and its loss is only a bound. */
const BYTES_MAX = 64 * 1024 * 1024;
/** The next primary is there and has them in memory. The server waits shut meanwhile. */
const MS_MAX = 2_000;

export interface NextPrimary {
  readonly endpoint: Endpoint;
  /** Of the servers among themselves. */
  readonly password: string;
}

/** Null: the two cannot be compared. `from`: where the next primary has left this history. */
export async function countAlone(
  { since, path, position }: Tail,
  from: HistoryPoint,
  next: NextPrimary,
): Promise<Alone | null> {
  const common = from.offset - since;
  if (common < 0 || common > BYTES_MAX) return null;
  const stream = common === 0 ? Buffer.alloc(0) : await streamOf(next, from.history, since, common);
  const file = stream === null ? null : await endOf(path, position);
  return stream === null || file === null ? null : aloneIn(stream, file);
}

async function endOf(path: string, position: number): Promise<Buffer | null> {
  const file = await open(path, 'r');
  try {
    const length = (await file.stat()).size - position;
    if (length < 0 || length > BYTES_MAX) return null;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** So many bytes of `history` behind `offset`. Null: they are not to be had, or not in time. */
function streamOf(
  { endpoint, password }: NextPrimary,
  history: string,
  offset: number,
  length: number,
): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let missing = length;
    const end = (): void => {
      clearTimeout(late);
      link.close();
      resolve(missing === 0 ? Buffer.concat(pieces) : null);
    };
    const late = setTimeout(end, MS_MAX);
    const link = new ReplicaLink({
      connect: () => connect({ ...endpoint, noDelay: true }),
      replica: {
        auth: { user: REPLICA_USER, password },
        listeningPort: 0,
        version: null,
        rdbOnly: false,
        after: { replid: history, offset: replOffset(offset) },
      },
      onEvent: (event) => {
        if (event.kind === 'continued') return;
        if (event.kind !== 'stream') return end();
        const piece = Buffer.from(event.bytes.subarray(0, missing));
        pieces.push(piece);
        missing -= piece.length;
        if (missing === 0) end();
      },
      onClosed: end,
    });
  });
}
