/** `althing cluster create`, `fix`, `reshard`, `rebalance`, `add-node`, `del-node`. */
import { planCreate } from '../../../core/cluster/create.ts';
import { planFix, slotsToCount } from '../../../core/cluster/fix.ts';
import { type AddAs, planAddNode, planDelNode } from '../../../core/cluster/members.ts';
import {
  nameOf,
  type Observation,
  primariesOf,
  type SeenNode,
} from '../../../core/cluster/observation.ts';
import { isInTheWay, problemsOf } from '../../../core/cluster/problems.ts';
import { planRebalance } from '../../../core/cluster/rebalance.ts';
import { planReshard } from '../../../core/cluster/reshard.ts';
import type { ClusterAddress } from '../../cluster.ts';
import { EXIT } from '../exit-codes.ts';
import { strayKeys } from './inspect.ts';
import { type ConsentOptions, wholeNumber } from './options.ts';
import { type PaceOptions, paceOf } from './pace.ts';
import { problemLine, type Session, UsageError } from './session.ts';

export interface CreateOptions extends ConsentOptions {
  readonly replicas: string;
  readonly allowFew?: boolean;
}

export async function create(
  session: Session,
  addresses: readonly ClusterAddress[],
  options: CreateOptions,
): Promise<number> {
  const replicas = wholeNumber(options.replicas, 0);
  if (replicas === null) throw new UsageError(`--replicas ${options.replicas} is not a number`);
  const nodes: SeenNode[] = [];
  for (const address of addresses) nodes.push(await session.cluster.look(address));
  const why = nodes.map(notEmpty).find((text) => text !== null) ?? twice(nodes);
  if (why) return session.failed(`Nothing was changed: ${why}`);
  const plan = planCreate(nodes, replicas, options.allowFew);
  if (plan.kind === 'refused') return session.failed(`Nothing was changed: ${plan.why}`);
  const seen = { nodes, missing: [] };
  const short = plan.steps.filter(({ kind }) => kind === 'add-slots' || kind === 'replicate');
  const code = await session.consent(short, seen, options);
  if (code !== null) return code;
  const renewed: SeenNode[] = [];
  for (const node of nodes) renewed.push(await session.cluster.renew(node));
  const again = planCreate(renewed, replicas, options.allowFew);
  if (again.kind === 'refused') return session.failed(again.why);
  const done = await session.carryOut(again.steps, { nodes: renewed, missing: [] }, paceOf({}));
  return done === EXIT.done ? await session.verdict() : done;
}

function notEmpty(node: SeenNode): string | null {
  if (node.view.length > 1) return `${nameOf(node)} knows other nodes already`;
  return node.keys > 0 ? `${nameOf(node)} is not empty: it has ${node.keys} keys` : null;
}

function twice(nodes: readonly SeenNode[]): string | null {
  const again = nodes.find(({ id }, at) => nodes.findIndex((other) => other.id === id) !== at);
  return again === undefined ? null : `${nameOf(again)} was given twice`;
}

export interface FixOptions extends ConsentOptions, PaceOptions {
  readonly searchMultipleOwners?: boolean;
  readonly fixWithUnreachablePrimaries?: boolean;
}

export async function fix(session: Session, options: FixOptions): Promise<number> {
  const pace = paceOf(options);
  // What passes by itself is let pass: nothing is mended that was only late.
  const seen = await session.cluster.settled(FIX_SETTLE_MS);
  const strays = options.searchMultipleOwners ? await strayKeys(session, seen) : [];
  const slots = [...new Set([...slotsToCount(seen), ...strays])].sort((a, b) => a - b);
  const keys = await session.cluster.countKeys(primariesOf(seen), slots);
  const withUnreachable = options.fixWithUnreachablePrimaries === true;
  const { steps, refused } = planFix(seen, slots, keys, { withUnreachable });
  for (const text of refused) session.failed(text);
  if (steps.length === 0) {
    const problems = problemsOf(seen).filter(({ severity }) => severity === 'error');
    for (const problem of problems) session.terminal.err(`${problemLine(problem)}\n`);
    if (problems.length === 0) session.out('OK: there is nothing to mend.');
    return problems.length === 0 ? EXIT.done : EXIT.failed;
  }
  const code = await session.consent(steps, seen, options);
  if (code !== null) return code;
  const done = await session.carryOut(steps, seen, pace);
  if (done !== EXIT.done) return done;
  return refused.length === 0 ? await session.verdict() : EXIT.failed;
}

/** A failure in progress is over by then; a slot that is open stays so. */
const FIX_SETTLE_MS = 5_000;

export interface ReshardOptions extends ConsentOptions, PaceOptions {
  readonly from: string;
  readonly to: string;
  readonly slots: string;
}

export async function reshard(session: Session, options: ReshardOptions): Promise<number> {
  const pace = paceOf(options);
  const slots = wholeNumber(options.slots, 1);
  if (slots === null) throw new UsageError(`--slots ${options.slots} is not a number of slots`);
  const from = options.from === 'all' ? 'all' : options.from.split(',');
  const seen = await session.sound();
  if (seen === null) return EXIT.failed;
  return carry(session, planReshard(seen, { from, to: options.to, slots }), seen, options, pace);
}

export interface RebalanceOptions extends ConsentOptions, PaceOptions {
  readonly weight?: readonly string[];
  readonly useEmptyPrimaries?: boolean;
  readonly threshold: string;
}

export async function rebalance(session: Session, options: RebalanceOptions): Promise<number> {
  const pace = paceOf(options);
  const thresholdPercent = Number(options.threshold);
  if (!/^\d+(\.\d+)?$/.test(options.threshold))
    throw new UsageError(`--threshold ${options.threshold} is not a number of per cent`);
  const weights = weightsOf(options.weight ?? []);
  const seen = await session.sound();
  if (seen === null) return EXIT.failed;
  const useEmpty = options.useEmptyPrimaries === true;
  const plan = planRebalance(seen, { weights, useEmpty, thresholdPercent });
  if (plan.kind === 'plan' && plan.steps.length === 0) {
    session.out(`OK: all primaries are within ${thresholdPercent}% of their shares.`);
    return EXIT.done;
  }
  return carry(session, plan, seen, options, pace);
}

function weightsOf(words: readonly string[]): Map<string, number> {
  return new Map(
    words.map((word) => {
      const [, id, weight] = /^([0-9a-f]{1,40})=(\d+(?:\.\d+)?)$/.exec(word) ?? [];
      if (id === undefined) throw new UsageError(`--weight ${word}: give ID=NUMBER`);
      return [id, Number(weight)];
    }),
  );
}

export interface AddNodeOptions extends ConsentOptions {
  readonly replica?: boolean;
  readonly primaryId?: string;
}

export async function addNode(
  session: Session,
  newcomer: ClusterAddress,
  options: AddNodeOptions,
): Promise<number> {
  const isReplica = options.replica === true || options.primaryId !== undefined;
  const as: AddAs = isReplica ? { replicaOf: options.primaryId ?? 'fewest' } : 'primary';
  const seen = await session.sound();
  if (seen === null) return EXIT.failed;
  const node = await session.cluster.look(newcomer);
  const first = planAddNode(seen, node, as);
  const why = first.kind === 'refused' ? first.why : notEmpty(node);
  if (why !== null) return session.failed(`Nothing was changed: ${why}`);
  const withNode = (other: SeenNode): Observation => ({ ...seen, nodes: [...seen.nodes, other] });
  const steps = first.kind === 'plan' ? first.steps : [];
  const code = await session.consent(steps, withNode(node), options);
  if (code !== null) return code;
  const renewed = await session.cluster.renew(node);
  const again = planAddNode(seen, renewed, as);
  if (again.kind === 'refused') return session.failed(again.why);
  const done = await session.carryOut(again.steps, withNode(renewed), paceOf({}));
  return done === EXIT.done ? await session.verdict() : done;
}

export interface DelNodeOptions extends ConsentOptions, PaceOptions {
  readonly drain?: boolean;
}

export async function delNode(
  session: Session,
  id: string,
  options: DelNodeOptions,
): Promise<number> {
  const pace = paceOf(options);
  const seen = await session.cluster.settled(FIX_SETTLE_MS);
  const plan = planDelNode(seen, id, options.drain === true);
  if (plan.kind === 'plan' && plan.steps.some(({ kind }) => kind === 'move')) {
    const wrong = problemsOf(seen).filter(isInTheWay);
    for (const problem of wrong) session.terminal.err(`${problemLine(problem)}\n`);
    if (wrong.length > 0) return session.failed('Nothing was changed: mend this first');
  }
  return carry(session, plan, seen, options, pace);
}

async function carry(
  session: Session,
  plan: ReturnType<typeof planReshard>,
  seen: Observation,
  options: ConsentOptions,
  pace: ReturnType<typeof paceOf>,
): Promise<number> {
  if (plan.kind === 'refused') return session.failed(`Nothing was changed: ${plan.why}`);
  const code = await session.consent(plan.steps, seen, options);
  if (code !== null) return code;
  const done = await session.carryOut(plan.steps, seen, pace);
  return done === EXIT.done ? await session.verdict() : done;
}
