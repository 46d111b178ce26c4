/** `althing cluster call`, `set-timeout`, `failover`, `replicate` and `forget`. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  addressOf,
  nameOf,
  nodeOf,
  type Observation,
  type SeenNode,
} from '../../../core/cluster/observation.ts';
import { ErrorReply, type Reply } from '../../../core/resp/reply-reader.ts';
import type { ClusterAddress } from '../../cluster.ts';
import { EXIT } from '../exit-codes.ts';
import { printable } from '../terminal.ts';
import { type ConsentOptions, wholeNumber } from './options.ts';
import { paceOf } from './pace.ts';
import { type Session, UsageError } from './session.ts';

export interface CallOptions {
  readonly onlyPrimaries?: boolean;
  readonly onlyReplicas?: boolean;
}

export async function call(
  session: Session,
  words: readonly string[],
  { onlyPrimaries = false, onlyReplicas = false }: CallOptions,
): Promise<number> {
  if (words.length === 0) throw new UsageError('give a command to call, after the address');
  const seen = await session.cluster.observe();
  const wanted = (isPrimary: boolean): boolean =>
    isPrimary ? !onlyReplicas || onlyPrimaries : !onlyPrimaries || onlyReplicas;
  const nodes = seen.nodes.filter(({ self }) => wanted(self.isPrimary));
  const left = seen.missing.filter(({ isPrimary }) => wanted(isPrimary));
  const isDone = await onEach(session, nodes, words);
  return tellMissing(session, left) && isDone ? EXIT.done : EXIT.failed;
}

/** Shorter ones take every pause of a busy machine for a failure. */
const TIMEOUT_MS_MIN = 100;

export async function setTimeoutOf(
  session: Session,
  text: string,
  { dryRun = false }: ConsentOptions,
): Promise<number> {
  const ms = wholeNumber(text, TIMEOUT_MS_MIN);
  if (ms === null)
    throw new UsageError(`${text}: give ms, at least ${TIMEOUT_MS_MIN}; nothing was changed`);
  const seen = await session.cluster.observe();
  if (dryRun) {
    for (const node of seen.nodes) session.out(`  ${nameOf(node)} gets cluster-node-timeout ${ms}`);
    return tellMissing(session, seen.missing) ? EXIT.done : EXIT.failed;
  }
  const isSet = await onEach(session, seen.nodes, [
    'CONFIG',
    'SET',
    'cluster-node-timeout',
    `${ms}`,
  ]);
  const isKept = await onEach(session, seen.nodes, ['CONFIG', 'REWRITE']);
  if (isSet && !isKept) session.failed('It is set everywhere, and not everywhere after a restart.');
  return tellMissing(session, seen.missing) && isSet && isKept ? EXIT.done : EXIT.failed;
}

/** One line per node; false when one of them answered with an error, or not at all. */
async function onEach(
  { cluster, terminal }: Session,
  nodes: readonly SeenNode[],
  words: readonly string[],
): Promise<boolean> {
  const results = await Promise.allSettled(nodes.map((node) => cluster.call(node, words)));
  for (const [at, node] of nodes.entries()) {
    const result = results[at];
    const text = result?.status === 'fulfilled' ? replyText(result.value) : `${result?.reason}`;
    terminal.out(`${addressOf(node)}: ${text}\n`);
  }
  return results.every(
    (result) => result.status === 'fulfilled' && !(result.value instanceof ErrorReply),
  );
}

function tellMissing(session: Session, missing: Observation['missing']): boolean {
  for (const node of missing) session.failed(`${addressOf(node)}: ${node.why}`);
  return missing.length === 0;
}

/** As a person reads it: an array in one line. */
export function replyText(reply: Reply): string {
  if (reply instanceof ErrorReply) return `(error) ${decoded(reply.text)}`;
  if (reply === null) return '(nil)';
  if (Array.isArray(reply)) return `[${reply.map(replyText).join(', ')}]`;
  return decoded(String(reply));
}

function decoded(text: string): string {
  const lines = Buffer.from(text, 'latin1').toString('utf8').split(/\r?\n/);
  return lines.map(printable).join('\n').trimEnd();
}

export interface FailoverOptions extends ConsentOptions {
  readonly force?: boolean;
  readonly takeover?: boolean;
}

/** The server gives a vote up after twice its node timeout, and that is 15 s by default. */
const FAILOVER_MS_MAX = 35_000;
const LOOK_MS = 50;

/** OK is not done: it is looked until the replica is a primary, and the others know. */
export async function failover(
  session: Session,
  at: ClusterAddress,
  { force = false, takeover = false, dryRun = false }: FailoverOptions,
): Promise<number> {
  const before = await session.cluster.look(at);
  if (before.self.isPrimary) return session.failed(`${nameOf(before)} is a primary already`);
  const how = takeover ? ['TAKEOVER'] : force ? ['FORCE'] : [];
  if (dryRun) {
    session.out(`  ${nameOf(before)} takes over: ${['CLUSTER', 'FAILOVER', ...how].join(' ')}`);
    return EXIT.done;
  }
  const reply = await session.cluster.call(at, ['CLUSTER', 'FAILOVER', ...how]);
  if (reply instanceof ErrorReply) return session.failed(decoded(reply.text));
  const end = performance.now() + FAILOVER_MS_MAX;
  while (performance.now() < end) {
    const now = await session.cluster.look(at);
    if (now.self.isPrimary) return await isKnown(session, now, end);
    await sleep(LOOK_MS);
  }
  const hint = takeover ? '' : '; with no majority of primaries there is --takeover';
  return session.failed(`${nameOf(before)} is still a replica after ${FAILOVER_MS_MAX} ms${hint}`);
}

/** A client that asks another node must be sent to it as well. */
async function isKnown(session: Session, primary: SeenNode, end: number): Promise<number> {
  for (;;) {
    const seen = await session.cluster.observe();
    const unaware = seen.nodes.filter(({ view }) =>
      view.some((line) => line.id === primary.id && !line.isPrimary),
    );
    if (unaware.length === 0) {
      session.out(`${nameOf(primary)} is the primary now`);
      return EXIT.done;
    }
    if (performance.now() > end) {
      const who = unaware.map(addressOf).join(', ');
      return session.failed(`${nameOf(primary)} is the primary now, and ${who} do not know it`);
    }
    await sleep(LOOK_MS);
  }
}

export async function replicate(
  session: Session,
  at: ClusterAddress,
  primary: string,
  options: ConsentOptions,
): Promise<number> {
  const seen = await session.cluster.observe();
  const { id } = await session.cluster.look(at);
  const target = nodeOf(seen, primary);
  if (target === null || !target.self.isPrimary)
    return session.failed(`no primary with the id ${primary} answers`);
  const steps = [
    { kind: 'replicate', node: id, primary } as const,
    { kind: 'agree', nodes: [id] } as const,
  ];
  const code = await session.consent(steps, seen, options);
  if (code !== null) return code;
  const done = await session.carryOut(steps, seen, paceOf({}));
  return done === EXIT.done ? await session.verdict() : done;
}

/** On every node that answers, since gossip brings back what one of them still knows. */
export async function forget(
  session: Session,
  id: string,
  options: ConsentOptions,
): Promise<number> {
  const seen = await session.cluster.observe();
  const node = nodeOf(seen, id) ?? seen.missing.find((other) => other.id === id);
  if (node === undefined) return session.failed(`nobody knows a node with the id ${id}`);
  const steps = seen.nodes
    .filter((other) => other.id !== id)
    .map((other) => ({ kind: 'forget', node: other.id, other: id }) as const);
  const code = await session.consent(steps, seen, options);
  if (code !== null) return code;
  return session.carryOut(steps, seen, paceOf({}));
}
