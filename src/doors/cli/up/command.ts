/** `althing up`: the words of the command. What it does is in `up.ts`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { EXIT } from '../exit-codes.ts';
import type { UpOptions } from './up.ts';

/** More nodes than this on one machine shows nothing new and only takes memory. */
const NODES_MAX = 12;
const NODES_DEFAULT = 3;
/** Two of them, with a replica each, are the smallest cluster that survives a node. */
const REPLICAS_DEFAULT = 1;
/** Peers, HTTP and servers live 1000, 2000 and 3000 above, plus one port per node. */
const BASE_PORT_MAX = 65_535 - 3_000 - NODES_MAX;

interface Flags {
  readonly nodes?: number;
  readonly shards?: number;
  readonly replicas?: number;
  readonly basePort: number;
  readonly dir?: string;
  readonly fresh?: true;
  readonly restart: boolean;
  readonly server?: string;
  readonly logLimit?: string;
  readonly relayThreads?: string;
  readonly passwordFile?: string;
  readonly localPort?: true;
  readonly sentinel: boolean;
  readonly consistency?: 'strong' | 'eventual';
  readonly importData?: string;
}

export function addUpCommand(program: Command, finish: (code: number) => void): void {
  program
    .command('up')
    .description('run a whole deployment on this machine')
    .option(
      '--nodes <N>',
      `how many nodes (default: ${NODES_DEFAULT}, or as many as the shards need)`,
      between(1, NODES_MAX),
    )
    .option('--shards <N>', 'of an eventual deployment (default: 1)', between(1, NODES_MAX))
    .option(
      '--replicas <N>',
      `with --shards: copies of each beside its primary (default: ${REPLICAS_DEFAULT})`,
      between(0, NODES_MAX - 1),
    )
    .option('--base-port <PORT>', 'client port of the first node', between(1, BASE_PORT_MAX), 6379)
    .option('--dir <DIR>', "where the data stays (default: under the user's state directory)")
    .option('--fresh', 'delete what an earlier `up` left in DIR, and start over')
    .option('--no-restart', 'leave a node down when its agent dies')
    .addOption(
      new Option('--server <PATH>', 'the server to run (default: the one on PATH)').env(
        'ALTHING_SERVER',
      ),
    )
    .option('--log-limit <BYTES>', 'size of the log that starts a snapshot')
    .option('--relay-threads <N>', 'threads of each node that serve clients, or auto (default: 0)')
    .option('--local-port', 'servers listen themselves while they follow, for reads: base+3000+i')
    .option('--no-sentinel', 'no ports for clients that know Sentinel; else base+20000+i')
    .addOption(
      new Option('--consistency <KIND>', 'of a deployment that is new (default: strong)').choices([
        'strong',
        'eventual',
      ]),
    )
    .option(
      '--import-data <PATH>',
      'eventual: the first node begins with the data of a server that was stopped, once',
    )
    .option('--password-file <FILE>', 'file with the password that clients must give')
    .action(async (flags: Flags) => {
      const refusal = refusalOf(flags);
      if (refusal !== null) program.error(`error: ${refusal}`, { exitCode: EXIT.usage });
      const { up } = await import('./up.ts');
      finish(await up(optionsFrom(flags)));
    });
}

/** What does not go together; null: it does. */
export function refusalOf(flags: Pick<Flags, 'shards' | 'replicas' | 'consistency'>) {
  const { shards = 1, replicas = REPLICAS_DEFAULT, consistency } = flags;
  if (shards > 1 && consistency !== 'eventual')
    return '--shards needs --consistency eventual: strong deployments have one shard';
  if (shards === 1 && flags.replicas !== undefined)
    return '--replicas needs --shards 2 or more: with one, every other node is a replica';
  const nodes = shards * (replicas + 1);
  return shards === 1 || nodes <= NODES_MAX ? null : `${nodes} nodes are more than ${NODES_MAX}`;
}

export function optionsFrom(flags: Flags): UpOptions {
  const { shards: count = 1, replicas = REPLICAS_DEFAULT } = flags;
  const shards = count === 1 ? null : { count, replicas };
  return {
    nodes: flags.nodes ?? (shards === null ? NODES_DEFAULT : count * (replicas + 1)),
    shards,
    basePort: flags.basePort,
    dir: flags.dir ?? null,
    fresh: flags.fresh === true,
    restart: flags.restart,
    server: flags.server ?? null,
    logLimit: flags.logLimit ?? null,
    relayThreads: flags.relayThreads ?? null,
    passwordFile: flags.passwordFile ?? null,
    localPorts: flags.localPort === true,
    // Clients of a cluster ask any of its servers.
    sentinelPorts: flags.sentinel && shards === null,
    isEventual: flags.consistency === 'eventual',
    importData: flags.importData ?? null,
  };
}

function between(low: number, high: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (/^\d+$/.test(text) && n >= low && n <= high) return n;
    throw new InvalidArgumentError(`Give a whole number from ${low} to ${high}.`);
  };
}
