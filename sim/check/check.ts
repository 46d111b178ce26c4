/**
 * One history, every checker that suits it.
 *
 * Lists that are only appended to and read whole go through `list-append`, across keys. Every
 * object (a key, or the keys that meet in transactions) is searched for a linearization, except
 * objects that `list-append` judges completely and that are too large to search as well.
 */
import type { Anomaly } from './anomaly.ts';
import type { Operation } from './history.ts';
import { type Linearized, linearize, TRIES_MAX } from './linearizable.ts';
import { checkListAppend, type ListAppendVerdict } from './list-append.ts';
import { quoted } from './models.ts';
import { type Part, partitioned } from './partitions.ts';
import { toldOperation } from './told.ts';

export interface Judgement {
  /** `undecided`: nothing wrong was found, but not everything could be looked at. */
  readonly verdict: 'ok' | 'violated' | 'undecided';
  readonly anomalies: readonly Anomaly[];
  /** Why something was not decided, one sentence each. */
  readonly doubts: readonly string[];
  /** One line. */
  readonly summary: string;
}

/** An append-only object with more operations than this is left to `list-append` alone. */
const SECOND_OPINION_MAX = 2_000;
/** More keys or operations in one object: the append-only keys are taken out of it. */
const TOGETHER_KEYS_MAX = 8;
const TOGETHER_OPERATIONS_MAX = 500;
/** All objects share this many times the tries of one, and each gets a share at least. */
const OBJECTS_TRIED_MAX = 4;
const LEAST_SHARE = 20;

export function checkHistory(
  operations: readonly Operation[],
  triesMax: number = TRIES_MAX,
): Judgement {
  const appends = checkListAppend(operations);
  const anomalies: Anomaly[] = [...appends.anomalies];
  const doubts: string[] = [];
  const parts = objectsOf(operations, appends.keys);
  let left = triesMax * OBJECTS_TRIED_MAX;
  for (const part of parts) {
    if (part.model === null) {
      doubts.push(`${part.name} was used as more than one type: it cannot be judged`);
      continue;
    }
    const isSecond = part.keys.every((key) => appends.keys.has(key));
    if (isSecond && (part.keys.length > 1 || part.places.length > SECOND_OPINION_MAX)) continue;
    const share = Math.min(triesMax, Math.max(left, triesMax / LEAST_SHARE));
    // States of many keys cost in proportion.
    const tries = Math.ceil(share / part.keys.length);
    const found = linearize(part.model, part.operations, tries);
    left -= found.tried;
    if (found.verdict === 'violated') anomalies.push(anomalyOf(operations, part, found));
    if (found.verdict === 'undecided' && !isSecond)
      doubts.push(
        `${part.name}: undecided after ${tries} tries (${part.places.length} operations)`,
      );
  }
  const verdict = anomalies.length > 0 ? 'violated' : doubts.length > 0 ? 'undecided' : 'ok';
  const summary = summaryOf(operations, parts.length, appends, anomalies, doubts);
  return { verdict, anomalies, doubts, summary };
}

interface JudgedPart extends Part {
  readonly operations: readonly Operation[];
}

/**
 * What must be linearizable by itself. Transactions tie keys together; where they tie too many,
 * the append-only ones, which `list-append` ties as well, are left to it.
 */
function objectsOf(
  operations: readonly Operation[],
  appendKeys: ReadonlySet<string>,
): JudgedPart[] {
  return partitioned(operations).flatMap((part) => {
    const own = part.places.map((place) => operations[place] as Operation);
    const whole = [{ ...part, operations: own }];
    const isLarge =
      part.keys.length > TOGETHER_KEYS_MAX || part.places.length > TOGETHER_OPERATIONS_MAX;
    const others = part.keys.filter((key) => !appendKeys.has(key));
    if (part.keys.length === 1 || others.length === 0 || !isLarge) return whole;
    if (others.length === part.keys.length) return whole;
    const kept = own.flatMap((operation, at) => {
      const steps = operation.steps.filter(({ key }) => !appendKeys.has(key));
      return steps.length === 0 ? [] : [{ place: part.places[at] as number, operation, steps }];
    });
    const rest = kept.map(({ operation, steps }) => ({ ...operation, steps }));
    return partitioned(rest).map((smaller) => ({
      ...smaller,
      places: smaller.places.map((place) => kept[place]?.place as number),
      operations: smaller.places.map((place) => rest[place] as Operation),
    }));
  });
}

function anomalyOf(
  operations: readonly Operation[],
  part: Part,
  { stuck }: Extract<Linearized, { verdict: 'violated' }>,
): Anomaly {
  const placeOf = (at: number) => part.places[at] as number;
  const tell = (at: number) =>
    `  T${placeOf(at)} = ${toldOperation(operations[placeOf(at)] as Operation)}`;
  const culprit = placeOf(stuck.operation);
  const words = [
    `${quoted(part.name)} is not linearizable: T${culprit} fits nowhere among the ` +
      `${stuck.called} operations called before it returned`,
    tell(stuck.operation),
  ];
  if (stuck.states.length > 0)
    words.push(`  while it ran, ${quoted(part.name)} held ${stuck.states.join(', then ')}`);
  if (stuck.line.length > 0) words.push('  if the others ran in this order at last:');
  words.push(...stuck.line.map(tell));
  const near = stuck.line.map(placeOf);
  return {
    kind: 'not-linearizable',
    key: part.keys.length === 1 ? (part.keys[0] ?? null) : null,
    operations: [culprit, ...near],
    words: words.join('\n'),
  };
}

function summaryOf(
  operations: readonly Operation[],
  parts: number,
  appends: ListAppendVerdict,
  anomalies: readonly Anomaly[],
  doubts: readonly string[],
): string {
  const count = (outcome: Operation['outcome']) =>
    operations.filter((operation) => operation.outcome === outcome).length;
  const kinds = [...new Set(anomalies.map(({ kind }) => kind))];
  return [
    `${operations.length} operations`,
    `${count('ok')} ok, ${count('fail')} failed, ${count('unknown')} unknown`,
    `${parts} objects`,
    `${appends.transactions} transactions on ${appends.keys.size} append-only lists`,
    anomalies.length === 0 ? 'no anomalies' : `${anomalies.length} anomalies (${kinds.join(', ')})`,
    ...(doubts.length > 0 ? [`${doubts.length} undecided`] : []),
  ].join(', ');
}
