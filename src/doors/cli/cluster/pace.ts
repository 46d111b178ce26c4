/** How fast keys are moved, as flags say it. */
import type { Command } from 'commander';
import { formatBytes, parseBytes } from '../../bytes.ts';
import type { MovePace } from '../../cluster.ts';
import { wholeNumber } from './options.ts';
import { UsageError } from './session.ts';

export interface PaceOptions {
  readonly pipeline?: string;
  readonly rate?: string;
  readonly bigKeys?: string;
  readonly timeout?: string;
  readonly replace?: boolean;
  readonly atomic?: boolean;
}

/** A batch takes some milliseconds; more keys than this would not make it cheaper. */
const KEYS_DEFAULT = 1_000;
/** Both servers stand still while a key travels: at 100 MB/s this is some 2.5 s. */
const KEY_BYTES_DEFAULT = 256 * 1024 * 1024;
/** As redis-cli has it. */
const MIGRATE_MS_DEFAULT = 60_000;

export function addPaceOptions(command: Command): Command {
  return command
    .option('--pipeline <KEYS>', `most keys at a time (default: ${KEYS_DEFAULT})`)
    .option('--rate <KEYS>', 'keys per second at most')
    .option(
      '--big-keys <SIZE>',
      `leave slots with a larger key where they are (default: ${formatBytes(KEY_BYTES_DEFAULT)})`,
    )
    .option('--timeout <MS>', `of one batch (default: ${MIGRATE_MS_DEFAULT})`)
    .option('--replace', 'of a key that both sides have, keep the value of the side that gives')
    .option('--atomic', 'let the servers move whole slots, or refuse (default: where they can)')
    .option('--no-atomic', 'key by key, as with --rate or --big-keys');
}

/** Throws `UsageError`. */
export function paceOf(options: PaceOptions): MovePace {
  const { pipeline, rate, bigKeys, timeout, replace = false, atomic } = options;
  const asksKeys = rate !== undefined || bigKeys !== undefined;
  if (atomic && asksKeys)
    throw new UsageError('--rate and --big-keys are about keys: not together with --atomic');
  const number = (flag: string, text: string): number => {
    const value = wholeNumber(text, 1);
    if (value === null) throw new UsageError(`${flag} ${text} is not a number above 0`);
    return value;
  };
  const keyBytesMax = bigKeys === undefined ? KEY_BYTES_DEFAULT : parseBytes(bigKeys);
  if (keyBytesMax === null) throw new UsageError(`--big-keys ${bigKeys} is not a size`);
  return {
    keysMax: pipeline === undefined ? KEYS_DEFAULT : number('--pipeline', pipeline),
    keysPerSecond: rate === undefined ? null : number('--rate', rate),
    keyBytesMax,
    migrateMsMax: timeout === undefined ? MIGRATE_MS_DEFAULT : number('--timeout', timeout),
    replace,
    way: atomic ? 'whole' : asksKeys || atomic === false ? 'keys' : 'either',
  };
}
