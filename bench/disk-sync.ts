/** The floor of every synced write: appending a small record to a file and syncing it. */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Spread, spreadOf } from './spread.ts';

/** About a log record with a small value. */
const RECORD_BYTES = 120;
const SYNCS = 100;

export function measureSyncMs(dir: string): Spread {
  const path = join(dir, 'sync-time');
  const file = openSync(path, 'a');
  try {
    const record = Buffer.alloc(RECORD_BYTES, 'x');
    const each = Array.from({ length: SYNCS }, () => {
      const beginMs = performance.now();
      writeSync(file, record);
      fdatasyncSync(file);
      return performance.now() - beginMs;
    });
    return spreadOf(each);
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}
