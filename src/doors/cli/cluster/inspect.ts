/** `althing cluster check`, `info` and `topology`: what is there, and what is wrong with it. */
import {
  addressOf,
  nodeOf,
  type Observation,
  primariesOf,
  replicasOf,
  type SeenNode,
  shortId,
  slotsOfNode,
} from '../../../core/cluster/observation.ts';
import { type Problem, problemsOf } from '../../../core/cluster/problems.ts';
import { SLOTS_ALL, type Slot, slotsText } from '../../../core/cluster/slots.ts';
import { EXIT } from '../exit-codes.ts';
import { type Cell, table } from '../table.ts';
import { problemLine, type Session } from './session.ts';

export interface CheckOptions {
  readonly json?: boolean;
  readonly searchMultipleOwners?: boolean;
}

export async function check(
  session: Session,
  { json = false, searchMultipleOwners = false }: CheckOptions,
): Promise<number> {
  const seen = await session.cluster.observe();
  const problems = problemsOf(seen);
  if (searchMultipleOwners) problems.push(...(await strayProblems(session, seen)));
  const isWrong = problems.some(({ severity }) => severity === 'error');
  if (json) {
    session.out(JSON.stringify({ nodes: nodesView(seen), problems }, null, 2));
    return isWrong ? EXIT.failed : EXIT.done;
  }
  session.out(topologyText(seen));
  for (const problem of problems) session.out(problemLine(problem));
  if (!isWrong) session.out(`OK: all nodes agree, ${SLOTS_ALL} slots are served.`);
  return isWrong ? EXIT.failed : EXIT.done;
}

/** Slots of which somebody has keys who does not own them, nor takes them just now. */
export async function strayKeys(session: Session, seen: Observation): Promise<Slot[]> {
  const primaries = primariesOf(seen);
  const all = Array.from({ length: SLOTS_ALL }, (_, slot) => slot);
  const keys = await session.cluster.countKeys(primaries, all);
  const strays = primaries.flatMap((node) => {
    const own = new Set(slotsOfNode(node));
    return all.filter(
      (slot) => !own.has(slot) && !node.self.importing.has(slot) && keys(node.id, slot) > 0,
    );
  });
  return [...new Set(strays)];
}

async function strayProblems(session: Session, seen: Observation): Promise<Problem[]> {
  const slots = await strayKeys(session, seen);
  if (slots.length === 0) return [];
  const text = `keys of slots ${slotsText(slots)} are on nodes that do not own them`;
  return [{ code: 'SLOTS_OWNED_TWICE', severity: 'error', text, slots }];
}

export async function info(session: Session, { json = false }: CheckOptions): Promise<number> {
  const seen = await session.cluster.observe();
  const primaries = primariesOf(seen);
  if (json) {
    session.out(JSON.stringify({ nodes: nodesView(seen) }, null, 2));
    return EXIT.done;
  }
  for (const node of primaries)
    session.out(
      `${addressOf(node)} (${shortId(node.id)}...) -> ${node.keys} keys | ` +
        `${slotsOfNode(node).length} slots | ${replicasOf(seen, node.id).length} replicas.`,
    );
  const keys = primaries.reduce((sum, node) => sum + node.keys, 0);
  session.out(`OK: ${keys} keys in ${primaries.length} primaries.`);
  session.out(`${(keys / SLOTS_ALL).toFixed(2)} keys per slot on average.`);
  for (const { text } of problemsOf(seen).filter(({ code }) => code === 'NODE_UNREACHABLE'))
    session.failed(text);
  return EXIT.done;
}

export async function topology(session: Session, { json = false }: CheckOptions): Promise<number> {
  const seen = await session.cluster.observe();
  session.out(json ? JSON.stringify({ nodes: nodesView(seen) }, null, 2) : topologyText(seen));
  return EXIT.done;
}

const COLUMNS = [
  { title: 'NODE' },
  { title: 'ROLE' },
  { title: 'ID' },
  { title: 'KEYS', align: 'right' },
  { title: 'COUNT', align: 'right' },
  { title: 'SLOTS' },
] as const;

/** Every primary with its replicas below it, in the order of the slots. */
export function topologyText(seen: Observation): string {
  const rows: Cell[][] = [];
  const add = (...texts: string[]): unknown => rows.push(texts.map((text) => ({ text })));
  for (const node of inSlotOrder(primariesOf(seen))) {
    const slots = slotsOfNode(node);
    const own = [node.id, `${node.keys}`, `${slots.length}`, slotsText(slots)];
    add(addressOf(node), 'primary', ...own);
    for (const replica of replicasOf(seen, node.id))
      add(`  ${addressOf(replica)}`, 'replica', replica.id, `${replica.keys}`, '', '-');
  }
  for (const node of seen.nodes) {
    const { primary } = node.self;
    if (primary === null || nodeOf(seen, primary)?.self.isPrimary) continue;
    add(addressOf(node), `replica of ${shortId(primary)}`, node.id, `${node.keys}`, '', '-');
  }
  for (const node of seen.missing) {
    const role = node.isPrimary ? 'primary' : 'replica';
    add(addressOf(node), `${role}, missing`, node.id, '', '', slotsText(node.slots));
  }
  return table(COLUMNS, rows).join('\n');
}

function inSlotOrder(nodes: readonly SeenNode[]): SeenNode[] {
  const first = (node: SeenNode): number => node.self.slots[0]?.from ?? SLOTS_ALL;
  return nodes.toSorted((a, b) => first(a) - first(b) || (a.id < b.id ? -1 : 1));
}

function nodesView(seen: Observation): object[] {
  return [
    ...seen.nodes.map((node) => ({
      id: node.id,
      address: addressOf(node),
      role: node.self.isPrimary ? 'primary' : 'replica',
      primary: node.self.primary,
      slots: slotsText(slotsOfNode(node)),
      keys: node.keys,
      epoch: node.self.epoch,
      answers: true,
    })),
    ...seen.missing.map((node) => ({
      id: node.id,
      address: addressOf(node),
      role: node.isPrimary ? 'primary' : 'replica',
      primary: node.primary,
      slots: slotsText(node.slots),
      answers: false,
      why: node.why,
    })),
  ];
}
