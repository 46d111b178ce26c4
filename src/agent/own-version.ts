/** The version of this program, as its package tells it. */
import { readFileSync } from 'node:fs';

const PACKAGE = new URL('../../package.json', import.meta.url);

export function ownVersion(): string {
  return String((JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: unknown }).version);
}
