/** `SENTINEL …`: what the topology answers, what is ordered, and what makes no sense here. */
import { failure, OK, type ReplyValue } from '../../core/resp/reply-value.ts';
import type { Orders } from '../orders.ts';
import type { DataNode } from '../topology.ts';
import {
  type Fields,
  isObjectivelyDown,
  masterFields,
  replicaFields,
  type Scene,
  sentinelFields,
  sentinelId,
} from './fields.ts';
import { isGlobMatch } from './glob.ts';

export interface SentinelDesk {
  scene(): Scene;
  /** What the primary is called by clients. */
  names(scene: Scene): readonly string[];
  readonly orders: Pick<Orders, 'switchover'>;
  /** A switchover that was asked for here is under way. */
  isSwitching: boolean;
}

export interface SentinelCall {
  /** Behind the subcommand. */
  readonly rest: readonly string[];
  readonly desk: SentinelDesk;
  /** It may order something. */
  readonly mayChange: boolean;
}

export type SentinelAnswer = ReplyValue | Promise<ReplyValue>;

interface Subcommand {
  /** As servers count: with both words, negative for "or more". */
  readonly arity: number;
  readonly answer: (call: SentinelCall) => SentinelAnswer;
}

const NO_SUCH_MASTER = failure('ERR No such master with that name');
const NOT_A_NUMBER = failure('ERR value is not an integer or out of range');
const NO_AUTH = failure('NOAUTH Authentication required.');
const IN_PROGRESS = failure('INPROG Failover already in progress');
const NO_REPLICA = failure('NOGOODSLAVE No suitable replica to promote');

const SUBCOMMANDS: ReadonlyMap<string, Subcommand> = new Map(
  Object.entries({
    masters: { arity: 2, answer: masters },
    primaries: { arity: 2, answer: masters },
    master: { arity: 3, answer: withMaster(master) },
    primary: { arity: 3, answer: withMaster(master) },
    replicas: { arity: 3, answer: withMaster(replicas) },
    slaves: { arity: 3, answer: withMaster(replicas) },
    sentinels: { arity: 3, answer: withMaster(sentinels) },
    'get-master-addr-by-name': { arity: 3, answer: withMaster(address, { kind: 'nothing' }) },
    'get-primary-addr-by-name': { arity: 3, answer: withMaster(address, { kind: 'nothing' }) },
    ckquorum: { arity: 3, answer: withMaster(checkQuorum) },
    'is-master-down-by-addr': { arity: 6, answer: isDown },
    'is-primary-down-by-addr': { arity: 6, answer: isDown },
    myid: { arity: 2, answer: ({ desk }) => sentinelId(desk.scene().topology.self) },
    failover: { arity: -3, answer: failover },
    'pending-scripts': { arity: 2, answer: () => [] },
    config: { arity: -3, answer: config },
    help: { arity: 2, answer: help },
    monitor: { arity: 6, answer: refuse('MONITOR', 'a node watches its own deployment only') },
    remove: {
      arity: 3,
      answer: refuse('REMOVE', 'a node watches its own deployment for as long as it runs'),
    },
    reset: {
      arity: 3,
      answer: refuse(
        'RESET',
        'replicas and nodes are agreed on, not found out; `althing remove` takes one out',
      ),
    },
    set: {
      arity: -5,
      answer: refuse('SET', 'quorum and times follow from the deployment; `althing settings`'),
    },
    flushconfig: { arity: 2, answer: refuse('FLUSHCONFIG', 'there is no file to write') },
    debug: { arity: -2, answer: refuse('DEBUG', 'times are those of `althing status --limits`') },
    'info-cache': { arity: -3, answer: refuse('INFO-CACHE', 'INFO is not kept: ask the servers') },
    'simulate-failure': {
      arity: -3,
      answer: refuse('SIMULATE-FAILURE', 'end the process instead, it is made for that'),
    },
  } satisfies Record<string, Subcommand>),
);

/** `words` without the command itself. */
export function answerSentinel(words: readonly string[], call: Omit<SentinelCall, 'rest'>) {
  const [given = '', ...rest] = words;
  const name = given.toLowerCase();
  const subcommand = SUBCOMMANDS.get(name);
  if (subcommand === undefined)
    return failure(`ERR unknown subcommand '${given.slice(0, 128)}'. Try SENTINEL HELP.`);
  const { arity } = subcommand;
  const count = words.length + 1;
  if (arity < 0 ? count < -arity : count !== arity)
    return failure(`ERR wrong number of arguments for 'sentinel|${name}' command`);
  return subcommand.answer({ ...call, rest });
}

type OfMaster = (
  name: string,
  primary: DataNode,
  scene: Scene,
  call: SentinelCall,
) => SentinelAnswer;

function withMaster(answer: OfMaster, unknown: ReplyValue = NO_SUCH_MASTER) {
  return (call: SentinelCall): SentinelAnswer => {
    const scene = call.desk.scene();
    const { primary } = scene.topology;
    const [name = ''] = call.rest;
    if (primary === null || !call.desk.names(scene).includes(name)) return unknown;
    return answer(name, primary, scene, call);
  };
}

function mapOf(fields: Fields): ReplyValue {
  return { kind: 'map', pairs: fields };
}

function masters({ desk }: SentinelCall): ReplyValue {
  const scene = desk.scene();
  const { primary } = scene.topology;
  if (primary === null) return [];
  return desk.names(scene).map((name) => mapOf(masterFields(name, primary, scene)));
}

function master(name: string, primary: DataNode, scene: Scene): ReplyValue {
  return mapOf(masterFields(name, primary, scene));
}

function replicas(_name: string, _primary: DataNode, scene: Scene): ReplyValue {
  return scene.topology.replicas.map((replica) => mapOf(replicaFields(replica, scene)));
}

function sentinels(_name: string, _primary: DataNode, scene: Scene): ReplyValue {
  return scene.topology.others.map((door) => mapOf(sentinelFields(door, scene)));
}

function address(_name: string, { host, port }: DataNode): ReplyValue {
  return [host, String(port)];
}

function checkQuorum(_name: string, _primary: DataNode, { topology }: Scene): ReplyValue {
  const { votersUp, quorum, voters } = topology;
  const usable = `${votersUp} usable Sentinels. `;
  const missing = [
    ...(votersUp < quorum ? ['the specified quorum for this master'] : []),
    ...(votersUp * 2 <= voters ? ['the majority and authorize a failover'] : []),
  ].map((what) => `Not enough available Sentinels to reach ${what}`);
  if (missing.length > 0) return failure(`NOQUORUM ${usable}${missing.join('. ')}`);
  return {
    kind: 'simple',
    text: `OK ${usable}Quorum and failover authorization can be reached`,
  };
}

/** No vote is given to whoever asks for one: Sentinels have nothing to decide here. */
function isDown({ rest, desk }: SentinelCall): ReplyValue {
  const [host, port = '', epoch = ''] = rest;
  if (![port, epoch].every((text) => /^-?\d{1,15}$/.test(text))) return NOT_A_NUMBER;
  const { topology } = desk.scene();
  const { primary } = topology;
  const isMeant = primary !== null && primary.host === host && primary.port === Number(port);
  return [isMeant && !primary.isUp ? 1 : 0, '*', 0];
}

function failover(call: SentinelCall): SentinelAnswer {
  const [, how = 'COORDINATED', ...more] = call.rest;
  // Every switchover is coordinated here, as Valkey 9 calls it.
  if (how.toUpperCase() !== 'COORDINATED' || more.length > 0) return failure('ERR syntax error');
  return withMaster((_name, _primary, scene) => {
    const { desk, mayChange } = call;
    if (!mayChange) return NO_AUTH;
    if (desk.isSwitching) return IN_PROGRESS;
    if (isObjectivelyDown(scene.topology)) return IN_PROGRESS;
    if (!scene.topology.replicas.some(({ isUp, isLevel }) => isUp && isLevel)) return NO_REPLICA;
    return switchOver(desk);
  })(call);
}

/** The answer is what became of it, and not that it was begun. */
async function switchOver(desk: SentinelDesk): Promise<ReplyValue> {
  desk.isSwitching = true;
  try {
    const result = await desk.orders.switchover(null);
    return result.ok ? OK : failure(`ERR ${result.code}: ${result.text}`);
  } finally {
    desk.isSwitching = false;
  }
}

function config({ rest, desk, mayChange }: SentinelCall): ReplyValue {
  const [what = '', ...patterns] = rest;
  if (what.toUpperCase() === 'SET') {
    if (!mayChange) return NO_AUTH;
    return failure('ERR SENTINEL CONFIG SET is refused: these are settings of `althing start`');
  }
  if (what.toUpperCase() !== 'GET' || patterns.length === 0)
    return failure('ERR Only SENTINEL CONFIG GET <param> [<param> ...] is taken here');
  const { self } = desk.scene().topology;
  const all: Fields = [
    ['resolve-hostnames', 'yes'],
    ['announce-hostnames', 'yes'],
    ['announce-ip', self.host],
    ['announce-port', String(self.port)],
    ['sentinel-user', ''],
    ['sentinel-pass', ''],
  ];
  const isAsked = (name: string) =>
    patterns.some((pattern) => isGlobMatch(pattern.toLowerCase(), name));
  return mapOf(all.filter(([name]) => isAsked(name)));
}

function help(): ReplyValue {
  const names = [...SUBCOMMANDS.keys()].map((name) => `SENTINEL ${name.toUpperCase()}`);
  return ['As of Sentinel, answered from what the deployment has agreed on:', ...names].map(
    (text): ReplyValue => ({ kind: 'simple', text }),
  );
}

function refuse(name: string, why: string) {
  return ({ mayChange }: SentinelCall): ReplyValue =>
    mayChange ? failure(`ERR SENTINEL ${name} is refused: ${why}`) : NO_AUTH;
}
