/**
 * `althing cluster …`: the tools of the redis-cluster tutorial, on any Redis Cluster, with the
 * words and flags of `redis-cli --cluster`.
 */
import type { Command } from 'commander';
import type { ClusterAddress } from '../../cluster.ts';
import { EXIT } from '../exit-codes.ts';
import { processTerminal } from '../terminal.ts';
import {
  type AddNodeOptions,
  addNode,
  create,
  delNode,
  fix,
  rebalance,
  reshard,
} from './change.ts';
import { check, info, topology } from './inspect.ts';
import {
  addConsentOptions,
  addDryRunOptions,
  addReachOptions,
  type ReachOptions,
  takeAddress,
  takeAddresses,
} from './options.ts';
import { call, failover, forget, replicate, setTimeoutOf } from './orders.ts';
import { addPaceOptions } from './pace.ts';
import { type ClusterPorts, type Session, withSession } from './session.ts';

const WHERE = 'HOST:PORT, or HOST PORT, of any node';

export interface ClusterCommands {
  readonly program: Command;
  readonly ports: () => Promise<Omit<ClusterPorts, 'terminal'>>;
  readonly finish: (code: number) => void;
}

export function addClusterCommands(
  program: Command,
  parts: Omit<ClusterCommands, 'program'>,
): void {
  const cluster = program
    .command('cluster')
    .description('tools for any Redis Cluster, with the flags of redis-cli --cluster as well');
  const all = { ...parts, program: cluster };
  addInspections(all);
  addChanges(all);
  addMoves(all);
  addOrders(all);
}

function addInspections(parts: ClusterCommands): void {
  atNode(parts, 'check', 'say what is wrong with a cluster; exit code 1 when something is')
    .option('--search-multiple-owners', 'look for keys on nodes that do not own their slots too')
    .option('--json', 'the same as JSON')
    .action(run(parts, (session, _, options) => check(session, options)));
  atNode(parts, 'info', 'keys, slots and replicas of every primary')
    .option('--json', 'the same as JSON')
    .action(run(parts, (session, _, options) => info(session, options)));
  atNode(parts, 'topology', 'who is whose replica, and who has which slots')
    .option('--json', 'the same as JSON')
    .action(run(parts, (session, _, options) => topology(session, options)));
}

function addChanges(parts: ClusterCommands): void {
  const { program, ports, finish } = parts;
  addConsentOptions(
    addReachOptions(
      program
        .command('create')
        .argument('<HOST:PORT...>', 'empty nodes with cluster-enabled')
        .description('make a cluster of empty nodes')
        .option('--replicas <N>', 'of every primary', '0')
        .option('--allow-few', 'with fewer than three primaries, which elect nobody by themselves'),
    ),
  ).action(async (words: string[], options) => {
    const addresses = takeAddresses(words);
    const [entry] = addresses ?? [];
    if (addresses === null || entry === undefined) return finish(usage(words));
    const all = { ...(await ports()), terminal: processTerminal() };
    finish(
      await withSession(entry, options, all, (session) => create(session, addresses, options)),
    );
  });
  addConsentOptions(atNode(parts, 'add-node', 'take an empty node in', '<NEW> <EXISTING>'))
    .option('--replica', 'as a replica of whoever has fewest')
    .option('--primary-id <ID>', 'as a replica of this one')
    .action(runWithNewcomer(parts));
  addPaceOptions(
    addConsentOptions(atNode(parts, 'del-node', 'take a node out, dead or alive', '<NODE> <ID>')),
  )
    .option('--drain', 'move its slots to the others first')
    .action(run(parts, (session, [id = ''], options) => delNode(session, id, options), 1));
}

function addMoves(parts: ClusterCommands): void {
  addPaceOptions(addConsentOptions(atNode(parts, 'fix', "mend slots that are open or nobody's")))
    .option('--search-multiple-owners', 'gather keys from nodes that do not own their slots too')
    .option(
      '--fix-with-unreachable-primaries',
      'give slots of primaries that do not answer to others, without what they held',
    )
    .action(run(parts, (session, _, options) => fix(session, options)));
  addPaceOptions(addConsentOptions(atNode(parts, 'reshard', 'move slots to one primary')))
    .requiredOption('--to <ID>', 'who gets them')
    .requiredOption('--slots <N>', 'how many')
    .option('--from <IDS>', 'who gives them, with commas between, or: all', 'all')
    .action(run(parts, (session, _, options) => reshard(session, options)));
  addPaceOptions(
    addConsentOptions(atNode(parts, 'rebalance', 'give every primary its share of the slots')),
  )
    .option('--weight <ID=N...>', 'a share other than 1; 0 empties a primary')
    .option('--use-empty-primaries', 'primaries without slots get some, too')
    .option('--threshold <PERCENT>', 'how far from its share anybody may be', '2')
    .action(run(parts, (session, _, options) => rebalance(session, options)));
}

function addOrders(parts: ClusterCommands): void {
  atNode(parts, 'call', 'run one command on every node; its own flags after --', '<COMMAND...>')
    .option('--only-primaries', 'not on replicas')
    .option('--only-replicas', 'not on primaries')
    .action(run(parts, (session, words, options) => call(session, words, options), null));
  addDryRunOptions(
    atNode(parts, 'set-timeout', 'set cluster-node-timeout on every node', '<MS>'),
  ).action(run(parts, (session, [ms = ''], options) => setTimeoutOf(session, ms, options), 1));
  addDryRunOptions(atNode(parts, 'failover', 'make this replica the primary of its shard'))
    .option('--force', 'without its primary, by the votes of the others')
    .option('--takeover', 'without anybody, when most primaries are gone')
    .action(run(parts, (session, _, options, at) => failover(session, at, options)));
  addConsentOptions(atNode(parts, 'replicate', 'make this node a replica', '<PRIMARY-ID>')).action(
    run(parts, (session, [id = ''], options, at) => replicate(session, at, id, options), 1),
  );
  addConsentOptions(atNode(parts, 'forget', 'take an id out of all that is known', '<ID>')).action(
    run(parts, (session, [id = ''], options) => forget(session, id, options), 1),
  );
}

function atNode(parts: ClusterCommands, name: string, description: string, more = ''): Command {
  const what = more === '' ? WHERE : `${WHERE}; then ${more}`;
  return addReachOptions(
    parts.program.command(name).argument('<WORDS...>', what).description(description),
  );
}

type Run<Options> = (
  session: Session,
  rest: readonly string[],
  options: Options,
  at: ClusterAddress,
) => Promise<number>;

/** `count` words follow the address; null for any number. */
function run<Options extends ReachOptions>(
  { ports, finish }: ClusterCommands,
  command: Run<Options>,
  count: number | null = 0,
): (words: string[], options: Options) => Promise<void> {
  return async (words, options) => {
    const taken = takeAddress(words);
    if (taken === null || (count !== null && taken.rest.length !== count))
      return finish(usage(words));
    const all = { ...(await ports()), terminal: processTerminal() };
    const { address, rest } = taken;
    finish(
      await withSession(address, options, all, (session) =>
        command(session, rest, options, address),
      ),
    );
  };
}

function runWithNewcomer({
  ports,
  finish,
}: ClusterCommands): (words: string[], options: AddNodeOptions & ReachOptions) => Promise<void> {
  return async (words, options) => {
    const [newcomer, entry, ...more] = takeAddresses(words) ?? [];
    if (newcomer === undefined || entry === undefined || more.length > 0)
      return finish(usage(words));
    const all = { ...(await ports()), terminal: processTerminal() };
    finish(
      await withSession(entry, options, all, (session) => addNode(session, newcomer, options)),
    );
  };
}

function usage(words: readonly string[]): number {
  processTerminal().err(
    `${words.join(' ')}: give the address of a node as HOST:PORT or HOST PORT, then what the ` +
      'command takes (see --help)\n',
  );
  return EXIT.usage;
}
