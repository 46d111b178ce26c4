/** Seeds that once failed, and the command that replays one. */
import { readFileSync } from 'node:fs';
import type { Run, WorldName } from './simulate.ts';

const SEEDS_FILE = new URL('./seeds.txt', import.meta.url);
const LINE = /^(?:(founding|eventual) )?(\d+)$/;

/** One per line; what follows a # says what went wrong. They run first, for ever. */
export function pastSeeds(): readonly Run[] {
  return readFileSync(SEEDS_FILE, 'utf8')
    .split('\n')
    .map((line) => LINE.exec(line.replace(/#.*/, '').trim()))
    .filter((found) => found !== null)
    .map(([, world = 'data', seed]) => ({ world: world as WorldName, seed: Number(seed) }));
}

/** `steps` null: the default of that world. */
export function replayCommand({ world, seed }: Run, steps: number | null): string {
  const where = world === 'data' ? '' : ` --world ${world}`;
  return `npm run sim --${where} --seed ${seed}${steps === null ? '' : ` --steps ${steps}`}`;
}
