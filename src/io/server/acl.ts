/**
 * What clients may run. Everything but `@admin` and `@dangerous`, so that a command that a newer
 * version brings is denied until somebody has thought about it; then back what is harmless, and
 * away what is not in those categories but breaks a guarantee. The server applies it everywhere:
 * inside MULTI, and inside scripts and functions too.
 */

const OWN_HISTORY = 'would change or leave the agreed history';
const REPLICATION = 'replication belongs to the agent';
const LIFE = 'the agent decides when the server runs';
const STORAGE = 'the log of the agent keeps the data; the server writes nothing to disk';
const USERS = 'users belong to the agent: a change on one server is lost at a failover';
const SETTINGS = 'a change on one server is lost at a failover: use `althing settings`';
const HIDES_CODE =
  'its payload may be compressed, and the functions in it cannot be checked: ' +
  'load them from their source with FUNCTION LOAD';
const PAUSES = 'delays or cuts connections of the agent, and with them every reply';
const CLUSTER = 'this server is no cluster node';
const INTERNAL = 'for tests of the server itself';

/** Denied to clients, with the reason that documentation and refusals give. */
export const DENIED: Readonly<Record<string, string>> = {
  replicaof: REPLICATION,
  slaveof: REPLICATION,
  psync: REPLICATION,
  sync: REPLICATION,
  replconf: REPLICATION,
  failover: 'use `althing switchover`',
  shutdown: LIFE,
  debug: INTERNAL,
  pfdebug: INTERNAL,
  pfselftest: INTERNAL,
  'module|load': OWN_HISTORY,
  'module|loadex': OWN_HISTORY,
  'module|unload': OWN_HISTORY,
  save: STORAGE,
  bgsave: STORAGE,
  bgrewriteaof: STORAGE,
  migrate: 'hands data to another server before it is agreed on',
  'restore-asking': CLUSTER,
  'config|rewrite': SETTINGS,
  'config|resetstat': 'the agent reads those counters',
  'client|kill': PAUSES,
  'client|pause': PAUSES,
  'client|unpause': PAUSES,
  'client|no-evict': 'lets a client keep memory beyond its bound',
  'script|debug': 'leaves calls of the agent unanswered while the debugger waits',
  'acl|setuser': USERS,
  'acl|deluser': USERS,
  'acl|load': USERS,
  'acl|save': USERS,
  'acl|list': USERS,
  'acl|users': USERS,
  'acl|getuser': USERS,
  'acl|log': USERS,
  'acl|dryrun': USERS,
  'function|restore': HIDES_CODE,
  'cluster|addslots': CLUSTER,
  'cluster|addslotsrange': CLUSTER,
  'cluster|bumpepoch': CLUSTER,
  'cluster|count-failure-reports': CLUSTER,
  'cluster|delslots': CLUSTER,
  'cluster|delslotsrange': CLUSTER,
  'cluster|failover': CLUSTER,
  'cluster|flushslots': CLUSTER,
  'cluster|forget': CLUSTER,
  'cluster|meet': CLUSTER,
  'cluster|replicas': CLUSTER,
  'cluster|replicate': CLUSTER,
  'cluster|reset': CLUSTER,
  'cluster|saveconfig': CLUSTER,
  'cluster|set-config-epoch': CLUSTER,
  'cluster|setslot': CLUSTER,
  'cluster|slaves': CLUSTER,
};

/** In `@admin` or `@dangerous`, and allowed all the same. All of them are in 7.0. */
export const ALLOWED: Readonly<Record<string, string>> = {
  flushall: 'data',
  flushdb: 'data',
  keys: 'data',
  sort: 'data',
  sort_ro: 'data',
  swapdb: 'data',
  restore: 'data',
  info: 'tells, changes nothing',
  role: 'tells, changes nothing',
  lastsave: 'tells, changes nothing',
  monitor: 'tells, changes nothing; the relay leaves out the agent’s own commands',
  'config|get': 'tells, changes nothing; no password is in it while clients are served',
  'config|set': 'the relay lets through what is in `CLIENT_SETTINGS`, and scripts cannot call it',
  'module|list': 'tells, changes nothing',
  'client|list': 'tells, changes nothing',
  'client|unblock': 'concerns a client that waits, and the answer says so',
  'slowlog|get': 'tells, changes nothing',
  'slowlog|len': 'tells, changes nothing',
  'slowlog|reset': 'this server’s own notes only',
  'latency|doctor': 'tells, changes nothing',
  'latency|graph': 'tells, changes nothing',
  'latency|history': 'tells, changes nothing',
  'latency|histogram': 'tells, changes nothing',
  'latency|latest': 'tells, changes nothing',
  'latency|reset': 'this server’s own notes only',
};

/** Denied although they are in neither category. */
export const DENIED_BEYOND_CATEGORIES = ['script|debug', 'function|restore'];

/** The categories that are denied as a whole before `ALLOWED` is given back. */
export const DENIED_CATEGORIES = ['admin', 'dangerous'] as const;

/** ACL rules for the clients' user, without its password. Valid on every supported version. */
export function clientRules(): string {
  return [
    '~*',
    '&*',
    '+@all',
    ...DENIED_CATEGORIES.map((category) => `-@${category}`),
    ...Object.keys(ALLOWED).map((command) => `+${command}`),
    ...DENIED_BEYOND_CATEGORIES.map((command) => `-${command}`),
  ].join(' ');
}

/**
 * What clients of a server that follows may not run beside: whoever comes in at its own port is
 * seen by no relay. Writes are not among it: such a server refuses them itself, with -READONLY.
 */
export const FOLLOWER_DENIED: Readonly<Record<string, string>> = {
  'config|set': 'no relay looks at which setting it is',
  monitor: 'shows what the agent asks',
  publish: 'would reach the subscribers of this node alone',
  spublish: 'would reach the subscribers of this node alone',
  pfcount: 'writes what it has counted into the value, and so into this copy alone',
  'client|unblock': 'concerns clients of others',
  'script|kill': 'concerns clients of others',
  'function|kill': 'concerns clients of others',
  'slowlog|reset': 'concerns what others look at',
  'latency|reset': 'concerns what others look at',
};

/** The same rules for a server that follows. */
export function followerRules(): string {
  return [clientRules(), ...Object.keys(FOLLOWER_DENIED).map((command) => `-${command}`)].join(' ');
}

/** What clients of an eventual deployment may not run beside: they talk to the server itself. */
export const EVENTUAL_DENIED: Readonly<Record<string, string>> = {
  'config|get': 'shows the password with which servers replicate',
  'config|set': 'no relay looks at which setting it is',
};

/** The same rules for a server that clients connect to themselves. */
export function eventualRules(): string {
  return [clientRules(), ...Object.keys(EVENTUAL_DENIED).map((command) => `-${command}`)].join(' ');
}

/** What clients of a cluster need beside, of what is denied as a whole. */
const OF_CLUSTERS = ['cluster|replicas', 'cluster|slaves', 'cluster|count-failure-reports'];

/** The same rules for one that is a node of a cluster: clients look who has which slots. */
export function clusterRules(): string {
  return [eventualRules(), ...OF_CLUSTERS.map((command) => `+${command}`)].join(' ');
}

/** What agents do to each other's servers in a cluster: look, order, and carry keys over. */
export function arrangingRules(): string {
  const commands = ['ping', 'info', 'dbsize', 'select', 'cluster', 'asking', 'migrate', 'restore'];
  const further = ['restore-asking', 'dump', 'memory|usage', 'function|dump', 'function|restore'];
  return ['~*', ...[...commands, ...further].map((command) => `+${command}`)].join(' ');
}

/** Why clients may not run `command` (`name` or `name|subcommand`, lower case). */
export function deniedBecause(command: string): string {
  return DENIED[command] ?? 'a command for administrators, new to this agent';
}

/**
 * What clients of this server are denied, each with its reason. `inCategories` are the commands
 * that the server has in `DENIED_CATEGORIES` (`COMMAND LIST FILTERBY ACLCAT …`).
 */
export function deniedCommands(
  inCategories: readonly string[],
): readonly { readonly command: string; readonly reason: string }[] {
  const names = new Set([...inCategories, ...DENIED_BEYOND_CATEGORIES]);
  return [...names]
    .filter((command) => !(command in ALLOWED))
    .toSorted()
    .map((command) => ({ command, reason: deniedBecause(command) }));
}
