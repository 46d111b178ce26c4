/** Seeds that once failed, and the command that replays one. */
import { readFileSync } from 'node:fs';
import { STEPS_DEFAULT } from './simulate.ts';

const SEEDS_FILE = new URL('./seeds.txt', import.meta.url);

/** One per line; what follows a # says what went wrong. They run first, for ever. */
export function pastSeeds(): readonly number[] {
  return readFileSync(SEEDS_FILE, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map(Number);
}

export function replayCommand(seed: number, steps: number): string {
  return `npm run sim -- --seed ${seed}${steps === STEPS_DEFAULT ? '' : ` --steps ${steps}`}`;
}
