/** The version of this program, as its package tells it. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** From `src/agent` as from a bundle: both lie two below it. */
const PACKAGE = join(dirname(import.meta.filename), '..', '..', 'package.json');

export function ownVersion(): string {
  return String((JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: unknown }).version);
}
