/** What every `althing cluster` command takes: where the cluster is, and how it is spoken to. */
import { type Command, Option } from 'commander';
import type { ClusterAccess, ClusterAddress } from '../../cluster.ts';

export interface ReachOptions {
  readonly user?: string;
  readonly password?: string;
  readonly tls?: boolean;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly sni?: string;
  readonly insecure?: boolean;
}

export interface ConsentOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export function addReachOptions(command: Command): Command {
  return command
    .option('--user <NAME>', 'user of the servers')
    .addOption(
      new Option('-a, --password <PASSWORD>', 'its password; better in the variable').env(
        'REDISCLI_AUTH',
      ),
    )
    .option('--tls', 'speak TLS')
    .option('--cacert <FILE>', 'who signs their certificates')
    .option('--cert <FILE>', 'our certificate')
    .option('--key <FILE>', 'its key')
    .option('--sni <NAME>', 'the name that their certificates are for')
    .option('--insecure', 'take any certificate')
    .addOption(new Option('--no-auth-warning', 'of redis-cli: there is none here').hideHelp());
}

export function addConsentOptions(command: Command): Command {
  return command
    .addOption(
      new Option('-y, --yes', 'do it without asking').env('REDISCLI_CLUSTER_YES').default(false),
    )
    .option('-n, --dry-run', 'only say what would be done');
}

/** Of commands that ask nothing, as those of redis-cli: scripts say yes to them all the same. */
export function addDryRunOptions(command: Command): Command {
  return command
    .option('-n, --dry-run', 'only say what would be done')
    .addOption(new Option('-y, --yes', 'nothing is asked here').hideHelp());
}

export function accessOf(options: ReachOptions): ClusterAccess {
  const { user = '', password = '', cacert, cert, key, sni } = options;
  const wantsTls = options.tls || cacert || cert || key || sni || options.insecure;
  const tls = {
    caFile: cacert ?? null,
    certFile: cert ?? null,
    keyFile: key ?? null,
    serverName: sni ?? null,
    isInsecure: options.insecure === true,
  };
  return { user, password, tls: wantsTls ? tls : null };
}

/** `10.0.0.7:6379`, `name:6379`, `[::1]:6379`, or host and port as two words. */
export function takeAddress(
  words: readonly string[],
): { address: ClusterAddress; rest: readonly string[] } | null {
  const [first = '', second = ''] = words;
  const one = /^(.+):(\d{1,5})$/.exec(first);
  const isBareIPv6 = one?.[1]?.includes(':') && !first.startsWith('[');
  const isOne = one !== null && isPort(Number(one[2])) && !(isBareIPv6 && /^\d+$/.test(second));
  if (isOne) return { address: at(one[1], one[2]), rest: words.slice(1) };
  if (first === '' || !/^\d{1,5}$/.test(second) || !isPort(Number(second))) return null;
  return { address: at(first, second), rest: words.slice(2) };
}

export function takeAddresses(words: readonly string[]): ClusterAddress[] | null {
  const found: ClusterAddress[] = [];
  for (let rest = words; rest.length > 0; ) {
    const taken = takeAddress(rest);
    if (taken === null) return null;
    found.push(taken.address);
    rest = taken.rest;
  }
  return found;
}

function at(host = '', port = ''): ClusterAddress {
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function isPort(port: number): boolean {
  return port > 0 && port < 65_536;
}

/** A whole number from `min` on; null for anything else. */
export function wholeNumber(text: string, min: number): number | null {
  const value = Number(text);
  return /^\d{1,15}$/.test(text) && value >= min ? value : null;
}
