/** The status as one screen of text. Pure: the same status, the same lines. */
import { formatBytes } from '../bytes.ts';
import type { Member, SourceView, Status } from '../view.ts';
import { type Cell, table } from './table.ts';
import { type Ink, painter, printable } from './terminal.ts';

const COLUMNS = [
  { title: 'NODE' },
  { title: 'ROLE' },
  { title: 'ADDRESS' },
  { title: 'LAG', align: 'right' },
] as const;

const ROLE_INKS: Readonly<Record<Member['role'], Ink>> = {
  leader: 'green',
  primary: 'green',
  replica: 'dim',
  follower: 'dim',
  candidate: 'yellow',
  starting: 'yellow',
  learner: 'yellow',
  witness: 'dim',
  spare: 'dim',
  removed: 'red',
  unreachable: 'red',
};

export function isHealthyStatus(status: Status): boolean {
  const isServed = status.shards?.isServed ?? status.leader !== null;
  return isServed && status.problems.length === 0;
}

export function statusScreen(status: Status, { colour }: { colour: boolean }): string {
  const paint = painter(colour);
  const { offsets, log, snapshot, server, relayThreads } = status;
  const leader = leaderText(status, paint);
  const deployment = status.deployment === '' ? 'not founded yet' : status.deployment;
  const taken =
    snapshot.bytes === 0
      ? 'none yet'
      : `${formatBytes(snapshot.bytes)} at offset ${snapshot.offset}`;
  const lines = [
    `${paint('bold', status.name)}  ${leader}  ${paint('dim', deployment)}`,
    '',
    ...table(
      COLUMNS,
      status.members.map((member) => memberRow(member, status.node, paint)),
    ),
    '',
    `this node  ${status.node}, ${status.role}, agent ${status.pid}, ` +
      `server ${server.version || 'of unknown version'} (${server.pid ?? 'not running'})`,
    `offsets    executed ${offsets.executed}, committed ${offsets.committed}, ` +
      `applied ${offsets.applied}`,
    ...(relayThreads > 0 ? [`clients    served by ${relayThreads} threads`] : []),
    `spec       ${specText(status)}`,
    ...shardLines(status),
    ...settingLines(status),
    `decides    ${controlText(status)}`,
    ...status.discovery.map(
      (source, i) => `${i === 0 ? 'looks at' : ''.padEnd(8)}   ${sourceText(source)}`,
    ),
    `log        ${formatBytes(log.bytes)}`,
    `snapshot   ${taken}`,
    '',
    ...problemLines(status, paint),
  ];
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

function leaderText(status: Status, paint: ReturnType<typeof painter>): string {
  const { leader, term, shards } = status;
  if (shards === undefined)
    return `${leader === null ? paint('red', 'no leader') : `${leader} leads`}, term ${term}`;
  const count = `${shards.shards.length} shards`;
  return shards.isServed ? `${count}, all serve` : `${count}, ${paint('red', 'not all serve')}`;
}

function shardLines({ shards }: Status): string[] {
  if (shards === undefined) return [];
  const { move, waits } = shards;
  const lines = shards.shards.map(
    ({ primary, replicas, slots, hasOpened }, i) =>
      `${i === 0 ? 'shards  ' : ''.padEnd(8)}   ${slots} slots on ${primary}` +
      `${hasOpened ? '' : ' (not open yet)'}, copies on ${replicas.join(', ') || 'no other node'}`,
  );
  if (move !== null)
    lines.push(
      `moves      ${move.slots} slots with ${move.keys} keys moved, ${move.slotsPerSecond} slots ` +
        `a second, some ${move.slotsLeft} left`,
    );
  return [...lines, ...waits.map((text) => `waits for  ${printable(text)}`)];
}

function specText({ spec }: Status): string {
  if (spec === null) return 'not agreed on yet';
  const { version, replicas, forgetAfter, reads, server, shards } = spec;
  const count = Object.keys(server).length;
  const settings = count === 0 ? '' : `, ${count} settings of the server`;
  const forgets = `a node is forgotten after ${forgetAfter}`;
  const shape = `${shards === undefined ? '' : `${shards} shards, of each `}${replicas} replicas`;
  return `${shape}, ${forgets}, reads ${reads}${settings} (version ${version})`;
}

/** What is in force here is in the spec, and no news. */
function settingLines({ settings }: Status): string[] {
  return settings.flatMap(({ name, pending }) =>
    pending === null ? [] : [`pending    ${printable(name)}: ${printable(pending)}`],
  );
}

function controlText({ control }: Status): string {
  const { leader, role, voters } = control;
  const who = leader === null ? 'nobody' : leader;
  return `${who}, this node as ${role}; ${voters.join(', ') || 'nobody'} vote`;
}

function sourceText({ source, addresses, lastAnswer, lastError, nextTryInMs }: SourceView): string {
  const seconds = (ms: number) => `${Math.round(ms / 1000)} s`;
  const answered =
    lastAnswer === null ? 'no answer yet' : `answered ${seconds(lastAnswer.msAgo)} ago`;
  const error = lastError === null ? '' : `; ${printable(lastError.text)}`;
  const next = nextTryInMs === null ? '' : `; again in ${seconds(nextTryInMs)}`;
  return `${source}: ${addresses.length} addresses, ${answered}${error}${next}`;
}

function memberRow(member: Member, self: string, paint: ReturnType<typeof painter>): Cell[] {
  const { node, role, address, lagBytes, shard } = member;
  return [
    // The voter of a wiped directory keeps its name, and is not this node.
    { text: node === self && role !== 'unreachable' ? `${node} *` : node },
    {
      text: role === 'replica' && shard !== undefined ? `replica of ${shard}` : role,
      paint: (text) => paint(ROLE_INKS[role] ?? 'dim', text),
    },
    { text: address === '' ? 'never seen' : address },
    { text: lagBytes === null ? 'unknown' : formatBytes(lagBytes) },
  ];
}

function problemLines(
  { problems, leader, shards }: Status,
  paint: ReturnType<typeof painter>,
): string[] {
  if (problems.length === 0)
    return leader === null && shards === undefined
      ? [paint('yellow', 'No leader yet: an election takes a second or two.')]
      : [paint('green', 'No problems.')];
  return problems.flatMap(({ code, text, todo }) => [
    `${paint('red', printable(code))}  ${printable(text)}`,
    `  ${printable(todo)}`,
  ]);
}
