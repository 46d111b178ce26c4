/** Whatever is wrong as this node sees it, in words: what it is, and what to do about it. */
import { isSharded } from '../core/control/spec.ts';
import { activeMembers, isWitness, nameOf } from '../core/control/state.ts';
import { majority } from '../core/raft/quorum.ts';
import type { Problem } from '../doors/view.ts';
import type { Agent } from './agent.ts';
import { eventualProblems } from './eventual-view.ts';

/** An election takes about this long: nobody needs to hear of it. */
const LEADERLESS_MS_MAX = 3_000;
/** A change of members that takes no longer is nobody's concern. */
const CHANGE_MS_MAX = 10_000;

/** The own address among the peers, and a second address of one that is connected. */
const HARMLESS: ReadonlySet<string> = new Set(['SELF', 'SAME_PEER']);

export function problemsSeen(agent: Agent): Problem[] {
  if (agent.isRemoved) return removed(agent);
  const { shard, membership, eventual, assembly } = agent;
  const isPlaced = eventual === null ? shard !== null : assembly.group !== null;
  return [
    ...membership.problems,
    ...(isPlaced ? leaderless(agent) : notFounded(agent)),
    ...(eventual === null ? [] : eventualProblems(agent, eventual)),
    ...undecided(agent),
    ...wiped(agent),
    ...missing(agent),
    ...slowChange(agent),
    ...refusals(agent),
    ...mixedServers(agent),
    ...serverProblems(agent),
  ];
}

function removed({ config }: Agent): Problem[] {
  return [
    {
      code: 'REMOVED',
      text: `${config.node} was removed from ${config.name}, and takes part in nothing`,
      todo: `stop it; to have it back as a new node, empty ${config.dir} and start it`,
    },
  ];
}

function notFounded({ config, membership, route, discovery }: Agent): Problem[] {
  if (route.leaderlessMs < LEADERLESS_MS_MAX) return [];
  const recorded = discovery.record?.problems(config.name) ?? [];
  if (recorded.length > 0) return recorded;
  const places = discovery.places.join(', ') || 'nowhere but here';
  const { nodesExpected } = discovery;
  const failing = discovery.status().flatMap(({ lastError }) => lastError?.text ?? []);
  return [
    {
      code: 'NOT_FOUNDED',
      text: [
        `this node belongs to no deployment yet; it sees ${membership.up.size} other nodes`,
        ...(nodesExpected === null ? [] : [`${nodesExpected} nodes or more begin one`]),
        ...failing,
      ].join('; '),
      todo: config.joinsOnly
        ? `give an address of a node of ${config.name}: at ${places} is none`
        : `as many must see one another once, to begin; they are looked for at ${places}`,
    },
  ];
}

function leaderless({ shard, membership, voters, dataLeader, route }: Agent): Problem[] {
  const forMs = route.leaderlessMs;
  if (shard === null || dataLeader !== null || forMs < LEADERLESS_MS_MAX) return [];
  const { up, id } = membership;
  const seen = voters.filter((voter) => voter === id || up.has(voter)).length;
  const needed = majority(voters.length);
  return [
    {
      code: seen < needed ? 'NO_QUORUM' : 'NO_LEADER',
      text:
        `nobody leads since ${Math.round(forMs / 1000)} s; ` +
        `${seen} of ${voters.length} voters are in sight, ${needed} are needed`,
      todo:
        seen < needed
          ? 'bring more of the nodes back: without a majority nothing can be agreed on'
          : 'wait some seconds; if it lasts, look at the logs of all nodes',
    },
  ];
}

/** The data group may serve meanwhile. */
function undecided({ assembly }: Agent): Problem[] {
  const forMs = assembly.leaderlessMs;
  if (assembly.group === null || forMs < LEADERLESS_MS_MAX) return [];
  const { voters } = assembly.group.raft.configuration;
  return [
    {
      code: 'NO_DECISIONS',
      text:
        `nobody leads the control group since ${Math.round(forMs / 1000)} s: ` +
        'no node can join or be replaced, and the spec cannot be changed',
      todo: `bring back a majority of those that vote there: ${voters.map(nameOf).join(', ')}`,
    },
  ];
}

/** A node that is there again without its disk, until it stands in its own former place. */
function wiped({ membership, voters }: Agent): Problem[] {
  const lost = voters.filter((voter) => voter !== membership.id && !membership.up.has(voter));
  const here = [membership.id, ...membership.up.keys()].filter((id) => !voters.includes(id));
  return here.flatMap((id) => {
    const former = lost.find((voter) => nameOf(voter) === nameOf(id));
    if (former === undefined) return [];
    return [
      {
        code: 'DIRECTORY_WIPED',
        text: `${nameOf(id)} lost its data directory (it was ${former}, now it is ${id})`,
        todo: 'keep the others running: it takes its former place as soon as it has the data',
      },
    ];
  });
}

function missing(agent: Agent): Problem[] {
  const { membership, voters, assembly, config } = agent;
  const { id, up } = membership;
  const { state } = assembly;
  const stay = activeMembers(state).map(({ node }) => node);
  const names = [id, ...up.keys()].map(nameOf);
  // Of a wiped directory DIRECTORY_WIPED says so.
  const gone = [...new Set([...voters, ...stay])].filter((node) => !names.includes(nameOf(node)));
  const problems = gone.toSorted().map((node) => ({
    code: 'NODE_UNREACHABLE',
    text: `${nameOf(node)} cannot be reached from ${config.node}`,
    todo: `start ${nameOf(node)}, or look at the network between the two`,
  }));
  const wanted = (state.spec?.replicas ?? 0) + 1;
  const able = activeMembers(state).filter(({ facts }) => !isWitness(facts)).length;
  // Of many shards the control leader says what is lacking.
  if (state.spec === null || isSharded(state.spec) || wanted <= able) return problems;
  return [
    ...problems,
    {
      code: 'TOO_FEW_NODES',
      text: `${wanted} nodes should hold the data, and there are ${able}`,
      todo: `start ${wanted - able} more, or scale down: althing scale --replicas N`,
    },
  ];
}

function slowChange({ assembly }: Agent): Problem[] {
  const { waits, state } = assembly;
  const { data, history } = state;
  const decision = history.find(({ index }) => index === data.decision);
  if (waits === '' || decision === undefined || assembly.unsettledMs < CHANGE_MS_MAX) return [];
  return [
    {
      code: 'CHANGE_WAITS',
      text: `decision ${data.decision} (${decision.text}) is not carried out yet: ${waits}`,
      todo: 'it is tried again and again; look at the nodes that it names',
    },
  ];
}

const TODO_REFUSED: Readonly<Record<string, string>> = {
  WRONG_DEPLOYMENT:
    'empty the directory of whichever is not wanted, and start it: it joins the other',
  WRONG_CONSISTENCY: 'start all nodes with the same --consistency',
};
const TODO_REFUSED_OTHERWISE =
  'give all nodes the same --name and --secret-file, and each its own directory';

/** Addresses whose last answer was no: wrong secret, name, deployment. */
function refusals({ mesh }: Agent): Problem[] {
  return mesh.peers().flatMap(({ address, refusal }) =>
    refusal === null || HARMLESS.has(refusal.code)
      ? []
      : [
          {
            code: `PEER_${refusal.code}`,
            text: `${address}: ${refusal.text}`,
            todo: TODO_REFUSED[refusal.code] ?? TODO_REFUSED_OTHERWISE,
          },
        ],
  );
}

function serverProblems({ group, ownServer, localProblem }: Agent): Problem[] {
  if (ownServer === null) return [];
  const { lastDown, lastDivergence: diverged } = ownServer;
  const problems: Problem[] = [];
  const notLoadable = group?.snapshotProblem ?? null;
  // Its last words do not say why it had to be ended.
  if (group !== null && group.strong.stage.kind === 'down' && notLoadable === null)
    problems.push({
      code: 'SERVER_DOWN',
      text: `the server beside this node is not running: ${lastDown ?? 'it never started'}`,
      todo: 'its last words say why; the agent starts it again by itself',
    });
  if (localProblem !== null)
    problems.push({
      code: 'LOCAL_PORT',
      text: `the server does not listen for reads: ${localProblem}`,
      todo: 'free that port, or give another --local-port',
    });
  if (diverged !== null)
    problems.push({
      code: 'SERVER_DIVERGED',
      text: diverged,
      todo: 'it was loaded anew; if this comes again, run one server version on all nodes',
    });
  if (notLoadable !== null)
    problems.push({
      code: 'SNAPSHOT_NOT_LOADABLE',
      text: notLoadable,
      todo: 'run a server here that is not older than those that make the snapshots',
    });
  return problems;
}

/** Two servers may execute the same stream differently, and cannot load each other's snapshots. */
function mixedServers({ membership }: Agent): Problem[] {
  const every = [membership.hello, ...membership.up.values()];
  const all = every.filter(({ witness }) => witness !== true);
  if (new Set(all.map(({ serverVersion }) => serverVersion)).size < 2) return [];
  const who = all.map(({ node, serverVersion }) => `${node} ${serverVersion}`).toSorted();
  return [
    {
      code: 'MIXED_SERVERS',
      text: `the nodes run different servers: ${who.join(', ')}`,
      todo: 'run one version of one server on all nodes; a mix is for the time of an upgrade only',
    },
  ];
}
