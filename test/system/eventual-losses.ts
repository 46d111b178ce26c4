/** What a former primary says that it alone had, and the file that it has kept of that. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LossTold {
  /** Of the replication stream; null: nobody could count them. */
  readonly bytes: number | null;
  readonly isExact: boolean;
  /** There may be more. */
  readonly isLeast: boolean;
  readonly path: string;
}

/** As a node's journal has them. */
export function lossesTold(log: string): LossTold[] {
  const lines = log.split('\n').filter((line) => line.includes('"primary.lostWrites"'));
  return lines.map((line) => JSON.parse(line) as LossTold);
}

/** One command of an append-only file. */
export interface Kept {
  readonly words: readonly string[];
  readonly bytes: number;
}

/** All that was written since its base, in order. */
export function keptCommands({ path }: LossTold): Kept[] {
  const directory = join(path, 'appendonlydir');
  const numberOf = (name: string): number => Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1]);
  const parts = readdirSync(directory)
    .filter((name) => name.endsWith('.incr.aof'))
    .toSorted((one, other) => numberOf(one) - numberOf(other));
  return parts.flatMap((name) => commandsOf(readFileSync(join(directory, name), 'latin1')));
}

/** What is cut off at the end was answered to nobody. */
function commandsOf(text: string): Kept[] {
  const commands: Kept[] = [];
  for (let at = 0; text[at] === '*'; ) {
    const begun = at;
    const lineEnd = text.indexOf('\r\n', at);
    const words: string[] = [];
    const count = Number(text.slice(at + 1, lineEnd));
    at = lineEnd + 2;
    for (let n = 0; n < count; n++) {
      const sizeEnd = text.indexOf('\r\n', at);
      const size = Number(text.slice(at + 1, sizeEnd));
      if (sizeEnd < 0 || sizeEnd + size + 4 > text.length) return commands;
      words.push(text.slice(sizeEnd + 2, sizeEnd + 2 + size));
      at = sizeEnd + size + 4;
    }
    commands.push({ words, bytes: at - begun });
  }
  return commands;
}

/** A primary says these of itself to its replicas, and keeps them in no file. */
const OWN_WORDS = [['PING'], ['REPLCONF', 'GETACK', '*'], ['SELECT', '0']].map(
  (words) =>
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`.length,
);

/** Whether `bytes` may be nothing but such words. */
export function areOwnWords(bytes: number): boolean {
  const sums = new Set([0]);
  for (let sum = 0; sum <= bytes; sum++)
    if (sums.has(sum)) for (const each of OWN_WORDS) sums.add(sum + each);
  return sums.has(bytes);
}
