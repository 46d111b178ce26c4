/** The paths of the HTTP door that answer yes (200) or no (503), with Patroni's meaning. */
import { parseBytes } from '../bytes.ts';
import type { Status, View } from '../view.ts';

/** Bytes of lag that a question allows; null when it did not ask. */
export type LagBound = number | null;

export interface Question {
  readonly paths: readonly string[];
  readonly means: string;
  readonly takesLag: boolean;
  answer(view: View, lagBytesMax: LagBound): boolean;
}

export const QUESTIONS: readonly Question[] = [
  {
    paths: ['/', '/primary', '/leader', '/read-write'],
    means: '200 on the node that leads and serves writes',
    takesLag: false,
    answer: (view) => view.isOpenLeader(),
  },
  {
    paths: ['/replica'],
    means: '200 on a healthy follower; ?lag=10mb bounds how far it may be behind',
    takesLag: true,
    answer: (view, lagBytesMax) => isReplica(view, lagBytesMax),
  },
  {
    paths: ['/read-only'],
    means: '200 on the leader and on healthy followers; ?lag= as for /replica',
    takesLag: true,
    answer: (view, lagBytesMax) => view.isOpenLeader() || isReplica(view, lagBytesMax),
  },
  {
    paths: ['/health'],
    means: "200 while this node's server is up",
    takesLag: false,
    answer: (view) => view.isHealthy(),
  },
  {
    paths: ['/ready', '/readiness'],
    means: '200 while clients are served through this node',
    takesLag: true,
    answer: (view, lagBytesMax) =>
      view.isReady() && (view.isOpenLeader() || isWithin(view.status(), lagBytesMax)),
  },
  {
    paths: ['/liveness'],
    means: '200 while the agent runs',
    takesLag: false,
    answer: () => true,
  },
];

function isReplica(view: View, lagBytesMax: LagBound): boolean {
  const status = view.status();
  const follows = status.role === 'follower' || status.role === 'replica';
  return follows && view.isHealthy() && isWithin(status, lagBytesMax);
}

/** A lag that nobody knows is not within any bound. */
function isWithin(status: Status, lagBytesMax: LagBound): boolean {
  if (lagBytesMax === null) return true;
  const own = status.members.find(({ node }) => node === status.node)?.lagBytes;
  const { committed, applied } = status.offsets;
  // A node without a leader does not know how far the others have got.
  const seen = status.leader === null ? null : Math.max(0, committed - applied);
  const lag = own ?? seen;
  return lag !== null && lag <= lagBytesMax;
}

/** `?lag=` as a bound; `'bad'` when it is not a size. */
export function lagBound(text: unknown): LagBound | 'bad' {
  if (text === undefined) return null;
  return typeof text === 'string' ? (parseBytes(text) ?? 'bad') : 'bad';
}
