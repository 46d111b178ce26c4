/** The words of `npm run bench`. */
import { parseArgs } from 'node:util';

export const USAGE = `npm run bench -- [options]
  --quick           only the cases that have marks, short: under five minutes
  --full            the whole cross product (many hours), and idle connections
  --only WORDS      the case of this name, or all whose names hold it; several with semicolons:
                    "SET 50 connections; 1 KiB; paced; local; snapshot; kill; switchover; idle"
  --targets NAMES   of bare, always, etcd, deployment, tls (default: all)
  --rounds N        rounds of each case (default 5, with --quick 3)
  --seconds S       length of one run (default 3, with --quick 1.5)
  --rate N          requests per second of the paced cases that all targets get (default 1000)
  --kills N, --switchovers N       (default 20 and 10, with --quick 5 and 5)
  --idle N          idle connections (default 10000)
  --flags "FLAGS"   further flags of \`althing start\` for the deployment
  --variant "NAME=FLAGS"   a second deployment with these flags, printed beside; may be repeated
  --server PATH     the server for all (default: the one on PATH)
  --list            only say which cases would run`;

export const TARGET_NAMES = ['bare', 'always', 'etcd', 'deployment', 'tls'] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

export interface Options {
  readonly scope: 'default' | 'full' | 'quick';
  readonly only: string;
  readonly targets: readonly TargetName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly rate: number;
  readonly kills: number;
  readonly switchovers: number;
  readonly idle: number;
  readonly flags: readonly string[];
  readonly variants: readonly Variant[];
  readonly server: string | null;
  readonly isList: boolean;
}

export interface Variant {
  readonly name: string;
  readonly flags: readonly string[];
}

/** Null: nobody can know what is meant. */
export function readOptions(args: readonly string[]): Options | null {
  try {
    return optionsFrom(parseWords(args));
  } catch {
    return null;
  }
}

type Words = ReturnType<typeof parseWords>;

function parseWords(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  return parseArgs({
    args: [...args],
    options: {
      quick: flag,
      full: flag,
      list: flag,
      only: { ...text, default: '' },
      targets: { ...text, default: TARGET_NAMES.join(',') },
      rounds: text,
      seconds: text,
      rate: { ...text, default: '1000' },
      kills: text,
      switchovers: text,
      idle: { ...text, default: '10000' },
      flags: { ...text, default: '' },
      variant: { ...text, multiple: true, default: [] },
      server: text,
    },
  }).values;
}

function optionsFrom(words: Words): Options | null {
  const isQuick = words.quick;
  if (isQuick && words.full) return null;
  const targets = words.targets.split(',');
  if (!targets.every(isTargetName)) return null;
  const given = {
    rounds: words.rounds ?? (isQuick ? '3' : '5'),
    kills: words.kills ?? (isQuick ? '5' : '20'),
    switchovers: words.switchovers ?? (isQuick ? '5' : '10'),
    idle: words.idle,
    rate: words.rate,
  };
  const { rounds, kills, switchovers, idle, rate } = given;
  const counts = [rounds, kills, switchovers, idle, rate].map(Number);
  const seconds = Number(words.seconds ?? (isQuick ? 1.5 : 3));
  if (!counts.every(isCount) || !(seconds > 0)) return null;
  const variants = words.variant.map(variantOf);
  if (!variants.every((variant) => variant !== null)) return null;
  return {
    scope: isQuick ? 'quick' : words.full ? 'full' : 'default',
    only: words.only,
    targets,
    rounds: Number(rounds),
    seconds,
    rate: Number(rate),
    kills: Number(kills),
    switchovers: Number(switchovers),
    idle: Number(idle),
    flags: flagsOf(words.flags),
    variants,
    server: words.server ?? null,
    isList: words.list,
  };
}

function isTargetName(name: string): name is TargetName {
  return TARGET_NAMES.some((known) => known === name);
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n > 0;
}

/** `NAME=--flag value`: what stands before the first `=` becomes the target's name. */
function variantOf(text: string): Variant | null {
  const found = /^([a-z][a-z0-9-]*)=(.+)$/.exec(text);
  if (found === null || isTargetName(found[1] ?? '')) return null;
  return { name: found[1] ?? '', flags: flagsOf(found[2] ?? '') };
}

function flagsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
