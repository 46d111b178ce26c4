/**
 * Every bound of the program in one place, with its reason and what happens when it is reached.
 * `althing status --limits` prints them.
 */
const KIB = 1024;
const MIB = 1024 * KIB;

export interface Limit {
  readonly name: string;
  readonly value: number;
  readonly why: string;
}

export const LIMITS = {
  /** One tick of every timer in Raft and strong mode. */
  tickMs: 25,
  /** A pause of the event loop longer than this is logged: leadership may have moved meanwhile. */
  stallMsMax: 500,
  heartbeatTicks: 4,
  electionTicksMin: 30,
  electionTicksMax: 60,
  /** Bytes of stream executed by the leader's server and not yet committed. */
  uncommittedBytesMax: 64 * MIB,
  /** One execution unit (a command or a transaction) in the stream. */
  unitBytesMax: 256 * MIB,
  /** Bytes of appends on their way to one peer. */
  appendWindowBytes: 8 * MIB,
  appendBytesMax: 1 * MIB,
  heldBytesMax: 256 * MIB,
  clientsMax: 10_000,
  /** Threads that serve clients; `auto` takes fewer. */
  relayThreadsMax: 64,
  /** Stream bytes by which a server counts as level when it comes to campaigning. */
  levelSlackBytes: 4 * MIB,
  /** No progress towards opening for so long: hand over, kill the server. */
  openTicksMax: 200,
  /** One step of promotion or demotion. */
  stepTicksMax: 120,
  /** No answer to the fence: the server hangs. Above lua-time-limit, so that -BUSY comes first. */
  fenceTicksMax: 400,
  /** A script that blocks the server for so long ends the reign. */
  busyTicksMax: 2400,
  /** A planned hand-over that did not get there: writes go on here. */
  handOverTicksMax: 80,
  /** A leader whose disk keeps a write waiting for so long hands over, and tries again. */
  diskWaitTicksMax: 60,
  diskHandOverRetryTicks: 400,
  /** How long a new command waits for a leader before `-CLUSTERDOWN`. */
  leaderWaitMsMax: 3_000,
  /** SIGTERM: time to hand over before stopping anyway. */
  stopMsMax: 5_000,
  segmentBytes: 16 * MIB,
  segmentBytesMin: 64 * KIB,
  segmentsPerLimit: 4,
  /** Chunks of snapshots being read for peers, of 1 MiB each. */
  snapshotReadsMax: 16,
  /** A leader over --log-limit waits so long for a follower's snapshot. */
  snapshotAloneTicks: 200,
  tailCacheBytes: 32 * MIB,
  /** The log may grow to this multiple of --log-limit (and at least 64 MiB) before writes wait. */
  logHardFactor: 8,
  logHardBytesMin: 64 * MIB,
  controlSegmentBytes: 256 * KIB,
  controlCacheBytes: 1 * MIB,
  /** Between two reports of a node to its peers. */
  reportTicks: 40,
  /** Between two words of a node on how its server stands, in an eventual deployment. */
  standingTicks: 8,
  /** Between two looks where the primary is, for the port that lands on it. */
  primaryLookTicks: 4,
  /** Between two looks at the settings of the own server. */
  settingsLookTicks: 400,
  /** SIGTERM with --ephemeral: time to leave before stopping anyway. */
  leaveMsMax: 25_000,
} as const;

const WHY: Readonly<Record<keyof typeof LIMITS, string>> = {
  tickMs: 'the unit of every timer',
  stallMsMax: 'a longer stall of the event loop is reported',
  heartbeatTicks: 'idle leaders speak this often; several fit into one election timeout',
  electionTicksMin: 'a leader is not heard for so long: somebody campaigns',
  electionTicksMax: 'spread of the election timeout, so that candidates rarely collide',
  uncommittedBytesMax: 'at the bound clients are no longer read; nothing is dropped',
  unitBytesMax: 'a larger transaction ends the reign: it could neither be split nor held',
  appendWindowBytes: 'a slow peer gets no more until it acknowledges',
  appendBytesMax: 'one message to a peer; heartbeats fit in between',
  heldBytesMax:
    'replies waiting for commit, divided among threads; at the bound the server is no longer read',
  clientsMax: 'further clients are refused with an error; counted in all threads together',
  relayThreadsMax: 'more threads than this divide the bounds too finely, and the server is one',
  levelSlackBytes: 'a server further behind lets others campaign first',
  openTicksMax: 'a leader that makes no progress towards opening hands over',
  stepTicksMax: 'a promotion or demotion that takes longer: the server is killed',
  fenceTicksMax: 'a server that does not answer hangs: it is killed, another leads',
  busyTicksMax: 'a script may block the server for so long',
  handOverTicksMax: 'a planned hand-over gives up and writes go on',
  diskWaitTicksMax: 'a leader whose disk keeps a write waiting for so long hands over',
  diskHandOverRetryTicks: 'and when that failed, it tries again after so long',
  leaderWaitMsMax: 'a new command waits so long for a leader, then -CLUSTERDOWN',
  stopMsMax: 'a stop waits so long for the hand-over',
  segmentBytes: 'size of a log file: what compaction removes at a time',
  segmentBytesMin: 'a small --log-limit has smaller files, but not tiny ones',
  snapshotReadsMax: 'what peers ask for beyond is dropped, and asked for again',
  snapshotAloneTicks: 'then a leader takes one itself, though that costs it memory and time',
  segmentsPerLimit: 'so many log files fit into --log-limit',
  tailCacheBytes: 'recent entries in memory, for peers and the feed',
  logHardFactor: 'log over --log-limit times this: writes wait for compaction',
  logHardBytesMin: 'small log limits still leave this much room for bursts',
  controlSegmentBytes: 'size of a log file of the control group, whose entries are few and small',
  controlCacheBytes: 'recent entries of the control group in memory, for peers',
  reportTicks: 'what a node does and sees is told to its peers so often, and when it changes',
  primaryLookTicks: 'connections to a former primary through --primary-port end within so long',
  standingTicks: 'in an eventual deployment servers are told of so often, and chosen by it',
  settingsLookTicks:
    'what a client has set otherwise, or a busy server did not take, is set again so often',
  leaveMsMax: 'a stop with --ephemeral waits so long to be let go; Kubernetes gives 30 s',
};

export function listLimits(): Limit[] {
  return Object.entries(LIMITS).map(([name, value]) => ({
    name,
    value,
    why: WHY[name as keyof typeof LIMITS],
  }));
}
